"""Workers that wait in silence for memory end the run."""

from types import SimpleNamespace

import pytest
from distributed.core import Status

from hpc_ml.clusters import memory_watch
from hpc_ml.clusters.memory_watch import MemoryWatch
from hpc_ml.errors import WorkersLost


def process(status: Status) -> SimpleNamespace:
    return SimpleNamespace(status=status, memory_limit=300 * 2**20)


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(s=0.0)
    monkeypatch.setattr(memory_watch.time, "monotonic", lambda: now.s)
    return now


def test_workers_that_stay_paused_are_named_with_their_memory(clock):
    watch = MemoryWatch()
    watch.check([process(Status.paused), process(Status.paused)])
    clock.s = 61
    with pytest.raises(WorkersLost, match="300 MiB of memory, and is paused; give more --memory"):
        watch.check([process(Status.paused), process(Status.paused)])


def test_one_worker_that_goes_on_is_enough(clock):
    watch = MemoryWatch()
    clock.s = 61
    watch.check([process(Status.paused), process(Status.running)])
    clock.s = 100
    watch.check([process(Status.paused)])
    watch.check([])
