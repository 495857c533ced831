"""What another user wrote decides nothing of what this one runs or cancels."""

import os
from pathlib import Path

import pytest

from hpc_ml import api
from hpc_ml.errors import BadJob, BadRun
from hpc_ml.spec.owners import name_other_owner
from hpc_ml.spec.sources import project_layer

NOBODY = 65534


@pytest.fixture
def give_away():
    """Give a file to nobody."""
    if os.geteuid() != 0:
        pytest.skip("giving a file away needs root: run this test as root")
    return lambda path: os.chown(path, NOBODY, NOBODY)


def test_owners_are_named_unless_they_are_oneself(tmp_path: Path, give_away) -> None:
    assert name_other_owner(tmp_path) is None
    give_away(tmp_path)
    assert name_other_owner(tmp_path) == "nobody"
    os.chown(tmp_path, 54321, 54321)
    assert name_other_owner(tmp_path) == "user 54321"


def test_settings_of_another_in_the_present_folder_are_refused(tmp_path: Path, give_away) -> None:
    file = tmp_path / "hpc-ml.yaml"
    file.write_text("resources: {python: /tmp/evil}\n")
    assert project_layer(tmp_path).values["resources"] == {"python": "/tmp/evil"}
    give_away(file)
    with pytest.raises(
        BadJob, match=r"hpc-ml\.yaml: belongs to nobody, .*name the file with --job"
    ):
        project_layer(tmp_path)


@pytest.mark.parametrize("state", ["running", "interrupted"])
def test_the_run_of_another_is_neither_resumed_nor_cancelled(
    make_run, type_words, scheduler, give_away, state
) -> None:
    run = make_run(state=state, on="slurm", scheduler="slurm", worker_jobs=["13"])
    scheduler.add("13", "running", name=run.layout.tag)
    give_away(run.path)
    code, _, err = type_words("cancel", "last")
    assert (code, scheduler.cancelled) == (2, [])
    assert "belongs to nobody" in err
    assert not run.layout.cancel_file.exists()
    with pytest.raises(BadRun, match="belongs to nobody"):
        api.resume(run)
    with pytest.raises(BadRun, match="belongs to nobody"):
        api.conduct_submitted(run.path, None)
