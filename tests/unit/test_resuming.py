"""What a run that is resumed must agree with, and what is said where it does not."""

import json

import pytest

from hpc_ml import api
from hpc_ml.errors import BadRun, ExitCode
from hpc_ml.identity import deciding_keys, find_changes, word_changes
from hpc_ml.new_run import make_absolute, make_folder, place_run
from hpc_ml.resumption import word_versions
from hpc_ml.runs.listener import Silence
from hpc_ml.runs.record import RunState
from hpc_ml.runs.summary import summarise

WORDS = {
    "estimator": "LogisticRegression",
    "grid": {"C": [1, 10]},
    "params": {"tol": 0.001},
    "cv": 2,
}


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b,label\n" + "1,2,x\n3,4,y\n" * 20)
    return path


@pytest.fixture
def make_job(table):
    def make(**changes):
        return make_absolute(
            api.make_job("gridsearch", **{"data": {"path": str(table)}, **WORDS, **changes})
        )

    return make


@pytest.fixture
def folder(tmp_path, make_job):
    """An interrupted run."""
    job = make_job()
    folder = make_folder(job, place_run(tmp_path / "runs", None), api.check(job), Silence())
    folder.update(state=RunState.INTERRUPTED)
    return folder


@pytest.fixture
def conducted(monkeypatch):
    """Resumed runs begin, and nobody works on them; their jobs."""
    jobs = []

    def conduct(folder, job, listener, *, begin):
        begin()
        jobs.append(job)
        return summarise(folder)

    monkeypatch.setattr(api, "conduct", conduct)
    return jobs


def edit(folder, old, new):
    text = folder.layout.job_file.read_text()
    assert old in text
    folder.layout.job_file.write_text(text.replace(old, new))


def test_nothing_has_changed(folder, make_job):
    job = make_job(on="slurm", name="other", resources={"workers": 7})
    assert find_changes(folder.read_record(), job, api.check(job)) == []


@pytest.mark.parametrize(
    ("changes", "said", "sound"),
    [
        ({"seed": 7}, "seed was 0, is 7", False),
        ({"params": {"tol": 0.01}}, "params.tol was 0.001, is 0.01", False),
        ({"params": {}}, "params.tol was 0.001, is unset", False),
        ({"cv": 3}, "cv was 2, is 3", False),
        ({"scoring": "f1_macro"}, 'scoring was unset, is "f1_macro"', False),
        ({"grid": {"C": [1, 10, 100]}}, "grid.C was [1, 10], is [1, 10, 100]", True),
        ({"grid": {"C": [1], "tol": [1]}}, "grid.C was [1, 10], is [1]; grid.tol was unset, is [1]",
         True),
        ({"refit": False}, "refit was true, is false", True),
    ],
)  # fmt: skip
def test_what_differs_is_named(folder, make_job, changes, said, sound):
    job = make_job(**changes)
    found = find_changes(folder.read_record(), job, api.check(job))
    assert word_changes(found) == said
    assert all(change.sound for change in found) is sound


def test_a_key_that_a_newer_version_has_at_its_default_is_no_change(folder, make_job):
    job, record = make_job(), folder.read_record()
    known = {key: value for key, value in deciding_keys(job).items() if key != "error_score"}
    assert find_changes(record.change(job=known), job, api.check(job)) == []
    assert find_changes(record.change(job=None), make_job(seed=7), api.check(job)) == []


def test_an_edited_job_is_refused_or_computed_anew(folder, conducted):
    (folder.layout.ledger_file).write_text("")
    edit(folder, "seed: 0", "seed: 7")
    with pytest.raises(BadRun, match=r"seed was 0, is 7; put that back, .* anew") as caught:
        api.resume(folder)
    assert caught.value.exit_code is ExitCode.BAD_INPUT

    api.resume(folder, accept_changes=True)
    assert conducted[0].seed == 7
    assert list(folder.layout.ledger_file.parent.iterdir()) == []
    [aside] = folder.path.glob("ledger-until-*")
    assert (aside / "units.jsonl").is_file()
    api.resume(folder)  # the changed job is the run's own now


def test_a_larger_grid_keeps_what_is_finished(folder, conducted):
    folder.layout.ledger_file.write_text("")
    edit(folder, "C:\n  - 1\n  - 10\n", "C: [1, 10, 100]\n")
    with pytest.raises(BadRun, match="keeps what is finished"):
        api.resume(folder)
    api.resume(folder, accept_changes=True)
    assert folder.layout.ledger_file.is_file()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b,label\n" + "1,2,x\n3,4,y\n" * 30, r"the rows of .*\.csv were 40, are 60"),
        ("a,c,b,label\n" + "1,2,2,x\n3,4,4,y\n" * 20, r"the columns of .*\.csv were 3, are 4"),
        (
            "a,b,label\n" + "1,2,x\n3,5,y\n" * 20,
            r"\.csv has other contents or another time of change",
        ),
    ],
)
def test_changed_data_are_refused(folder, table, conducted, text, said):
    table.write_text(text)
    with pytest.raises(BadRun, match=said):
        api.resume(folder)
    assert conducted == []


def test_data_that_have_moved_are_the_same(folder, table, conducted):
    (table.parent / "moved").mkdir()
    moved = table.rename(table.parent / "moved" / "t.csv")
    edit(folder, str(table), str(moved))
    with pytest.raises(BadRun, match=r"data\.path was .*, is .*moved/t\.csv.*keeps what"):
        api.resume(folder)
    api.resume(folder, accept_changes=True)
    assert conducted[0].data.path == str(moved)


def test_another_place_is_recorded(folder, conducted):
    from hpc_ml.spec.layer import Layer

    flags = Layer("flags", {"resources": {"workers": 3}})
    api.resume(folder, flags=flags)
    assert "workers: 3" in folder.layout.job_file.read_text()
    event = json.loads(folder.layout.events_file.read_text().splitlines()[-1])
    assert (event["kind"], event["was"], event["workers"]) == ("resumed", "interrupted", 3)


def test_other_versions_are_said_and_do_not_matter():
    was = {"python": "3.11", "scikit-learn": "1.8"}
    assert word_versions(was, was) == []
    [line] = word_versions(was, {"python": "3.11", "scikit-learn": "1.9", "numpy": "2.4"})
    assert line == "scikit-learn was 1.8, is 1.9: the last digits of the result may differ"


def test_a_pending_run_is_refused_with_its_job(folder, scheduler):
    folder.update(state=RunState.PENDING, on="slurm", scheduler="slurm", controller_job="12")
    scheduler.add("12", "pending")
    with pytest.raises(BadRun, match="is pending under job 12; end that first: hpc-ml cancel"):
        api.resume(folder)
