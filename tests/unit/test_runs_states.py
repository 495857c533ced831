"""The newest state of iterative work: whole, checked, and written now and then only."""

from pathlib import Path

import pytest

from hpc_ml.errors import BadRun, TaskFailed
from hpc_ml.runs import states
from hpc_ml.runs.layout import RunLayout
from hpc_ml.runs.states import States


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(states.time, "monotonic", clock)
    return clock


@pytest.fixture
def layout(tmp_path: Path) -> RunLayout:
    (tmp_path / "ledger").mkdir()
    return RunLayout(tmp_path)


def test_the_newest_state_is_read_after_a_stop(layout: RunLayout, clock: Clock) -> None:
    kept = States(layout)
    kept.keep("kmeans", lambda: b"first")
    kept.keep("kmeans", lambda: b"second")
    assert States(layout).read("kmeans") is None  # not due yet
    kept.flush()
    assert States(layout).read("kmeans") == b"second"
    assert layout.state_file("kmeans").stat().st_mode & 0o777 == 0o600


def test_all_states_rest_for_150_times_what_a_write_has_cost(
    layout: RunLayout, clock: Clock
) -> None:
    def make_slowly() -> bytes:
        clock.now_s += 2
        return b"large"

    kept = States(layout)
    kept.keep("one", make_slowly, 90.0)
    kept.keep("two", lambda: b"small", 90.0)
    clock.now_s += 299
    kept.write_due()
    assert States(layout).read("two") is None
    clock.now_s += 1
    kept.write_due()
    assert States(layout).read("two") == b"small"


def test_a_long_unit_is_written_when_it_is_done(layout: RunLayout, clock: Clock) -> None:
    kept = States(layout)
    clock.now_s += 1
    kept.keep("sgd", lambda: b"epoch 1")
    assert States(layout).read("sgd") == b"epoch 1"
    kept.keep("forest", lambda: b"tree 1", 2.0)
    assert States(layout).read("forest") == b"tree 1"


def test_short_units_are_written_together(layout: RunLayout, clock: Clock) -> None:
    kept = States(layout)
    for number in range(40):
        clock.now_s += 0.75
        kept.keep("sgd", lambda: b"newest")
        assert (States(layout).read("sgd") is None) == (number < 39)
    kept.keep("sgd", lambda: b"short")
    clock.now_s += 31
    kept.write_due()  # though the unit after it is not done yet
    assert States(layout).read("sgd") == b"short"


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
