"""Steps over partitions on real workers: answers, sums, and what happens when workers die."""

import os
import socket
from contextlib import suppress
from typing import Any

import dask.array as da
import numpy as np
import pandas as pd
import pytest
from distributed import Client
from scipy import sparse
from worker_processes import start_cluster

from hpc_ml.errors import BadData, Stopped, TaskFailed, WorkersLost
from hpc_ml.estimators.collective import Collective
from hpc_ml.estimators.holder import Holder
from hpc_ml.estimators.inputs import ArrayPartitions, opened
from hpc_ml.estimators.partitions import Block
from hpc_ml.estimators.surroundings import NoCheckpoint, surroundings

X = np.random.default_rng(0).normal(size=(1000, 5))
Y = np.arange(1000)


class Ranges:
    """Partitions that workers make themselves: the numbers of their rows."""

    key = "ranges"
    n_features = 1

    def __init__(self, rows: tuple[int, ...], bad: int | None = None) -> None:
        self.rows = rows
        self.bytes_each = tuple(8 * count for count in rows)
        self.bad = bad

    def load(self, number: int) -> Block:
        if number == self.bad:
            raise BadData("a row is wrong", where=f"partition {number}")
        return Block(np.full((self.rows[number], 1), float(number)))


class Doubled(Ranges):
    def derive(self, before: Block, number: int) -> Block:
        return Block(2 * before.X)

    def load(self, number: int) -> Block:
        return self.derive(super().load(number), number)


class StopAtOnce(NoCheckpoint):
    def check(self) -> None:
        raise Stopped("stopped")


def add_up(block: Block, state: Any, memory: dict[str, Any]) -> tuple[Any, int]:
    return block.X.sum(axis=0), len(block)


def count_visits(block: Block, state: Any, memory: dict[str, Any]) -> int:
    memory["visits"] = memory.get("visits", 0) + 1
    return memory["visits"]


def append_first(block: Block, state: list[float], memory: dict[str, Any]) -> list[float]:
    return [*state, float(block.X[0, 0])]


