"""Which rows each tree gets, and which worker grows it."""

import pytest

from hpc_ml.estimators.forest_plan import TreeQueue, plan_by_partitions
from hpc_ml.estimators.forest_trees import TreePlan


@pytest.mark.parametrize(
    ("n_trees", "rows"),
    [
        (100, [50] * 7),
        (3, [50] * 20),
        (5, [1000, 1, 1, 0, 300]),
        (10, [5] * 10),
        (1, [3, 4]),
        (4, [7]),
    ],
)
def test_every_partition_with_rows_has_a_tree(n_trees, rows):
    plans = plan_by_partitions(range(n_trees), rows)
    assert [plan.seed for plan in plans] == list(range(n_trees))
    assert all(plan.numbers for plan in plans)
    seen = {number for plan in plans for number in plan.numbers}
    assert seen == {number for number, count in enumerate(rows) if count}
    assert plans == plan_by_partitions(range(n_trees), rows)


def test_large_partitions_get_more_trees():
    plans = plan_by_partitions(range(100), [900, 100])
    assert sum(0 in plan.numbers for plan in plans) == pytest.approx(90, abs=1)


def test_few_trees_share_many_partitions_evenly():
    plans = plan_by_partitions(range(4), [10] * 40)
    assert all(9 <= len(plan.numbers) <= 12 for plan in plans)


def test_a_worker_gets_two_seconds_of_trees_and_fewer_at_the_end():
    queue = TreeQueue(range(100), [TreePlan(seed) for seed in range(100)])
    assert queue.take("a", [], 2) == [0]
    queue.learn("a", 0.2)
    assert queue.take("a", [], 2) == list(range(1, 11))
    assert queue.take("b", [], 2) == [11]
    queue.put_back([0, 1])
    assert queue.take("b", [], 2) == [0]
    queue.learn("a", 0.01)
    assert len(queue.take("a", [], 2)) == 23
    queue.learn("a", 100.0)
    assert len(queue.take("a", [], 2)) == 1


def test_trees_go_to_whoever_holds_their_partition():
    queue = TreeQueue(range(8), [TreePlan(seed, (seed % 4,)) for seed in range(8)])
    for worker in "ab":
        queue.learn(worker, 0.5)
    assert queue.take("a", [0, 1], 1) == [0, 4, 1, 5]
    assert queue.take("b", [2], 1) == [2, 6]
    assert queue.take("a", [0, 1], 1) == [3]
    assert queue.take("b", [2], 1) == [7]
    assert queue.take("b", [2], 1) == []
