"""A run is named by id, unique start, name, path or `last`."""

import os
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hpc_ml.errors import BadRun
from hpc_ml.runs.folder import RunFolder
from hpc_ml.runs.index import allocate_id, check_id, find_run, list_runs, runs_dir
from hpc_ml.runs.layout import RunLayout
from hpc_ml.runs.record import RunRecord, RunState

IDS = ["20261119-120000-aa00ff", "20261120-120000-aa11ff", "20261120-130000-bb22ff"]
NAMES = ["digits", "text", None]


@pytest.fixture
def runs(tmp_path):
    made = datetime(2026, 11, 20, tzinfo=UTC)
    for run_id, name in zip(IDS, NAMES, strict=True):
        record = RunRecord(
            id=run_id, task="gridsearch", state=RunState.COMPLETED, created_at=made, name=name
        )
        RunFolder.create(tmp_path, run_id, "", record)
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "20261121-120000-cc00ff").mkdir()
    return tmp_path


def test_where_runs_lie(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert runs_dir(None, {}) == tmp_path / "hpc-ml-runs"
    assert runs_dir(None, {"HPC_ML_RUNS": "/scratch/runs"}) == Path("/scratch/runs")
    assert runs_dir(Path("mine"), {"HPC_ML_RUNS": "/scratch/runs"}) == tmp_path / "mine"
    assert runs_dir(Path("~/runs"), {}) == Path.home() / "runs"


def test_an_id_tells_the_time_and_gives_a_tag_that_pbs_takes():
    now = datetime(2026, 11, 20, 18, 55, 12)
    run_id = allocate_id(now, Path("/nowhere"))
    assert re.fullmatch(r"20261120-185512-[0-9a-f]{6}", run_id)
    assert check_id(run_id) == run_id
    assert len(RunLayout(Path("/runs") / run_id).tag) <= 15
    assert len({allocate_id(now, Path("/nowhere")) for _ in range(100)}) > 90


def test_no_two_runs_of_a_folder_name_their_jobs_alike(tmp_path, monkeypatch):
    (tmp_path / "20250101-000000-3f9a1c").mkdir()
    drawn = iter(["3f9a1c", "3f9a1c", "000001"])
    monkeypatch.setattr("hpc_ml.runs.index.secrets.token_hex", lambda size: next(drawn))
    assert allocate_id(datetime(2026, 11, 20), tmp_path).endswith("-000001")


@pytest.mark.parametrize("text", ["", "last", "20261120-185512", "../20261120-185512-3f9a1c"])
def test_other_words_are_no_id(text):
    with pytest.raises(BadRun):
        check_id(text)


def test_runs_are_listed_newest_first(runs):
    assert [run.run_id for run in list_runs(runs)] == IDS[::-1]
    assert list_runs(runs / "nowhere") == []


def test_of_two_runs_of_one_second_the_later_is_newer(tmp_path):
    made = datetime(2026, 11, 20, tzinfo=UTC)
    for age, run_id in enumerate(["20261120-120000-ff0000", "20261120-120000-000000"]):
        record = RunRecord(id=run_id, task="x", state=RunState.PENDING, created_at=made)
        run = RunFolder.create(tmp_path, run_id, "", record)
        os.utime(run.layout.job_file, ns=(age, age))
    assert find_run("last", tmp_path).run_id == "20261120-120000-000000"


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (IDS[0], IDS[0]),
        ("20261119", IDS[0]),
        ("20261120-13", IDS[2]),
        ("aa1", IDS[1]),
        ("b", IDS[2]),
        ("digits", IDS[0]),
        ("last", IDS[2]),
    ],
)
def test_a_run_is_found(runs, words, found):
    assert find_run(words, runs).run_id == found


def test_a_run_is_found_by_path(runs, monkeypatch):
    assert find_run(str(runs / IDS[1]), Path("/nowhere")).run_id == IDS[1]
    monkeypatch.chdir(runs)
    assert find_run(f"./{IDS[1]}/", Path("/nowhere")).path == runs / IDS[1]
    assert find_run(IDS[1], Path("/nowhere")).path == runs / IDS[1]
    monkeypatch.chdir(runs / IDS[1])
    assert find_run(".", Path("/nowhere")).path == runs / IDS[1]


@pytest.mark.parametrize("words", ["20261120", "2", "aa"])
def test_several_runs_are_listed(runs, words):
    with pytest.raises(BadRun, match=f"could be .*{IDS[1]}.*write more"):
        find_run(words, runs)


@pytest.mark.parametrize(
    ("words", "near"),
    [("digit", "digits"), ("aa01ff", IDS[0]), ("20261120-130000-bb22fe", IDS[2])],
)
def test_near_misses_are_suggested(runs, words, near):
    with pytest.raises(BadRun, match=f"no run {words!r}; did you mean .*{near}"):
        find_run(words, runs)


@pytest.mark.parametrize("words", ["last", "x", ""])
def test_no_runs_at_all(tmp_path, words):
    with pytest.raises(BadRun, match=r"there are no runs; .*--runs"):
        find_run(words, tmp_path)


def test_a_broken_record_hides_no_other_run(runs):
    (runs / IDS[2] / "run.json").write_text("{")
    assert find_run("digits", runs).run_id == IDS[0]
    assert find_run("last", runs).run_id == IDS[2]
