"""The jobs of a run, and what their scripts do when bash runs them."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpc_ml.schedulers import open_scheduler
from hpc_ml.schedulers.scripts import (
    NO_SCRATCH_EXIT_CODE,
    Plan,
    controller_job,
    worker_job,
    worker_script,
)
from hpc_ml.spec.quantities import GIB
from tests.golden.plans import make_plan

# Plays the Python of a job: writes down what it got, then does what its device says.
PLAYER = """#!/bin/bash
echo "${CUDA_VISIBLE_DEVICES-} $OMP_NUM_THREADS $PWD $* " >>"$PLAYED"
case ${CUDA_VISIBLE_DEVICES-} in
  fails) exit 7 ;;
  waits) echo waiting; exec sleep 100 ;;
esac
"""


def plan_in(folder: Path, site: str = "slurm", **words: Any) -> Plan:
    """Return a plan whose Python is the player, in a folder that is there."""
    player = folder / "the player"
    player.write_text(PLAYER)
    player.chmod(0o755)
    return replace(make_plan(site, **words), run_dir=folder, python=str(player))


def start(plan: Plan, **environ: str) -> subprocess.Popen[str]:
    """Start the worker's script by bash, as its scheduler would."""
    (plan.run_dir / "logs").mkdir()
    base = {"PATH": os.environ["PATH"], "PLAYED": str(plan.run_dir / "played"), "SLURM_JOB_ID": "7"}
    return subprocess.Popen(
        ["bash", "-c", worker_script(plan)],
        env=base | environ,
        cwd="/",
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def run(plan: Plan, **environ: str) -> tuple[int, str]:
    """Run the worker's script; return its exit code and its output."""
    process = start(plan, **environ)
    output, _ = process.communicate(timeout=60)
    return process.returncode, output


def played(plan: Plan) -> list[str]:
    return sorted((plan.run_dir / "played").read_text().splitlines())


def test_the_workers_job_asks_for_what_the_job_says() -> None:
    plan = make_plan("gadi", cores=12, memory="3 GiB", gpus=1, walltime="2h", account="ab12")
    job = worker_job(plan)
    assert (job.cores, job.memory_bytes, job.gpus, job.walltime_s) == (12, 3 * GIB, 1, 7200)
    assert (job.queue, job.account, job.warn_s) == ("gpuvolta", "ab12", 0)
    assert job.name == "hpcml-x7k2q1"
    assert job.log_folder == plan.run_dir / "logs"


def test_the_controllers_job_takes_after_the_workers_where_nothing_is_said() -> None:
    plan = make_plan("slurm", walltime="2h", queue="long", account="ab12", gpus=1)
    job = controller_job(plan)
    assert (job.cores, job.memory_bytes, job.gpus) == (1, 4 * GIB, 0)
    assert (job.walltime_s, job.queue, job.account) == (7200, "long", "ab12")


def test_the_controllers_job_has_a_queue_and_walltime_of_its_own() -> None:
    plan = make_plan("slurm", walltime="2h", queue="long")
    own = plan.job.controller.model_copy(update={"queue": "tiny", "walltime": 9000})
    job = controller_job(replace(plan, job=plan.job.model_copy(update={"controller": own})))
    assert (job.walltime_s, job.queue) == (9000, "tiny")


@pytest.mark.parametrize(("walltime", "warn_s"), [("24h", 60), ("10m", 60), ("5m", 30)])
def test_the_controller_is_warned_after_its_own_timer(walltime: str, warn_s: int) -> None:
    assert controller_job(make_plan("slurm", walltime=walltime)).warn_s == warn_s


def test_the_controller_takes_the_place_of_the_shell() -> None:
    plan = make_plan("slurm")
    script = open_scheduler(plan.profile).render(controller_job(plan))
    last = script.splitlines()[-1]
    assert last == f"exec {plan.python} -m hpc_ml controller {plan.run_dir}"


def test_a_cpu_worker_starts_a_process_for_each_core(tmp_path: Path) -> None:
    plan = plan_in(tmp_path, cores=4, memory="6 GiB")
    assert run(plan) == (0, "")
    [words] = played(plan)
    assert words.startswith(f" 1 {tmp_path} -m distributed.cli.dask_worker --nworkers 4 ")
    for option in (
        "--nthreads 1",
        "--memory-limit 1536MiB",
        "--name 7",
        f"--scheduler-file {tmp_path}/scheduler.json",
        f"--tls-key {tmp_path}/tls/key.pem",
        "--no-dashboard",
        "--dashboard-address 127.0.0.1:0",
        f"--local-directory /tmp/hpc-ml-{os.getuid()}",
    ):
        assert f" {option} " in words


def test_local_files_go_where_the_job_may_write(tmp_path: Path) -> None:
    plan = plan_in(tmp_path)
    local = tmp_path / "local" / "7"
    run(plan, TMPDIR=str(local))
    own = local / f"hpc-ml-{os.getuid()}"
    assert f" --local-directory {own} " in played(plan)[0]
    assert own.stat().st_mode & 0o777 == 0o700


def test_a_worker_does_not_start_in_the_folder_of_another(tmp_path: Path) -> None:
    plan = plan_in(tmp_path)
    folder = tmp_path / f"hpc-ml-{os.getuid()}"
    folder.symlink_to(tmp_path)
    code, output = run(plan, TMPDIR=str(tmp_path))
    assert code == NO_SCRATCH_EXIT_CODE
    assert f"{folder} belongs to another user; set TMPDIR" in output
    assert not (tmp_path / "played").exists()


def test_without_memory_dask_finds_the_limit_itself(tmp_path: Path) -> None:
    plan = plan_in(tmp_path, memory=None)
    run(plan)
    assert "--memory-limit" not in played(plan)[0]


@pytest.mark.parametrize(
    ("site", "environ", "job_id"),
    [
        ("pbs", {"PBS_JOBID": "73.head"}, "73.head"),
        ("torque", {"PBS_JOBID": "73.head"}, "73.head"),
        ("torque", {}, "7"),
    ],
)
def test_a_pbs_job_writes_its_own_log(
    tmp_path: Path, site: str, environ: dict[str, str], job_id: str
) -> None:
    plan = plan_in(tmp_path, site, gpus=1, launcher="plain", queue="gpu")
    assert run(plan, CUDA_VISIBLE_DEVICES="waits-not", **environ) == (0, "")
    log = tmp_path / "logs" / f"worker-{job_id}.log"
    assert log.read_text() == "hpc-ml: GPU waits-not\n"
    assert log.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("launcher", ["plain", "dask-cuda"])
@pytest.mark.parametrize("devices", [None, "", "NoDevFiles"])
def test_a_node_without_gpus_ends_the_job(
    tmp_path: Path, launcher: str, devices: str | None
) -> None:
    plan = plan_in(tmp_path, gpus=1, launcher=launcher)
    code, output = run(plan, **({} if devices is None else {"CUDA_VISIBLE_DEVICES": devices}))
    assert code == 69
    assert output == "hpc-ml: this node gave the job no GPU: CUDA_VISIBLE_DEVICES is empty\n"
    assert not (tmp_path / "played").exists()


def test_plain_gpu_workers_get_a_device_each(tmp_path: Path) -> None:
    plan = plan_in(tmp_path, gpus=2, cores=6, memory="8 GiB", launcher="plain")
    assert run(plan, CUDA_VISIBLE_DEVICES="GPU-ab,3") == (0, "hpc-ml: GPU GPU-ab,3\n")
    second, first = played(plan)
    assert first.startswith(f"GPU-ab 3 {tmp_path} -m distributed.cli.dask_worker --no-dashboard")
    assert " --name 7-0 " in first and " --memory-limit 4096MiB " in first
    assert second.startswith("3 3 ") and " --name 7-1 " in second


def test_the_only_gpu_worker_has_the_name_of_its_job(tmp_path: Path) -> None:
    plan = plan_in(tmp_path, gpus=1, launcher="plain")
    run(plan, CUDA_VISIBLE_DEVICES="0")
    assert " --name 7 " in played(plan)[0]


def test_dask_cuda_starts_the_gpu_workers_itself(tmp_path: Path) -> None:
    plan = plan_in(tmp_path, gpus=2, launcher="dask-cuda")
    assert run(plan, CUDA_VISIBLE_DEVICES="0,1")[0] == 0
    [words] = played(plan)
    assert words.startswith(f"0,1 1 {tmp_path} -m dask_cuda.cli --no-dashboard ")
    assert "--nworkers" not in words


def test_where_nodes_are_given_whole_all_gpus_are_used(tmp_path: Path) -> None:
    plan = plan_in(tmp_path, "stampede3", gpus=4, launcher="plain")
    assert run(plan)[0] == 0
    assert [words[0] for words in played(plan)] == ["0", "1", "2", "3"]


def test_a_gpu_worker_that_fails_ends_the_job_with_its_code(tmp_path: Path) -> None:
    plan = plan_in(tmp_path, gpus=2, launcher="plain")
    assert run(plan, CUDA_VISIBLE_DEVICES="waits,fails")[0] == 7


def test_a_signal_reaches_the_gpu_workers(tmp_path: Path) -> None:
    plan = plan_in(tmp_path, gpus=2, launcher="plain")
    process = start(plan, CUDA_VISIBLE_DEVICES="waits,waits")
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(3)]
    assert lines[1:] == ["waiting\n", "waiting\n"]
    process.terminate()
    # Its output ends only when no worker holds it any more.
    process.communicate(timeout=60)
    assert process.returncode == 143
