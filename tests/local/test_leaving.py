"""Workers that leave before their walltime ends, and tasks whose workers are ended by others."""

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distributed import Client, KilledWorker, LocalCluster, SpecCluster, Worker
from worker_processes import start_cluster

from hpc_ml.clusters.job_scheduler import JobScheduler
from hpc_ml.clusters.leaving import Leaving
from hpc_ml.clusters.lifetimes import Lifetime
from hpc_ml.errors import TaskFailed
from hpc_ml.estimators.collective import Collective
from hpc_ml.estimators.partitions import Block
from hpc_ml.schedulers.scripts import ENDS_AT
from tests.conftest import LIMIT_S

HOUR = Lifetime(3600)


class Numbers:
    """Eight partitions of one row each, its own number."""

    key, n_features, rows, bytes_each = "numbers", 1, (1,) * 8, (8,) * 8

    def load(self, number: int) -> Block:
        return Block(np.full((1, 1), float(number)))


def end_walltime() -> None:
    os.environ[ENDS_AT] = str(time.time())


@pytest.fixture
def two() -> Iterator[tuple[Client, str]]:
    """Two workers, the first of which leaves as soon as it is told how."""
    with start_cluster(n_workers=2) as cluster, Client(cluster) as client:
        first = next(iter(client.nthreads()))
        client.run(end_walltime, workers=[first])
        yield client, first


def await_true(true: Any) -> None:
    deadline_s = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def work(folder: str, until: str) -> int:
    """Note that it was begun, and go on until a file is there."""
    Path(folder, f"begun-{os.getpid()}").touch()
    while not Path(folder, until).exists():
        time.sleep(0.02)
    return os.getpid()


def test_what_is_in_progress_is_finished_and_nothing_new_begun(
    two: tuple[Client, str], tmp_path: Path
) -> None:
    client, first = two
    task = client.submit(work, str(tmp_path), "go", workers=[first], allow_other_workers=True)
    await_true(lambda: list(tmp_path.glob("begun-*")))
    client.register_plugin(Leaving(HOUR))
    await_true(lambda: first not in client.sync(client.scheduler.ncores_running))
    after = client.submit(os.getpid, workers=[first], allow_other_workers=True, pure=False)
    other = after.result(LIMIT_S)
    (tmp_path / "go").touch()
    assert task.result(LIMIT_S) != other
    await_true(lambda: first not in client.nthreads())
    assert len(list(tmp_path.glob("begun-*"))) == 1


def add_slowly(block: Block, state: Any, memory: dict[str, Any]) -> float:
    time.sleep(0.1)
    return float(block.X.sum())


def test_a_collective_goes_on_with_those_that_stay(two: tuple[Client, str]) -> None:
    client, first = two
    with Collective(Numbers(), client) as collective:
        assert len(collective.workers) == 2
        client.register_plugin(Leaving(HOUR))
        while first in {worker.address for worker in collective.workers}:
            assert collective.reduce(add_slowly) == 28.0
        await_true(lambda: first not in client.nthreads())
        assert collective.reduce(add_slowly) == 28.0
        assert collective.map(add_slowly) == [float(number) for number in range(8)]


def work_in_a_step(block: Block, folder: str, memory: dict[str, Any]) -> int:
    return work(folder, "go")


class ShortLived:
    """A checkpoint of a run whose workers live for five seconds."""

    worker_life_s = 5.0

    def check(self) -> None: ...

    def tell(self, message: str) -> None: ...

    def is_blameless(self, worker: str) -> bool:
        return True


def test_a_step_that_takes_longer_than_workers_live_is_an_error(
    two: tuple[Client, str], tmp_path: Path
) -> None:
    client, _ = two
    with Collective(Numbers(), client, ShortLived()) as collective, ThreadPoolExecutor(1) as pool:
        assert len(collective.workers) == 2
        answer = pool.submit(collective.map, work_in_a_step, str(tmp_path))
        await_true(lambda: len(list(tmp_path.glob("begun-*"))) == 2)
        client.register_plugin(Leaving(Lifetime(10)))
        with pytest.raises(TaskFailed, match=r"partition \d needs longer than a worker lives"):
            answer.result(LIMIT_S)
        (tmp_path / "go").touch()


@pytest.fixture
def killable() -> Iterator[tuple[Client, JobScheduler]]:
    """A cluster whose workers can be taken from its scheduler without a word."""
    worker = {"cls": Worker, "options": {"nthreads": 1, "dashboard": False}}
    options = {"dashboard": False, "host": "127.0.0.1"}
    cluster: LocalCluster = SpecCluster(
        scheduler={"cls": JobScheduler, "options": options}, worker=worker, silence_logs=50
    )
    with cluster, Client(cluster) as client:
        cluster.scale(6)
        client.wait_for_workers(6)
        yield client, cluster.scheduler


_over = threading.Event()


def wait_for_the_end() -> int:
    _over.wait(LIMIT_S)
    return 7


def await_worker(scheduler: JobScheduler, key: str) -> Any:
    await_true(lambda: key in scheduler.tasks and scheduler.tasks[key].processing_on)
    return scheduler.tasks[key].processing_on


def lose_worker_of(client: Client, scheduler: JobScheduler, key: str) -> None:
    address = await_worker(scheduler, key).address
    client.sync(lambda: scheduler.remove_worker(address, stimulus_id="test"))


@pytest.mark.parametrize("blameless", [True, False])
def test_only_deaths_that_the_work_is_to_blame_for_count(
    killable: tuple[Client, JobScheduler], blameless: bool
) -> None:
    client, scheduler = killable
    _over.clear()
    task = client.submit(wait_for_the_end)
    for _ in range(4):
        lose_worker_of(client, scheduler, task.key)
    scheduler.judge(lambda name, age_s: None)
    assert task.status == "pending"
    scheduler.judge(lambda name, age_s: blameless)
    if blameless:
        _over.set()
        assert task.result(LIMIT_S) == 7
        return
    with pytest.raises(KilledWorker):
        task.result(LIMIT_S)
    _over.set()


def test_a_task_that_has_had_the_life_of_a_worker_is_given_up(
    killable: tuple[Client, JobScheduler],
) -> None:
    client, scheduler = killable
    scheduler.life_s = 0.1
    _over.clear()
    task = client.submit(wait_for_the_end, key="fit-1")
    state = await_worker(scheduler, task.key)
    await_true(lambda: state.executing)
    lose_worker_of(client, scheduler, "fit-1")
    scheduler.judge(lambda name, age_s: True)
    with pytest.raises(TaskFailed, match="a fit needs longer than a worker lives"):
        task.result(LIMIT_S)
    _over.set()
