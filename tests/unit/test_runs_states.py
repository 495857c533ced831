"""The newest state of iterative work: whole, checked, and written now and then only."""

from pathlib import Path

import pytest

from hpc_ml.errors import BadRun, TaskFailed
from hpc_ml.runs import states
from hpc_ml.runs.layout import RunLayout
from hpc_ml.runs.states import States


@pytest.fixture
def layout(tmp_path: Path) -> RunLayout:
    (tmp_path / "ledger").mkdir()
    return RunLayout(tmp_path)


def test_the_newest_state_is_read_after_a_stop(layout: RunLayout) -> None:
    kept = States(layout)
    kept.keep("kmeans", lambda: b"first")
    kept.keep("kmeans", lambda: b"second")
    assert States(layout).read("kmeans") is None  # not due yet
    kept.flush()
    assert States(layout).read("kmeans") == b"second"
    assert layout.state_file("kmeans").stat().st_mode & 0o777 == 0o600


def test_a_state_is_written_when_it_is_due(
    layout: RunLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(states, "WRITE_EVERY_S", 0.0)
    States(layout).keep("sgd", lambda: b"epoch 1")
    assert States(layout).read("sgd") == b"epoch 1"


def test_what_waits_is_not_made_before_it_is_written(layout: RunLayout) -> None:
    made = []
    kept = States(layout)
    kept.keep("sgd", lambda: made.append("first") or b"")
    kept.keep("sgd", lambda: made.append("second") or b"")
    kept.flush()
    assert made == ["second"]


def test_a_broken_state_is_no_state(layout: RunLayout) -> None:
    kept = States(layout)
    kept.keep("sgd", lambda: b"epoch 1")
    kept.flush()
    layout.state_file("sgd").write_bytes(b"\0" + layout.state_file("sgd").read_bytes()[1:])
    with pytest.raises(BadRun, match=r"sgd\.state: the state of the work is broken; delete"):
        States(layout).read("sgd")


def test_a_disk_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    kept = States(RunLayout(tmp_path / "nowhere"))
    kept.keep("sgd", lambda: b"epoch 1")
    with pytest.raises(TaskFailed, match="cannot write"):
        kept.flush()
