"""Slurm's commands, as they are called."""

import pwd
from pathlib import Path

import pytest

from hpc_ml.errors import NoCluster, SchedulerMissing, SubmissionRefused
from hpc_ml.schedulers.base import JobState, SchedulerBusy
from hpc_ml.schedulers.slurm import Slurm
from tests.golden.plans import shipped_profile
from tests.unit.fake_commands import FakeCommands

SLURM = Slurm(shipped_profile("slurm"))
ME = pwd.getpwuid(0).pw_name


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCommands:
    return FakeCommands(tmp_path / "bin", monkeypatch)


def test_nodes_are_left_out_on_the_command_line(commands: FakeCommands, tmp_path: Path) -> None:
    commands.add("sbatch", "echo 12")
    assert SLURM.submit(tmp_path / "worker.sh", without_nodes={"n2", "n1"}) == "12"
    assert commands.calls() == [["sbatch", "--parsable", "--exclude=n1,n2", "worker.sh"]]


def test_jobs_that_wait_or_run_take_one_call(commands: FakeCommands) -> None:
    commands.add("squeue", "echo '7|PENDING||Priority'; echo '8|RUNNING|n1|None'")
    reports = SLURM.poll(["7", "8"])
    assert [told.state for told in reports.values()] == [JobState.PENDING, JobState.RUNNING]
    assert [told.node for told in reports.values()] == ["", "n1"]
    assert len(commands.calls()) == 1
    assert commands.calls()[0][-2:] == ["-j", "7,8"]


def test_ended_jobs_are_looked_up_in_accounting_in_one_call(commands: FakeCommands) -> None:
    commands.add("squeue", "echo '7|COMPLETED|n1|None'; echo '9|RUNNING|n2|None'")
    commands.add("sacct", "echo '7|COMPLETED|0:0|n1'; echo '8|FAILED|2:0|n3'")
    reports = SLURM.poll(["7", "8", "9"])
    assert [told.exit_code for told in reports.values()] == [0, 2, None]
    assert [told.node for told in reports.values()] == ["n1", "n3", "n2"]
    assert [call[0] for call in commands.calls()] == ["squeue", "sacct"]
    assert commands.calls()[1][-1] == "7,8"


def test_without_accounting_scontrol_knows_how_a_job_ended(commands: FakeCommands) -> None:
    commands.add("squeue", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    commands.add("sacct", "echo 'Slurm accounting storage is disabled' >&2; exit 1")
    commands.add("scontrol", "echo 'JobId=7 JobState=FAILED Reason=NonZeroExitCode ExitCode=3:0'")
    assert SLURM.poll(["7"])["7"].exit_code == 3


def test_accounting_that_lags_behind_is_not_believed(commands: FakeCommands) -> None:
    commands.add("squeue", "echo '7|FAILED|n1|NonZeroExitCode'")
    commands.add("sacct", "echo '7|RUNNING|0:0'")
    commands.add("scontrol", "echo 'JobId=7 JobState=FAILED Reason=NonZeroExitCode ExitCode=3:0'")
    told = SLURM.poll(["7"])["7"]
    assert (told.state, told.exit_code) == (JobState.FAILED, 3)


def test_a_host_with_neither_sacct_nor_scontrol_knows_the_state(commands: FakeCommands) -> None:
    commands.add("squeue", "echo '7|FAILED|n1|NonZeroExitCode'")
    told = SLURM.poll(["7"])["7"]
    assert (told.state, told.exit_code, told.explanation) == (JobState.FAILED, None, "failed")


def test_a_job_that_nobody_knows_is_gone(commands: FakeCommands) -> None:
    commands.add("squeue", "true")
    commands.add("sacct", "true")
    commands.add("scontrol", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    assert SLURM.poll(["7"])["7"].state is JobState.GONE


def test_jobs_of_other_clusters_are_asked_for_there(commands: FakeCommands) -> None:
    commands.add("squeue", 'case "$*" in *east*) echo "CLUSTER: east"; echo "7|RUNNING|n1|None";; '
                 '*) echo "7|PENDING||Priority";; esac')  # fmt: skip
    reports = SLURM.poll(["7", "7;east"])
    assert reports["7"].state is JobState.PENDING
    assert reports["7;east"].state is JobState.RUNNING
    commands.add("scancel", "true")
    SLURM.cancel(["7;east"])
    assert commands.calls()[-1] == ["scancel", "-M", "east", "7"]


TIMED_OUT = "echo 'error: Socket timed out on send/recv operation' >&2; exit 1"


@pytest.mark.parametrize("verb", ["submit", "validate", "poll", "cancel", "find"])
def test_a_controller_that_does_not_answer_may_be_asked_again(
    commands: FakeCommands, tmp_path: Path, verb: str
) -> None:
    for command in ("sbatch", "squeue", "scancel"):
        commands.add(command, TIMED_OUT)
    words = {"poll": ["1"], "cancel": ["1"], "find": "hpcml-x"}
    with pytest.raises(SchedulerBusy, match="Socket timed out"):
        getattr(SLURM, verb)(words.get(verb, tmp_path / "worker.sh"))


def test_ending_jobs_that_have_ended_is_no_error(commands: FakeCommands) -> None:
    commands.add(
        "scancel",
        "echo 'scancel: error: Kill job error on job id 9: Invalid job id specified' >&2; exit 1",
    )
    SLURM.cancel(["9"])


def test_ending_the_job_of_another_is_refused(commands: FakeCommands) -> None:
    commands.add(
        "scancel",
        "echo 'scancel: error: Kill job error on job id 9: Access/permission denied' >&2; exit 1",
    )
    with pytest.raises(NoCluster, match="permission denied"):
        SLURM.cancel(["9"])


def test_nothing_is_asked_about_no_jobs(commands: FakeCommands) -> None:
    SLURM.cancel([])
    assert SLURM.poll([]) == {}
    assert commands.calls() == []


def test_a_refused_script_is_told_before_it_is_submitted(
    commands: FakeCommands, tmp_path: Path
) -> None:
    commands.add("sbatch", "echo 'allocation failure: Invalid account' >&2; exit 1")
    with pytest.raises(SubmissionRefused, match="allocation failure: Invalid account; choose an"):
        SLURM.validate(tmp_path / "worker.sh")
    assert commands.calls() == [["sbatch", "--test-only", "worker.sh"]]


def test_missing_commands_are_told(commands: FakeCommands) -> None:
    commands.add("sbatch", "true")
    with pytest.raises(SchedulerMissing, match="the command squeue is not on this host"):
        SLURM.check_commands()
    with pytest.raises(SchedulerMissing, match="squeue"):
        SLURM.find("hpcml-x")
