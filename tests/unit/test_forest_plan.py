"""Which rows each tree gets, and which worker grows it."""

import pytest

from hpc_ml.estimators.forest_plan import choose_trees, plan_by_partitions, share_trees
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


@pytest.mark.parametrize(
    ("waiting", "seconds", "shares"),
    [
        (10, [None, None], [1, 1]),
        (1, [None, None], [1, 0]),
        (1000, [0.5, 0.5], [10, 10]),
        (1000, [0.5, None], [10, 10]),
        (7, [0.1, 0.1], [4, 3]),
        (9, [0.1, 0.2], [6, 3]),
        (100, [60.0, 20.0], [1, 3]),
        (0, [None, None], [0, 0]),
    ],
)
def test_shares_end_together(waiting, seconds, shares):
    assert share_trees(waiting, seconds) == shares


def test_trees_go_to_whoever_holds_their_partition():
    plans = [TreePlan(seed, (seed % 4,)) for seed in range(8)]
    chosen = choose_trees(range(8), plans, {"a": 3, "b": 3}, {"a": [0, 1], "b": [2, 3]})
    assert chosen == {"a": [0, 4, 1], "b": [2, 6, 3]}


def test_a_worker_without_partitions_helps():
    plans = [TreePlan(seed, (0,)) for seed in range(4)]
    chosen = choose_trees(range(4), plans, {"a": 2, "b": 2}, {"a": [0], "b": []})
    assert chosen == {"a": [0, 1], "b": [2, 3]}
