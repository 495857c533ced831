"""Each place that writes to a run, on a disk that is full: an error in one line, nothing half."""

import logging

import pytest
from sklearn.dummy import DummyClassifier

from hpc_ml.clusters.tls import create_keys
from hpc_ml.errors import BadRun, TaskFailed
from hpc_ml.live_run import _open_log
from hpc_ml.runs.atomic import explained_writes, write_bytes
from hpc_ml.runs.cancellation import request_cancel
from hpc_ml.runs.folder import RunFolder
from hpc_ml.runs.heartbeat import Heartbeat
from hpc_ml.runs.ledger import Ledger
from hpc_ml.runs.logs import LogHandler
from hpc_ml.runs.ownership import Ownership
from hpc_ml.runs.states import States
from hpc_ml.tasks.model_files import write_model_folder
from hpc_ml.tasks.predict_part import _write
from hpc_ml.tasks.tables import write_table
from tests.disks import fill

LARGE = "x" * 100_000


@pytest.fixture
def full_run(small_disk, tmp_path, make_run):
    """A run on a disk that has become full."""
    (tmp_path / "runs").symlink_to(small_disk)
    run = make_run(state="running")
    fill(small_disk)
    return run


def keep_state(run):
    states = States(run.layout)
    states.keep("sgd", lambda: LARGE.encode())
    states.flush()


def append(run):
    with Ledger.open(run.layout.ledger_file) as ledger:
        ledger.append("unit", LARGE)


def write_metrics(run):
    with explained_writes(run.path):
        write_bytes(run.layout.metrics_file, LARGE.encode())


def write_predictions(run):
    run.layout.predictions.mkdir()
    _write(run.layout.predictions / "part-0.parquet", {"label": [float(n) for n in range(9000)]})


def open_log(run):
    log = _open_log(run.layout.controller_log)
    [handler] = log.handlers
    log.removeHandler(handler)
    handler.close()


SITES = {
    "ledger": append,
    "state": keep_state,
    "metrics": write_metrics,
    "record": lambda run: run.update(error=LARGE),
    "table": lambda run: write_table(run.layout.cv_results_file, {"score": [0.5] * 9000}),
    "model": lambda run: write_model_folder(run.layout.model, DummyClassifier(), None, {}),
    "predictions": write_predictions,
    "keys": lambda run: create_keys(run.layout),
    "owner": lambda run: Ownership.take(run.layout),
    "cancel": lambda run: request_cancel(run.layout),
    "log": open_log,
}


@pytest.mark.parametrize("site", SITES)
def test_what_cannot_be_written_is_said_and_leaves_nothing(full_run, site):
    before = sorted(full_run.path.rglob("*"))
    record = full_run.read_record()
    try:
        SITES[site](full_run)
    except TaskFailed as error:
        assert "cannot write: No space left on device; make room there" in str(error)
        assert str(full_run.path) in str(error)
    else:  # a file of no bytes needs no room
        assert site == "log"
    new = [path for path in full_run.path.rglob("*") if path not in before]
    assert all(path.stat().st_size == 0 or path.is_dir() for path in new), new
    assert not [path for path in new if path.name.startswith(".")]
    assert full_run.read_record() == record


def test_a_new_run_is_not_made_there(full_run, small_disk):
    with pytest.raises(BadRun, match="make room there, or name another folder"):
        RunFolder.create(small_disk, "20261120-185519-00000f", LARGE, full_run.read_record())
    assert not list(small_disk.glob("*00000f*"))


def test_signs_of_life_that_cannot_be_given_are_counted(full_run):
    heartbeat = Heartbeat(full_run.layout, interval_s=0.01)
    with heartbeat:
        pass
    assert heartbeat.failed_beats == 2


def test_lines_of_a_log_are_lost_without_a_traceback(full_run, capfd):
    handler = LogHandler(full_run.layout.controller_log)
    for _ in range(100):
        handler.handle(logging.LogRecord("run", logging.INFO, "", 0, LARGE, (), None))
    handler.close()
    full_run.tell_event("message", text=LARGE)
    assert "Traceback" not in "".join(capfd.readouterr())


def test_other_refusals_are_not_taken_for_the_disks(tmp_path):
    with pytest.raises(ConnectionResetError), explained_writes(tmp_path):
        raise ConnectionResetError
