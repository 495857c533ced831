"""Sums over partitions have the same bits whoever adds them, and partitions move little."""

from itertools import pairwise

import numpy as np
import pytest

from hpc_ml.estimators.placement import place
from hpc_ml.estimators.sums import TreeSum, add


def tree_sum(values: list[float], shares: list[list[int]]) -> float:
    """Add as workers do, each its share, and then their nodes."""
    total = TreeSum(len(values))
    for share in shares:
        own = TreeSum(len(values))
        for number in share:
            own.add((0, number), values[number])
        for node, value in own.nodes.items():
            total.add(node, value)
    assert total.complete and not total.missing()
    return total.value


@pytest.mark.parametrize("n_partitions", [1, 2, 3, 7, 20, 33])
def test_the_bits_do_not_depend_on_the_shares(n_partitions: int) -> None:
    rng = np.random.default_rng(0)
    values = [float(value) for value in rng.normal(size=n_partitions) * 10.0 ** rng.integers(-9, 9)]
    everything = list(range(n_partitions))
    sums = {
        tree_sum(values, [everything]),
        tree_sum(values, [everything[0::2], everything[1::2]]),
        tree_sum(values, [everything[: n_partitions // 3], everything[n_partitions // 3 :]]),
        tree_sum(values, [list(rng.permutation(n_partitions)) for _ in range(1)]),
    }
    assert len(sums) == 1
    assert sums.pop() == pytest.approx(sum(values))


def test_what_is_missing_is_known() -> None:
    sums = TreeSum(5)
    for number in (0, 1, 4):
        sums.add((0, number), 1)
    assert sums.missing() == [2, 3] and not sums.complete


def test_tuples_are_added_one_by_one() -> None:
    left, right = (np.ones(2), 1, (2.0,)), (np.ones(2), 2, (3.0,))
    total = add(left, right)
    assert total[0].tolist() == [2, 2] and total[1:] == (3, (5.0,))


def test_neighbours_go_to_the_same_worker() -> None:
    held = place([1] * 10, {}, ["a", "b", "c"])
    assert sorted(n for numbers in held.values() for n in numbers) == list(range(10))
    assert all(y - x == 1 for numbers in held.values() for x, y in pairwise(numbers))
    assert {len(numbers) for numbers in held.values()} <= {3, 4}


def test_more_workers_than_partitions() -> None:
    held = place([1], {}, ["a", "b"])
    assert sorted(map(len, held.values())) == [0, 1]


def test_a_lost_workers_partitions_go_to_the_others_and_theirs_stay() -> None:
    before = place([1] * 9, {}, ["a", "b", "c"])
    after = place([1] * 9, before, ["a", "c"])
    assert set(before["a"]) <= set(after["a"]) and set(before["c"]) <= set(after["c"])
    assert abs(len(after["a"]) - len(after["c"])) <= 1


def test_a_new_worker_takes_its_share_and_no_more() -> None:
    before = place([1] * 12, {}, ["a", "b"])
    after = place([1] * 12, before, ["a", "b", "c"])
    assert sorted(map(len, after.values())) == [4, 4, 4]
    assert set(after["a"]) <= set(before["a"]) and set(after["b"]) <= set(before["b"])


def test_nothing_moves_without_need() -> None:
    before = place([5, 1, 1, 1, 8, 2], {}, ["a", "b"])
    assert place([5, 1, 1, 1, 8, 2], before, ["a", "b"]) == before
