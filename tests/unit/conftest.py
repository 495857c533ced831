"""Runs that are made by hand, a scheduler that is asked in memory, and disks that are full."""

from datetime import UTC, datetime

import pytest

from hpc_ml.errors import SubmissionRefused
from hpc_ml.runs.folder import RunFolder
from hpc_ml.runs.record import RunRecord, RunState
from hpc_ml.schedulers.base import JobReport, JobState, NamedJob
from tests.disks import mounted


@pytest.fixture
def small_disk(tmp_path):
    """A folder with room for about 1 MiB."""
    with mounted(tmp_path / "small", "size=1m") as folder:
        yield folder


@pytest.fixture
def read_only_folder(tmp_path):
    """A folder that nobody can write to, root included."""
    with mounted(tmp_path / "read-only", "ro") as folder:
        yield folder


@pytest.fixture
def make_run(tmp_path):
    """Make a run by hand, its record as given; the ids ascend with each."""
    made = 0

    def make(**fields):
        nonlocal made
        made += 1
        run_id = f"20261120-18551{made}-{made:06x}"
        record = RunRecord(
            **{
                "id": run_id,
                "task": "gridsearch",
                "state": RunState.COMPLETED,
                "created_at": datetime(2026, 11, 20, 18, 55, 10 + made, tzinfo=UTC),
            }
            | fields
        )
        return RunFolder.create(tmp_path / "runs", run_id, "task: gridsearch\n", record)

    return make


class RecordedScheduler:
    """Answers from a table of reports; cancelled jobs end at once unless they are `stubborn`."""

    commands = ("sbatch", "squeue", "scancel")

    def __init__(self):
        self.jobs = {}
        self.named = {}
        self.stubborn = set()
        self.polls = []
        self.cancelled = []
        self.folders = {}
        self.submitted = []
        self.takes_dependencies = True
        self.error = None

    def check_commands(self):
        pass

    def add(self, job_id, state, explanation="", name=None, folder=None):
        self.jobs[job_id] = JobReport(job_id, JobState(state), explanation=explanation)
        if name is not None:
            self.named.setdefault(name, []).append(job_id)
            self.folders[job_id] = folder

    def poll(self, job_ids):
        if self.error:
            raise self.error
        self.polls.append(list(job_ids))
        return {job: self.jobs.get(job, JobReport(job, JobState.GONE)) for job in self.polls[-1]}

    def submit(self, script, *, without_nodes=(), after=None):
        if after is not None and not self.takes_dependencies:
            raise SubmissionRefused("Slurm refused the job: no dependencies here")
        self.submitted.append((script, after))
        self.add(f"s{len(self.submitted)}", "pending")
        return f"s{len(self.submitted)}"

    def cancel(self, job_ids):
        self.cancelled += job_ids
        for job_id in set(job_ids) - self.stubborn:
            self.add(job_id, "cancelled", "was cancelled by you")

    def find(self, name):
        if self.error:
            raise self.error
        return [job for job in self.named.get(name, []) if not self.jobs[job].state.ended]

    def list_jobs(self, prefix):
        if self.error:
            raise self.error
        return [
            NamedJob(job, name, self.folders[job])
            for name in self.named
            if name.startswith(prefix)
            for job in self.find(name)
        ]


@pytest.fixture
def scheduler(monkeypatch):
    recorded = RecordedScheduler()
    monkeypatch.setattr("hpc_ml.schedulers.open_scheduler", lambda profile: recorded)
    return recorded


@pytest.fixture
def type_words(tmp_path, capsys):
    """Type a command line on the runs of `make_run`; give its code, stdout and stderr."""
    from hpc_ml.cli.main import cli

    def type_them(*words):
        code = cli.main([*words, "--runs", str(tmp_path / "runs")], standalone_mode=False)
        out, err = capsys.readouterr()
        return int(code), out, err

    return type_them
