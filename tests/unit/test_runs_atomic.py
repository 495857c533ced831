"""A reader sees a file whole, or as it was before."""

import json
import os
import stat
import threading

import pytest

from hpc_ml.runs.atomic import write_json, write_text


@pytest.fixture
def open_umask():
    before = os.umask(0)
    yield
    os.umask(before)


def test_reader_never_sees_half_a_file(tmp_path):
    path = tmp_path / "run.json"
    write_json(path, {"version": 0, "fill": "x" * 100_000})
    finished = threading.Event()

    def write_many():
        for version in range(1, 60):
            write_json(path, {"version": version, "fill": str(version % 10) * 100_000})
        finished.set()

    writer = threading.Thread(target=write_many)
    writer.start()
    seen = []
    while not finished.is_set():
        seen.append(json.loads(path.read_text())["version"])
    writer.join()
    assert seen == sorted(seen)
    assert os.listdir(tmp_path) == ["run.json"]


def test_only_the_owner_may_read(tmp_path, open_umask):
    write_text(tmp_path / "key.pem", "secret")
    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600


def test_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "run.json"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "new \udc80")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["run.json"]


def test_json_has_null_for_what_is_no_number(tmp_path):
    write_json(tmp_path / "m.json", {"a": [float("nan"), float("inf"), 0.1], "b": (1, None)})
    assert json.loads((tmp_path / "m.json").read_text()) == {"a": [None, None, 0.1], "b": [1, None]}
