"""What XGBoost's workers find each other by."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from xgboost import RabitTracker

if TYPE_CHECKING:
    from hpc_ml.estimators.holder import Holder
    from hpc_ml.estimators.inputs import AnyCollective

_trackers: "WeakKeyDictionary[Holder, RabitTracker]" = WeakKeyDictionary()


@contextmanager
def open_tracker(
    collective: "AnyCollective", ranks: Sequence[int]
) -> Iterator[list[Mapping[str, Any]]]:
    """Start what the workers of these ranks find each other by, on the first of them."""
    states = [len(ranks) if rank == ranks[0] else None for rank in range(len(collective.workers))]
    found = collective.each(_start_tracker, states)
    yield [found[ranks[0]]] * len(ranks)


def _start_tracker(holder: "Holder", n_workers: int | None) -> dict[str, Any] | None:
    from distributed import get_worker

    if n_workers is None:
        return None
    host = urlsplit(get_worker().address).hostname
    tracker = RabitTracker(n_workers=n_workers, host_ip=host, sortby="task")
    tracker.start()
    _trackers[holder] = tracker
    return dict(tracker.worker_args())


def end_tracker(holder: "Holder") -> None:
    """Let go of what the workers found each other by, on the worker that started it."""
    if (tracker := _trackers.pop(holder, None)) is None:
        return
    with suppress(Exception):
        tracker.wait_for(timeout=1)
    with suppress(Exception):
        tracker.free()
