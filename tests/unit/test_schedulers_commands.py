"""How a scheduler's commands are run."""

import os
from pathlib import Path

import pytest

from hpc_ml.errors import SchedulerMissing
from hpc_ml.schedulers import commands
from hpc_ml.schedulers.base import SchedulerBusy
from hpc_ml.schedulers.commands import Answer, ask, check_installed, clean_environment


def test_variables_of_a_surrounding_job_are_left_out() -> None:
    inherited = {
        "SLURM_JOB_ID": "7", "SLURM_MEM_PER_NODE": "64", "SBATCH_PARTITION": "x",
        "SQUEUE_STATES": "RUNNING", "SACCT_FORMAT": "x", "SCANCEL_INTERACTIVE": "1",
        "PBS_JOBID": "7.head", "PBS_O_WORKDIR": "/x", "PBS_DPREFIX": "#X",
    }  # fmt: skip
    kept = {
        "PATH": "/bin", "HOME": "/h", "SLURM_CONF": "/etc/s.conf", "SLURM_CLUSTERS": "east",
        "PBS_SERVER": "head", "PBS_CONF_FILE": "/etc/pbs.conf", "MY_SLURM_JOB": "1",
    }  # fmt: skip
    assert clean_environment(inherited | kept) == kept


def test_a_command_sees_the_clean_environment_and_no_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    answer = ask(["sh", "-c", "echo ${SLURM_JOB_ID-none}; cat; echo oops >&2; exit 3"])
    assert answer == Answer(3, "none\n", "oops\n")


def test_what_a_command_writes_is_the_users_alone() -> None:
    assert ask(["sh", "-c", "umask"]).output.strip() == "0077"


def test_a_command_is_run_in_the_folder_asked_for(tmp_path: Path) -> None:
    assert ask(["pwd"], folder=tmp_path).output.strip() == os.path.realpath(tmp_path)


def test_output_that_is_no_text_is_read_all_the_same() -> None:
    assert ask(["printf", "\\377ok"]).output.endswith("ok")


def test_a_command_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "TIMEOUT_S", 0.05)
    with pytest.raises(SchedulerBusy, match="sleep gave no answer in"):
        ask(["sleep", "100"])


def test_a_missing_command_is_told_with_the_next_step() -> None:
    with pytest.raises(SchedulerMissing) as missing:
        ask(["no-such-sbatch"])
    assert str(missing.value) == (
        "the command no-such-sbatch is not on this host; run hpc-ml on a login node of the "
        "cluster, or here with --on local"
    )
    with pytest.raises(SchedulerMissing, match="no-such-qdel"):
        check_installed(["sh", "no-such-qdel"])


def test_a_command_that_cannot_be_run_is_told(tmp_path: Path) -> None:
    program = tmp_path / "sbatch"
    program.write_text("#!/nowhere/interpreter\n")
    program.chmod(0o755)
    with pytest.raises(SchedulerMissing, match="cannot be run on this host: No such file"):
        ask([str(program)])
