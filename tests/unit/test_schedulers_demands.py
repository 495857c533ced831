"""What is asked of a site: honoured in its own words, or refused before anything is asked."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpc_ml.errors import BadJob
from hpc_ml.schedulers import open_scheduler
from hpc_ml.schedulers.base import BatchJob
from hpc_ml.sites.profile import QueueRule, SiteProfile
from hpc_ml.spec.quantities import GIB, MIB
from tests.golden.plans import shipped_profile

JOB = BatchJob(
    name="hpcml-x7k2q1",
    cores=4,
    memory_bytes=4 * GIB,
    gpus=0,
    walltime_s=3600,
    queue=None,
    account="ab12",
    directives=(),
    log_folder=Path("/scratch/run/logs"),
    log_stem="worker",
    body=("true",),
)
GPU = {"gpus": 1, "cores": 4}
FILESYSTEMS = ("-l filesystems=home:eagle",)


def render(profile: SiteProfile, **asked: Any) -> str:
    return open_scheduler(profile).render(replace(JOB, **asked))


def directives(profile: SiteProfile, **asked: Any) -> list[str]:
    lines = render(profile, **asked).splitlines()
    return [line.partition(" ")[2] for line in lines if line.startswith(("#SBATCH ", "#PBS "))]


@pytest.mark.parametrize(
    ("site", "asked", "problem", "step"),
    [
        ("gadi", {"account": None}, "without an account is refused", "--account"),
        ("archer2", {"memory_bytes": GIB}, "memory cannot be asked for there",
         "--set resources.memory=null"),
        ("archer2", {"memory_bytes": GIB, "log_stem": "controller"}, "controller.memory is given",
         "--set controller.memory=null"),
        ("archer2", GPU | {"memory_bytes": None}, "no way to ask for them", "leave --gpus out"),
        ("gadi", GPU, "12 cores with each GPU, and 4 cores", "ask for --cores 12"),
        ("gadi", {"gpus": 5, "cores": 60}, "a node there has 4", "--gpus 4"),
        ("stampede3", GPU | {"memory_bytes": None, "queue": "h100"}, "are given whole there",
         "ask for --gpus 4"),
        ("stampede3", {"gpus": 4, "memory_bytes": None}, "asked for by the queue", "--queue"),
        ("polaris", {"memory_bytes": None}, "without the directive '-l filesystems='",
         "'-l filesystems=home:eagle'"),
        ("polaris", {"memory_bytes": None, "queue": "prod", "directives": FILESYSTEMS},
         "no job less than 10 nodes, which takes one allocation", "--queue"),
        ("aurora", {"memory_bytes": None, "queue": "prod"}, "256 nodes", "--queue"),
    ],
)  # fmt: skip
def test_what_a_site_cannot_honour_is_refused(
    site: str, asked: dict[str, Any], problem: str, step: str
) -> None:
    with pytest.raises(BadJob) as refused:
        render(shipped_profile(site), **asked)
    assert refused.value.where == f"site {site}"
    assert problem in refused.value.problem
    assert step in (refused.value.hint or "")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("given", ["-l filesystems=home", "-lfilesystems=home:grand"])
def test_a_needed_directive_may_be_written_either_way(given: str) -> None:
    asked = directives(
        shipped_profile("polaris"), memory_bytes=None, directives=(given,), queue="debug"
    )
    assert asked[-1] == given


def test_a_profile_may_give_the_needed_directive_itself() -> None:
    profile = shipped_profile("polaris").model_copy(update={"directives": FILESYSTEMS})
    assert FILESYSTEMS[0] in directives(profile, memory_bytes=None)


SLURM = shipped_profile("slurm")
PBS = shipped_profile("pbs")


@pytest.mark.parametrize(
    ("update", "asked", "expected"),
    [
        ({}, {"memory_bytes": 1}, "--mem=1M"),
        ({}, {"memory_bytes": 1000**3}, "--mem=954M"),
        ({"memory_style": "mem-per-cpu"}, {"memory_bytes": 10 * MIB, "cores": 3},
         "--mem-per-cpu=4M"),
        ({}, {"walltime_s": 100 * 3600 + 61}, "--time=100:01:01"),
        ({}, {"warn_s": 90}, "--signal=B:USR1@90"),
        ({"gpu_type": "a100"}, GPU, "--gres=gpu:a100:1"),
        ({"gpu_type": "a100", "gpu_style": "gpus-per-node"}, GPU, "--gpus-per-node=a100:1"),
        ({"queue_flag": "--qos"}, {"queue": "long"}, "--qos=long"),
        ({}, {"queue": "a,b"}, "--partition=a,b"),
    ],
)  # fmt: skip
def test_slurm_is_asked_in_its_own_form(
    update: dict[str, Any], asked: dict[str, Any], expected: str
) -> None:
    assert expected in directives(SLURM.model_copy(update=update), **asked)


@pytest.mark.parametrize(
    ("update", "asked", "expected"),
    [
        ({}, {"memory_bytes": 1}, "-l select=1:ncpus=4:mem=1mb"),
        ({}, {"memory_bytes": None}, "-l select=1:ncpus=4"),
        ({}, {"walltime_s": 30 * 3600}, "-l walltime=30:00:00"),
        ({"resource_style": "flat"}, {"memory_bytes": None}, "-l ncpus=4"),
        ({"resource_style": "flat"}, GPU, "-l ngpus=1"),
        ({"resource_style": "nodes-ppn"}, {}, "-l nodes=1:ppn=4"),
        ({}, {"queue": "workq@server"}, "-q workq@server"),
    ],
)
def test_pbs_is_asked_in_its_own_form(
    update: dict[str, Any], asked: dict[str, Any], expected: str
) -> None:
    assert expected in directives(PBS.model_copy(update=update), **asked)


def test_nothing_is_asked_for_that_was_not_given() -> None:
    asked = directives(SLURM, memory_bytes=None, account=None)
    assert not any(
        words.startswith(("--mem", "--account", "--signal", "--gres")) for words in asked
    )


@pytest.mark.parametrize("profile", [SLURM, PBS], ids=["slurm", "pbs"])
def test_the_users_directives_come_last_and_so_win(profile: SiteProfile) -> None:
    update = {"directives": ("--all",), "cpu_directives": ("--cpu",), "gpu_directives": ("--gpu",)}
    of_site = profile.model_copy(update=update)
    assert directives(of_site, directives=("--mine",))[-3:] == ["--all", "--cpu", "--mine"]
    assert directives(of_site, directives=("--mine",), **GPU)[-3:] == ["--all", "--gpu", "--mine"]


def test_a_queue_of_single_nodes_is_no_matter() -> None:
    profile = SLURM.model_copy(update={"queues": {"long": QueueRule(description="days")}})
    assert "--partition=long" in directives(profile, queue="long")


@pytest.mark.parametrize(
    ("profile", "folder", "expected"),
    [
        (SLURM, "/scratch/a b/logs", '--output="/scratch/a b/logs/worker-%j.log"'),
        (SLURM, "/scratch/50%/logs", "--output=/scratch/50%%/logs/worker-%j.log"),
        (SLURM, "/scratch/Ünal/logs", "--output=/scratch/Ünal/logs/worker-%j.log"),
        (PBS, "/scratch/a b/logs", '-o "/scratch/a b/logs/"'),
        (PBS, "/scratch/50%/logs", "-o /scratch/50%/logs/"),
    ],
)
def test_the_path_of_the_log_is_quoted_as_directives_are_read(
    profile: SiteProfile, folder: str, expected: str
) -> None:
    assert expected in directives(profile, log_folder=Path(folder))


@pytest.mark.parametrize("folder", ["/a'b", '/a"b', "/a\\b", "/a$b", "/a#b", "/a`b", "/a;b"])
@pytest.mark.parametrize("profile", [SLURM, PBS], ids=["slurm", "pbs"])
def test_a_path_that_directives_cannot_hold_is_refused(profile: SiteProfile, folder: str) -> None:
    with pytest.raises(BadJob, match="choose another folder for the runs with --runs"):
        render(profile, log_folder=Path(folder))


def test_pbs_takes_no_letters_beyond_ascii_in_a_path() -> None:
    with pytest.raises(BadJob, match="--runs"):
        render(PBS, log_folder=Path("/scratch/Ünal"))


def test_pbs_scripts_write_their_own_log_before_anything_can_fail() -> None:
    lines = render(PBS, log_folder=Path("/scratch/a b")).splitlines()
    commands = [line for line in lines if not line.startswith("#")]
    assert commands[:3] == [
        "set -euo pipefail",
        "umask 077",
        """exec >'/scratch/a b'/worker-"${PBS_JOBID}".log 2>&1""",
    ]


def test_the_prologue_may_use_variables_that_are_not_set() -> None:
    profile = SLURM.model_copy(update={"prologue": ("module load python/3.11", "true")})
    lines = render(profile).splitlines()
    begin = lines.index("set +u")
    assert lines[begin : begin + 5] == [
        "set +u", "module load python/3.11", "true", "set -u", "true",
    ]  # fmt: skip
    assert "set +u" not in render(SLURM)