def die_once(block: Block, flag: str, memory: dict[str, Any]) -> int:
    try:
        os.close(os.open(flag, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return len(block)
    os._exit(1)


def die(block: Block, state: Any, memory: dict[str, Any]) -> None:
    os._exit(1)


def report(holder: Holder, state: Any) -> tuple[int, int, tuple[int, ...], Any]:
    return holder.rank, holder.size, holder.numbers, state


def see_all(holder: Holder, state: Any) -> float:
    return float(sum(holder.load(number).X.sum() for number in range(4)))


def die_if_first(holder: Holder, state: Any) -> None:
    if holder.rank == 0:
        os._exit(1)


def is_fit_for_kernels(block: Block, state: Any, memory: dict[str, Any]) -> bool:
    flags = block.X.flags
    return bool(flags.aligned and flags.c_contiguous and flags.writeable)


def test_answers_come_in_the_order_of_partitions(client: Client) -> None:
    with Collective(Ranges((3, 0, 2, 5))) as collective:
        assert collective.resident
        counts = [rows for _, rows in collective.map(add_up)]
        assert counts == [3, 0, 2, 5]
        assert [rows for _, rows in collective.map(add_up, numbers=[3, 0])] == [3, 5]
        total, rows = collective.reduce(add_up)
        assert (total.tolist(), rows) == ([0 * 3 + 2 * 2 + 3 * 5], 10)


def test_sums_have_the_same_bits_on_one_worker_two_and_here(client: Client) -> None:
    parts = ArrayPartitions(X, partition_rows=70)
    with Collective(parts) as two, start_cluster(n_workers=1) as cluster, Client(cluster) as other:
        assert len(two.workers) == 2
        sums = [two.reduce(add_up)[0]]
        with Collective(parts, other) as one:
            sums.append(one.reduce(add_up)[0])
    with surroundings(client), opened(parts) as again:
        sums.append(again.reduce(add_up)[0])
    assert all(np.array_equal(one, sums[0]) for one in sums)


def test_memory_of_a_partition_lasts_between_steps(client: Client) -> None:
    with Collective(Ranges((1,) * 6)) as collective:
        assert [collective.map(count_visits) for _ in range(3)][-1] == [3] * 6


def test_the_state_visits_partitions_in_the_given_order(client: Client) -> None:
    with Collective(Ranges((1,) * 8)) as collective:
        assert collective.visit(append_first, [], [5, 0, 7, 7, 3]) == [5, 0, 7, 7, 3]


def test_each_worker_takes_a_joint_step(client: Client) -> None:
    with Collective(Ranges((2,) * 4)) as collective:
        found = collective.each(report, ["a", "b"])
        assert [one[:2] for one in found] == [(0, 2), (1, 2)]
        assert [one[3] for one in found] == ["a", "b"]
        assert [one[2] for one in found] == [place.numbers for place in collective.workers]
        assert collective.each(see_all, [None, None], numbers=[range(4)] * 2) == [12, 12]


def test_partitions_are_made_into_others_where_they_lie(client: Client) -> None:
    with Collective(Ranges((1, 2, 3))) as collective:
        before = collective.reduce(add_up)[0]
        assert collective.derive(Doubled((1, 2, 3))).reduce(add_up)[0] == 2 * before


def test_an_error_of_a_worker_is_raised_as_it_is(client: Client) -> None:
    with Collective(Ranges((1,) * 4, bad=2)) as collective:
        with pytest.raises(BadData, match="partition 2: a row is wrong"):
            collective.map(add_up)
        assert collective.map(count_visits, numbers=[0, 1, 3]) == [1, 1, 1]


def test_a_stop_ends_a_wait(client: Client) -> None:
    with Collective(Ranges((1,)), client, StopAtOnce()) as collective, pytest.raises(Stopped):
        collective.map(add_up)


@pytest.mark.parametrize("form", ["array", "sparse", "frame", "dask", "dask frame"])
def test_what_users_hand_over(client: Client, form: str) -> None:
    frame = pd.DataFrame(X, columns=list("abcde"))
    given: Any = {
        "array": lambda: (X, Y),
        "sparse": lambda: (sparse.csr_matrix(X), Y),
        "frame": lambda: (frame, pd.Series(Y)),
        "dask": lambda: (da.from_array(X, chunks=(300, 2)), da.from_array(Y, chunks=300)),
        "dask frame": lambda: _dask_frames(frame),
    }[form]()
    with opened(*given) as collective:
        total, rows = collective.reduce(add_up)
        np.testing.assert_allclose(np.asarray(total).ravel(), X.sum(axis=0))
        assert rows == 1000 and collective.n_features == 5
        if form != "sparse":
            assert all(collective.map(is_fit_for_kernels))


def _dask_frames(frame: pd.DataFrame) -> tuple[Any, Any]:
    import dask.dataframe as dd

    whole = dd.from_pandas(frame.assign(y=Y), npartitions=3)
    return whole[list("abcde")], whole["y"]


@pytest.fixture
def mortal() -> Any:
    """A cluster of its own: its workers die."""
    with start_cluster(n_workers=2) as cluster, Client(cluster) as client:
        yield client


def test_a_lost_worker_costs_its_unit_and_no_more(mortal: Client, tmp_path: Any) -> None:
    with Collective(ArrayPartitions(X, partition_rows=100), mortal) as collective:
        assert collective.map(die_once, str(tmp_path / "flag")) == [100] * 10
        assert collective.reduce(add_up)[1] == 1000


def test_data_that_kill_every_worker_end_the_work(mortal: Client) -> None:
    with (
        Collective(Ranges((1,)), mortal) as collective,
        pytest.raises(TaskFailed, match="the worker that worked on partition 0 died, 4 times"),
    ):
        collective.map(die)


def test_a_worker_lost_in_a_joint_step_is_said(mortal: Client) -> None:
    with Collective(Ranges((1, 1)), mortal) as collective:
        size = len(collective.workers)
        with pytest.raises(WorkersLost, match="was lost during a joint step"):
            collective.each(die_if_first, [None] * size)
        assert collective.map(count_visits) == [1, 1]


def test_a_worker_that_comes_later_takes_its_share() -> None:
    with (
        start_cluster(n_workers=1) as small,
        Client(small) as client,
        Collective(Ranges((1,) * 10), client) as collective,
    ):
        assert len(collective.workers) == 1
        small.scale(2)
        while len(collective.workers) < 2:  # the limit of the test ends a wait for ever
            collective.map(count_visits)
        assert [len(place.numbers) for place in collective.workers] == [5, 5]


def test_strangers_are_not_served(client: Client) -> None:
    with Collective(Ranges((1, 1))) as collective:
        listener = collective.dispatch._crew._listener
        with socket.create_connection(listener.address, timeout=10) as stranger:
            stranger.sendall(b"\0" * 32)
            stranger.settimeout(10)
            assert stranger.recv(1) == b""
        assert collective.map(count_visits) == [1, 1]


def test_without_a_client_all_happens_here() -> None:
    with surroundings(None), opened(X, Y) as collective:
        assert collective.reduce(add_up)[1] == 1000
        assert collective.visit(append_first, [], [0]) == [X[0, 0]]
        assert collective.each(report, ["a"]) == [(0, 1, (0,), "a")]


def test_links_are_as_safe_as_dask_is() -> None:
    with (
        start_cluster(n_workers=1, security=True) as cluster,
        Client(cluster) as client,
        Collective(Ranges((1, 1)), client) as collective,
    ):
        listener = collective.dispatch._crew._listener
        with socket.create_connection(listener.address, timeout=10) as plain:
            plain.sendall(listener.secret)  # the secret alone is not enough
            with suppress(ConnectionResetError):
                while plain.recv(100):  # an alert of TLS, and the end
                    pass
        assert collective.map(count_visits) == [1, 1]
