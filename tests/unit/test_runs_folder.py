"""The folder of a run is made whole or not at all, and only its owner reads it."""

import json
import os
import stat
import threading
from datetime import UTC, datetime

import pytest

from hpc_ml.errors import BadRun, TaskFailed
from hpc_ml.runs.folder import RunFolder
from hpc_ml.runs.record import RunRecord, RunState

RUN = "20261120-185512-3f9a1c"
MADE = datetime(2026, 11, 20, 18, 55, 12, tzinfo=UTC)


def record(**fields):
    return RunRecord(id=RUN, task="gridsearch", state=RunState.PENDING, created_at=MADE, **fields)


def create(folder, **fields):
    return RunFolder.create(folder, RUN, "task: gridsearch\n", record(**fields))


def test_a_new_run_has_its_job_and_its_record(tmp_path):
    run = create(tmp_path / "new" / "runs", seed=3)
    assert run.path == tmp_path / "new" / "runs" / RUN
    assert run.layout.job_file.read_text() == "task: gridsearch\n"
    assert RunFolder.open(run.path).read_record() == record(seed=3)


def test_modes_do_not_depend_on_the_umask(tmp_path):
    before = os.umask(0)
    try:
        run = create(tmp_path / "runs")
        run.tell_event("made")
    finally:
        os.umask(before)
    paths = [run.path.parent, run.path, *run.path.rglob("*")]
    for path in paths:
        wanted = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path


def test_an_id_is_used_once(tmp_path):
    create(tmp_path)
    with pytest.raises(BadRun, match="exists already"):
        create(tmp_path)
    assert os.listdir(tmp_path) == [RUN]


def test_a_file_cannot_hold_runs(tmp_path):
    (tmp_path / "runs").write_text("")
    with pytest.raises(BadRun, match="not a folder; name another folder with --runs"):
        create(tmp_path / "runs")
    with pytest.raises(BadRun, match="not a folder"):
        create(tmp_path / "runs" / "deeper")


def test_a_full_disk_leaves_no_half_made_run(small_disk):
    (small_disk / "fill").write_bytes(b"x" * free_bytes(small_disk))
    with pytest.raises(BadRun, match=r"No space left.*make room"):
        create(small_disk / "runs")
    assert not list(small_disk.rglob("*.json"))
    assert RUN not in " ".join(os.listdir(small_disk / "runs"))


def test_a_full_disk_keeps_the_old_record(small_disk):
    run = create(small_disk)
    (small_disk / "fill").write_bytes(b"x" * free_bytes(small_disk))
    with pytest.raises(TaskFailed, match=r"run\.json.*No space left"):
        run.update(error="x" * 10_000)
    assert run.read_record() == record()


def test_a_read_only_place_is_said(read_only_folder):
    with pytest.raises(BadRun, match="cannot make a run here: Read-only file system"):
        create(read_only_folder)


def test_changes_are_checked_and_kept(tmp_path):
    run = create(tmp_path)
    run.update(state="running", worker_jobs=["12;cluster"])
    assert run.read_record() == record(worker_jobs=["12;cluster"]).change(state=RunState.RUNNING)
    with pytest.raises(TypeError, match="sate"):
        run.update(sate="running")
    with pytest.raises(ValueError, match="state"):
        run.update(state="dancing")
    assert run.read_record().state is RunState.RUNNING


def test_threads_do_not_undo_each_other(tmp_path):
    run = create(tmp_path)

    def add(name):
        for _ in range(5):
            RunFolder.open(run.path).update(**{name: 7})

    names = ["seed", "pid", "exit_code"]
    threads = [threading.Thread(target=add, args=[name]) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [getattr(run.read_record(), name) for name in names] == [7, 7, 7]


def test_what_a_newer_version_wrote_is_kept(tmp_path):
    run = create(tmp_path)
    written = json.loads(run.layout.record_file.read_text())
    run.layout.record_file.write_text(json.dumps(written | {"container": "a.sif"}))
    run.update(state="running")
    assert json.loads(run.layout.record_file.read_text())["container"] == "a.sif"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": "x"}', '{"id": 1, "task": 2}', "\0\0"])
def test_a_broken_record_is_named(tmp_path, text):
    run = create(tmp_path)
    run.layout.record_file.write_text(text)
    with pytest.raises(BadRun, match=r"run\.json: is not the record of a run: \S") as caught:
        run.read_record()
    assert "\n" not in str(caught.value)


def test_what_is_not_a_run_is_not_opened(tmp_path):
    with pytest.raises(BadRun, match=r"is not a run: it has no run\.json"):
        RunFolder.open(tmp_path)
    with pytest.raises(BadRun, match="no such folder"):
        RunFolder.open(tmp_path / "nowhere")


def test_events_of_threads_stay_apart(tmp_path):
    run = create(tmp_path)

    def tell(number):
        for event in range(50):
            run.tell_event("fit", number=number, event=event, fill="x" * 500)

    threads = [threading.Thread(target=tell, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = [json.loads(line) for line in run.layout.events_file.read_text().splitlines()]
    assert len(events) == 200
    assert all(datetime.fromisoformat(event["time"]).tzinfo for event in events)


def test_an_event_that_cannot_be_written_stops_nothing(tmp_path, caplog):
    run = create(tmp_path)
    run.layout.events_file.mkdir()
    run.tell_event("fit")
    assert "events.jsonl" in caplog.text


def free_bytes(folder):
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize
