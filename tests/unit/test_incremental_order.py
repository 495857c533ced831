"""The order in which incremental training sees partitions and rows."""

from itertools import pairwise

import numpy as np
import pytest

from hpc_ml.estimators.incremental_order import TrainingOrder, draw_seed, partial_fit_calls
from hpc_ml.estimators.inputs import ArrayPartitions


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 50, 101])
def test_each_epoch_visits_every_partition_once(count: int) -> None:
    order = TrainingOrder(seed=3)
    for epoch in range(4):
        assert sorted(order.partitions(count, epoch)) == list(range(count))


def test_epochs_and_seeds_differ_and_repeat() -> None:
    visits = [TrainingOrder(seed).partitions(50, epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert len({tuple(order) for order in visits}) == 4
    assert visits[3] == TrainingOrder(1).partitions(50, 1)


def test_neighbours_are_visited_together() -> None:
    order = TrainingOrder(seed=0).partitions(100, 0)
    halves = [number < 50 for number in order]
    changes = sum(one != other for one, other in pairwise(halves))
    assert changes <= 11  # of at most 11 runs; an order without runs would change about 50 times


def test_without_shuffling_all_is_in_order() -> None:
    order = TrainingOrder(seed=0, shuffle=False, batch_size=4)
    assert order.partitions(5, 1) == [0, 1, 2, 3, 4]
    batches = [rows.tolist() for rows in order.batches(10, number=2, epoch=1)]
    assert batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_batches_are_the_rows_of_the_partition_in_an_order_of_the_epoch() -> None:
    order = TrainingOrder(seed=0, batch_size=30, validation_fraction=0.2)
    trained, held_back = order.split(100, number=4)
    assert sorted([*trained, *held_back]) == list(range(100))
    assert len(held_back) == 20
    epochs = [[*order.batches(100, number=4, epoch=epoch)] for epoch in (0, 1)]
    for batches in epochs:
        assert [len(rows) for rows in batches] == [30, 30, 20]
        assert sorted(np.concatenate(batches)) == sorted(trained)
    assert not np.array_equal(epochs[0][0], epochs[1][0])


@pytest.mark.parametrize(("rows", "held_back"), [(0, 0), (1, 0), (2, 1), (3, 1), (10, 1)])
def test_some_rows_are_always_left_to_train_on(rows: int, held_back: int) -> None:
    order = TrainingOrder(seed=0, validation_fraction=0.1)
    trained, back = order.split(rows, number=0)
    everything = np.arange(rows)
    assert len(everything[back]) == held_back
    assert len(everything[trained]) == rows - held_back
    assert len([*order.batches(rows, number=0, epoch=0)]) == (1 if rows else 0)


def test_calls_are_yielded_for_whoever_repeats_them() -> None:
    X, y = np.arange(20.0).reshape(10, 2), np.arange(10)
    partitions = ArrayPartitions(X, y, y + 0.5, partition_rows=4)
    order = TrainingOrder(draw_seed(7), batch_size=3)
    calls = [*partial_fit_calls(partitions, order, epochs=2)]
    seen = np.concatenate([labels for _, labels, _ in calls])
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    for rows, labels, weight in calls:
        assert np.array_equal(rows[:, 0], 2.0 * labels)
        assert np.array_equal(weight, labels + 0.5)
