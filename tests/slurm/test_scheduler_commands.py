"""The scheduler's adapters against a real Slurm, by its own commands and by the Torque commands."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpc_ml.errors import SubmissionRefused
from hpc_ml.runs.layout import RunLayout
from hpc_ml.schedulers import open_scheduler
from hpc_ml.schedulers.base import BatchJob, JobReport, JobState, Scheduler
from hpc_ml.sites.loading import load_profile
from hpc_ml.spec.quantities import GIB, MIB
from tests.conftest import LIMIT_S
from tests.slurm.conftest import SITES, ask

NAME = "hpcml-adapter"
USES_MEMORY = "exec python3 -c 'held = bytearray(400 << 20); import time; time.sleep(100)'"


class Jobs:
    """Jobs of one run folder, ended when their test has ended."""

    def __init__(self, scheduler: Scheduler, folder: Path) -> None:
        self.scheduler = scheduler
        self.layout = RunLayout(folder)
        self.script = self.layout.worker_script
        self.logs = self.layout.logs
        self.logs.mkdir(parents=True)
        self.ids: list[str] = []

    def write(self, *body: str, **asked: Any) -> Path:
        job = BatchJob(
            name=NAME,
            cores=1,
            memory_bytes=64 * MIB,
            gpus=0,
            walltime_s=600,
            queue=None,
            account="research",
            directives=(),
            log_folder=self.logs,
            log_stem="worker",
            body=body or ("true",),
        )
        self.script.write_text(self.scheduler.render(replace(job, **asked)))
        return self.script

    def submit(self, *body: str, **asked: Any) -> str:
        self.ids.append(self.scheduler.submit(self.write(*body, **asked)))
        return self.ids[-1]

    def log(self, job_id: str) -> str:
        path = self.layout.job_log("worker", job_id)
        return path.read_text() if path.exists() else ""

    def report(self, job_id: str) -> JobReport:
        return self.scheduler.poll([job_id])[job_id]

    def await_all(self, done: Callable[[JobReport], bool]) -> Mapping[str, JobReport]:
        """Return the reports of all jobs when they are as wanted."""
        deadline_s = time.monotonic() + LIMIT_S
        while not all(map(done, (reports := self.scheduler.poll(self.ids)).values())):
            assert time.monotonic() < deadline_s, reports
            time.sleep(0.2)
        return reports

    def await_log(self, job_id: str, words: str) -> None:
        deadline_s = time.monotonic() + LIMIT_S
        while words not in self.log(job_id):
            assert time.monotonic() < deadline_s, (self.report(job_id), self.log(job_id))
            time.sleep(0.2)


def ended(report: JobReport) -> bool:
    return report.state.ended


def open_jobs(on: str, folder: Path) -> Iterator[Jobs]:
    jobs = Jobs(open_scheduler(load_profile(str(SITES[on]))), folder)
    yield jobs
    jobs.scheduler.cancel(jobs.ids)
    jobs.await_all(ended)


@pytest.fixture(params=SITES)
def jobs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Jobs]:
    yield from open_jobs(request.param, tmp_path / "a run")


@pytest.fixture
def slurm_jobs(tmp_path: Path) -> Iterator[Jobs]:
    yield from open_jobs("slurm", tmp_path / "50% of é")


def test_the_scheduler_receives_the_bytes_that_were_rendered(jobs: Jobs) -> None:
    job_id = jobs.submit("echo 'ünï $HOME'", queue="parked")
    assert ask("scontrol", "write", "batch_script", job_id, "-") == jobs.script.read_text()


def test_every_end_is_told(jobs: Jobs) -> None:
    good = jobs.submit('echo "$(pwd) $(umask)"', f"cd '{jobs.logs}'", "pwd")
    bad = jobs.submit("exit 3")
    missing = jobs.submit("exec /no/such/python")
    killed = jobs.submit("kill -SEGV $$")
    greedy = jobs.submit(USES_MEMORY)
    reports = jobs.await_all(ended)

    told = {job_id: (report.state, report.exit_code) for job_id, report in reports.items()}
    assert told == {
        good: (JobState.COMPLETED, 0),
        bad: (JobState.FAILED, 3),
        missing: (JobState.FAILED, 127),
        killed: (JobState.FAILED, 139),
        greedy: (reports[greedy].state, reports[greedy].exit_code),
    }
    assert reports[greedy].state in (JobState.FAILED, JobState.OUT_OF_MEMORY)
    assert "memory" in reports[greedy].explanation
    assert reports[bad].explanation == "failed with exit code 3"
    assert "do the compute nodes see the Python of the job?" in reports[missing].explanation
    assert jobs.log(good).splitlines()[-1] == str(jobs.logs)
    assert "0077" in jobs.log(good)


def test_a_running_job_is_known_and_its_log_is_there_while_it_runs(jobs: Jobs) -> None:
    job_id = jobs.submit("echo started", "exec sleep 600")
    jobs.await_log(job_id, "started")
    assert jobs.report(job_id).state is JobState.RUNNING
    assert jobs.report(job_id).explanation == "runs"


def test_why_jobs_wait_is_told(jobs: Jobs) -> None:
    parked = jobs.submit(queue="parked")
    too_long = jobs.submit(queue="short", walltime_s=3600)
    settled = ("PartitionDown", "PartitionTimeLimit")
    reports = jobs.await_all(lambda report: report.native_reason in settled)

    assert reports[parked].state is reports[too_long].state is JobState.PENDING
    assert reports[parked].explanation == "waits because its partition is down"
    assert not reports[parked].never_runs
    assert "ask for less with --walltime" in reports[too_long].explanation
    assert reports[too_long].never_runs


def test_jobs_are_found_by_name_and_ended(jobs: Jobs) -> None:
    running = jobs.submit("echo started", "exec sleep 600")
    waiting = jobs.submit(queue="parked")
    jobs.await_log(running, "started")
    assert set(jobs.scheduler.find(NAME)) == {running, waiting}
    assert jobs.scheduler.find("hpcml-another") == []

    jobs.scheduler.cancel([running, waiting, "999999"])
    reports = jobs.await_all(ended)
    assert {report.state for report in reports.values()} == {JobState.CANCELLED}
    assert all("was cancelled by" in report.explanation for report in reports.values())
    assert jobs.scheduler.find(NAME) == []
    jobs.scheduler.cancel([running, waiting])


def test_a_job_that_never_was_is_gone(jobs: Jobs) -> None:
    assert jobs.report("999999").state is JobState.GONE


@pytest.mark.parametrize(
    ("asked", "words", "step"),
    [
        ({"queue": "nosuch"}, "invalid partition specified: nosuch", "--queue"),
        ({"account": "nosuch"}, "Invalid account or account/partition combination", "--account"),
        ({"memory_bytes": 900 * GIB}, "Memory specification can not be satisfied", "--memory"),
    ],
)
def test_a_refused_job_is_told_in_the_schedulers_words_and_leaves_nothing(
    jobs: Jobs, asked: dict[str, Any], words: str, step: str
) -> None:
    with pytest.raises(SubmissionRefused) as refused:
        jobs.submit(**asked)
    assert words in refused.value.problem
    assert step in (refused.value.hint or "")
    assert "\n" not in str(refused.value)
    assert jobs.scheduler.find(NAME) == []


@pytest.mark.parametrize(
    ("asked", "step"),
    [
        ({"queue": "nosuch"}, "choose one that sinfo -s lists, with --queue"),
        ({"account": "nosuch"}, "--account"),
        ({"memory_bytes": 900 * GIB}, "no node of that partition has them"),
        ({"cores": 99}, "ask for fewer --cores"),
        ({"directives": ("--constraint=nosuch",)}, "check the directives"),
        ({"directives": ("--nosuch=1",)}, "check the directives"),
    ],
)
def test_slurm_says_ahead_of_the_submission_what_it_refuses(
    slurm_jobs: Jobs, asked: dict[str, Any], step: str
) -> None:
    with pytest.raises(SubmissionRefused) as refused:
        slurm_jobs.scheduler.validate(slurm_jobs.write(**asked))
    assert step in (refused.value.hint or "")


@pytest.mark.parametrize("queue", [None, "parked"])
def test_slurm_takes_ahead_of_the_submission_what_it_will_take(
    slurm_jobs: Jobs, queue: str | None
) -> None:
    slurm_jobs.scheduler.validate(slurm_jobs.write(queue=queue))
    assert slurm_jobs.scheduler.find(NAME) == []


def test_gpu_jobs_get_a_device_each(jobs: Jobs) -> None:
    asked = {"queue": "gpu", "gpus": 1}
    ids = [jobs.submit('echo "device $CUDA_VISIBLE_DEVICES"', "exec sleep 600", **asked)
           for _ in range(2)]  # fmt: skip
    for job_id in ids:
        jobs.await_log(job_id, "device")
    assert {jobs.log(job_id) for job_id in ids} == {"device 0\n", "device 1\n"}


def test_a_job_does_not_inherit_the_job_that_submits_it(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    surrounding = {"SLURM_JOB_ID": "1", "SBATCH_PARTITION": "parked", "SLURM_MEM_PER_NODE": "9"}
    for name, value in surrounding.items():
        monkeypatch.setenv(name, value)
    job_id = jobs.submit('echo "id $SLURM_JOB_ID in $SLURM_JOB_PARTITION"')
    jobs.await_all(ended)
    assert jobs.log(job_id) == f"id {job_id} in main\n"


LISTENER = """exec python3 -u -c '
import signal, sys
def heard(number, frame):
    print("heard", signal.Signals(number).name)
    sys.exit(0)
for number in (signal.SIGUSR1, signal.SIGTERM):
    signal.signal(number, heard)
print("listening")
while True:
    signal.pause()
'"""


def test_slurms_signals_reach_what_takes_the_place_of_the_shell(slurm_jobs: Jobs) -> None:
    warned = slurm_jobs.submit(LISTENER, walltime_s=120, warn_s=115)
    cancelled = slurm_jobs.submit(LISTENER)
    slurm_jobs.await_log(cancelled, "listening")
    slurm_jobs.scheduler.cancel([cancelled])
    slurm_jobs.await_log(cancelled, "heard SIGTERM")
    slurm_jobs.await_log(warned, "heard SIGUSR1")
