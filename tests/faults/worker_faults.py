"""What a cluster does to a run's workers, on the Slurm of tests/cluster/start."""

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hpc_ml.runs.layout import RunLayout
from tests.faults.bench import Bench
from tests.faults.controllers import Controller, await_result, find_run
from tests.faults.table import Outcome

SITE = Path(__file__).parent.parent / "cluster" / "testslurm.yaml"
PLACE = ("--on", "slurm", "--site", str(SITE), "--walltime", "10m")

_NODES_LOCK = Path("/tmp/slurm-nodes.lock")
_DOWN_S = 10.0
_LOOK_EVERY_S = 0.2
_ENDING_LIMIT_S = 60

Disturb = Callable[[str], object]


def disturb_worker(
    bench: Bench, moment_s: float, workers_after: int, *, fault: str, disturb: Disturb
) -> Outcome:
    """Do something to a running worker's job at a moment; the run must go on by itself."""
    folder, controller = bench.start(fault)
    controller.await_moment(moment_s)
    job = _await_job(folder, controller)
    if job is not None:
        disturb(job)
    result = await_result(folder, controller)
    return bench.judge(
        fault, moment_s, result, processes=controller.count_left(), wall_s=result.wall_s
    )


def kill_process(job: str) -> None:
    """SIGKILL the process that works, which a nanny watches over."""
    for process_id in _processes_of(job):
        os.kill(process_id, signal.SIGKILL)


def cancel_job(job: str) -> None:
    _ask("scancel", job)


def reach_walltime(job: str) -> None:
    """Have the job's time be over now, which is what Slurm makes of a walltime."""
    _ask("scontrol", "update", f"JobId={job}", "EndTime=now")


def take_node_down(job: str) -> None:
    """Set the job's node down for a while, when no other run's job is there."""
    with _nodes_locked():
        deadline_s = time.monotonic() + _ENDING_LIMIT_S
        while True:
            [node] = _ask("squeue", "-h", "-j", job, "-o", "%N").split() or [""]
            if not node:
                return  # it has ended meanwhile
            names = _ask("squeue", "-h", "-w", node, "-o", "%j").split()
            if len(set(names)) == 1:
                break
            if time.monotonic() > deadline_s:
                raise SystemExit(f"node {node} is never free of other jobs")
            time.sleep(_LOOK_EVERY_S)
        _ask("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=fault suite")
        try:
            time.sleep(_DOWN_S)
        finally:
            _ask("scontrol", "update", f"NodeName={node}", "State=RESUME")


def list_jobs_left(run: Path) -> list[str]:
    """Return the batch jobs that a run leaves, once those that are ending have ended."""
    deadline_s = time.monotonic() + _ENDING_LIMIT_S
    while (jobs := _jobs_of(run)) and time.monotonic() < deadline_s:
        time.sleep(_LOOK_EVERY_S)
    return [f"job {job}" for job in jobs]


def _jobs_of(run: Path, *words: str) -> list[str]:
    return _ask("squeue", "-h", "-n", RunLayout(run).tag, "-o", "%i", *words).split()


def _await_job(folder: Path, controller: Controller) -> str | None:
    """Return a worker's job that runs, or None when the run has ended before."""
    while controller.running:
        run = find_run(folder)
        jobs = _jobs_of(run, "-t", "RUNNING") if run else []
        if jobs:
            return jobs[0]
        time.sleep(_LOOK_EVERY_S)
    return None


def _processes_of(job: str) -> Iterator[int]:
    """Yield the worker processes of a job on this host, without the nannies that start them."""
    mark = f"SLURM_JOB_ID={job}".encode()
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            words = (environ.parent / "cmdline").read_bytes()
            if b"spawn_main" in words and mark in environ.read_bytes().split(b"\0"):
                yield int(environ.parent.name)
        except OSError:
            continue


@contextmanager
def _nodes_locked() -> Iterator[None]:
    with _NODES_LOCK.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _ask(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False).stdout
