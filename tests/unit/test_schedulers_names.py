"""The jobs of a user by their names, and where they were submitted from."""

from pathlib import Path

import pytest

from hpc_ml.schedulers.base import NamedJob, SchedulerBusy
from hpc_ml.schedulers.pbs import PbsPro
from hpc_ml.schedulers.pbs_answers import parse_names as parse_qstat_names
from hpc_ml.schedulers.slurm import Slurm
from hpc_ml.schedulers.slurm_answers import parse_names as parse_squeue_names
from tests.golden.plans import shipped_profile
from tests.unit.fake_commands import FakeCommands

RECORDED = Path(__file__).parent.parent / "recorded" / "openpbs-23.06"


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCommands:
    return FakeCommands(tmp_path / "bin", monkeypatch)


def test_squeue_tells_names_and_folders() -> None:
    output = (
        "slurm_load_jobs: a warning\n"
        "12|hpcml-3f9a1c|/scratch/a b|c/20261120-185512-3f9a1c\n"
        "13|wrap|(null)\n"
        "\n"
    )
    assert parse_squeue_names(output) == [
        NamedJob("12", "hpcml-3f9a1c", Path("/scratch/a b|c/20261120-185512-3f9a1c")),
        NamedJob("13", "wrap", None),
    ]


@pytest.mark.parametrize("fate", ["running", "parked", "held"])
def test_qstat_tells_names_and_folders(fate: str) -> None:
    [job] = parse_qstat_names((RECORDED / f"{fate}.full.txt").read_text())
    assert (job.name, job.folder) == (fate, Path("/home/user"))


def test_a_comma_in_a_folder_is_no_end() -> None:
    output = (
        "Job Id: 7.head\n    Job_Name = hpcml-3f9a1c\n    Variable_List = PBS_O_HOME=/h,\n"
        "\tPBS_O_WORKDIR=/scratch/a\\,\n\tb,PBS_O_HOST=head\n"
    )
    assert parse_qstat_names(output) == [NamedJob("7.head", "hpcml-3f9a1c", Path("/scratch/a,b"))]


def test_slurm_lists_the_jobs_of_runs_alone(commands: FakeCommands) -> None:
    commands.add("squeue", "echo '12|hpcml-3f9a1c|/a'; echo '13|mine|/b'")
    jobs = Slurm(shipped_profile("slurm")).list_jobs("hpcml-")
    assert [job.job_id for job in jobs] == ["12"]
    assert commands.calls() == [["squeue", "-h", "--me", "-o", "%A|%j|%Z"]]


def test_pbs_lists_the_jobs_of_runs_alone(commands: FakeCommands) -> None:
    commands.add("qselect", "echo 75.head; echo 77.head")
    commands.add("qstat", f"cat {RECORDED}/running.full.txt {RECORDED}/parked.full.txt")
    jobs = PbsPro(shipped_profile("pbs")).list_jobs("runn")
    assert [job.job_id for job in jobs] == ["75.head"]
    assert commands.calls()[-1] == ["qstat", "-f", "75.head", "77.head"]


def test_where_there_are_no_jobs_none_is_asked_about(commands: FakeCommands) -> None:
    commands.add("qselect", "true")
    assert PbsPro(shipped_profile("pbs")).list_jobs("hpcml-") == []


def test_a_server_that_is_down_may_be_asked_again(commands: FakeCommands) -> None:
    commands.add("qselect", "echo 'qselect: cannot connect to server head' >&2; exit 255")
    with pytest.raises(SchedulerBusy, match="cannot connect"):
        PbsPro(shipped_profile("pbs")).list_jobs("hpcml-")
