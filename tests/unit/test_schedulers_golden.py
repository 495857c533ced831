"""The scripts of every shipped profile, compared whole with files that were checked by hand.

The files are never written by a test. After a change that is meant, write them anew from
`tests/golden/plans.py`, and read the difference against the site's own documentation.
"""

import subprocess
from pathlib import Path

import pytest

from hpc_ml.schedulers.scripts import controller_script, worker_script
from tests.golden.plans import CASES, GPU_WORDS, SITES, golden_plan, shipped_profile

FOLDER = Path(__file__).parent.parent / "golden"
RENDER = {"controller": controller_script, "worker": worker_script}
FILES = sorted(FOLDER.glob("*.sh"))


def directives(site: str, kind: str, role: str = "worker") -> list[str]:
    """Return the directives of a script, without what starts them."""
    lines = RENDER[role](golden_plan(site, kind)).splitlines()
    return [line.partition(" ")[2] for line in lines if line.startswith(("#SBATCH ", "#PBS "))]


@pytest.mark.parametrize("role", RENDER)
@pytest.mark.parametrize(("site", "kind"), CASES)
def test_script_is_the_golden_one(site: str, kind: str, role: str) -> None:
    expected = (FOLDER / f"{site}-{kind}-{role}.sh").read_text()
    assert RENDER[role](golden_plan(site, kind)) == expected


def test_there_are_no_other_golden_files() -> None:
    known = {f"{site}-{kind}-{role}" for site, kind in CASES for role in RENDER}
    assert {path.stem for path in FILES} == known


def test_every_site_that_can_be_asked_for_gpus_has_a_gpu_case() -> None:
    able = {site for site in SITES if shipped_profile(site).gpu_style != "none"}
    assert able == set(GPU_WORDS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_bash_reads_the_script(path: Path) -> None:
    done = subprocess.run(["bash", "-n", path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("site", "kind"), CASES)
def test_directives_come_before_the_first_command(site: str, kind: str) -> None:
    lines = worker_script(golden_plan(site, kind)).splitlines()
    last = max(i for i, line in enumerate(lines) if line.startswith(("#SBATCH", "#PBS")))
    assert lines[0] == "#!/bin/bash"
    assert all(line.startswith("#") for line in lines[: last + 1])


def test_gadi_takes_the_project_by_p_and_no_select() -> None:
    asked = directives("gadi", "gpu")
    assert "-P ab12" in asked
    assert not any("select" in words or words.startswith("-A") for words in asked)
    assert {"-l ncpus=24", "-l ngpus=2", "-q gpuvolta"} <= set(asked)
    assert all("$" not in words for words in asked), "Gadi takes literals only"


def test_casper_asks_for_the_type_of_gpu_beside_the_chunk() -> None:
    asked = directives("casper", "gpu")
    assert "-l select=1:ncpus=4:mem=16384mb:ngpus=1" in asked
    assert "-l gpu_type=v100" in asked
    assert "--interface ext" in worker_script(golden_plan("casper", "gpu"))


def test_imperial_asks_for_the_type_of_gpu_in_the_chunk() -> None:
    chunk = "-l select=1:ncpus=4:mem=24576mb:ngpus=1:gpu_type=RTX6000"
    assert chunk in directives("imperial", "gpu")


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
@pytest.mark.parametrize("role", RENDER)
def test_polaris_jobs_name_their_file_systems(kind: str, role: str) -> None:
    assert "-l filesystems=home:eagle" in directives("polaris", kind, role)


def test_perlmutter_calls_its_queues_qos_and_tells_nodes_apart() -> None:
    assert {"--qos=shared", "--constraint=cpu"} <= set(directives("perlmutter", "cpu"))
    assert {"--qos=shared", "--constraint=gpu", "--gpus-per-node=1"} <= set(
        directives("perlmutter", "gpu")
    )
    assert not any("--partition" in words for words in directives("perlmutter", "gpu"))


def test_lumi_has_amd_gpus_which_dask_cuda_cannot_drive() -> None:
    assert {"--gpus-per-node=2", "--partition=small-g"} <= set(directives("lumi", "gpu"))
    script = worker_script(golden_plan("lumi", "gpu"))
    assert 'ROCR_VISIBLE_DEVICES="${devices[index]}"' in script
    assert "dask_cuda" not in script


@pytest.mark.parametrize("role", RENDER)
@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_stampede3_is_asked_neither_for_gres_nor_for_memory(kind: str, role: str) -> None:
    asked = directives("stampede3", kind, role)
    assert not any(words.startswith(("--gres", "--gpus", "--mem")) for words in asked)
    assert ("--partition=h100" in asked) == (kind == "gpu" and role == "worker")


@pytest.mark.parametrize("role", RENDER)
def test_archer2_needs_partition_and_qos_and_takes_no_memory(role: str) -> None:
    asked = directives("archer2", "cpu", role)
    assert {"--partition=standard", "--qos=standard", "--account=ab12"} <= set(asked)
    assert not any(words.startswith("--mem") for words in asked)


def test_torque_asks_for_processors_of_a_node() -> None:
    assert "-l nodes=1:ppn=2:gpus=1" in directives("torque", "gpu")
    assert not any("select" in words for words in directives("torque", "gpu"))


@pytest.mark.parametrize("role", RENDER)
@pytest.mark.parametrize(("site", "kind"), CASES)
def test_no_job_is_run_again_by_the_scheduler(site: str, kind: str, role: str) -> None:
    slurm = shipped_profile(site).scheduler == "slurm"
    assert ("--no-requeue" if slurm else "-r n") in directives(site, kind, role)
