"""Which rows each tree of a forest is grown from, and which worker grows how many."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from hpc_ml.estimators.forest_trees import TreePlan

# How long the workers grow trees before these are kept and shared out anew.
ROUND_S = 5.0


def plan_by_partitions(seeds: Sequence[int], rows: Sequence[int]) -> list[TreePlan]:
    """Return trees that are each grown from one partition or a few, every row by some tree.

    The partitions are laid side by side, in an order that the first seed decides, and the line is
    cut into as many equal stretches as there are trees. A tree gets the partition in which the
    middle of its stretch lies, and those whose own middle lies in its stretch. So large partitions
    get more trees, and each partition gets one at least.

    Parameters
    ----------
    seeds : sequence of int
        One a tree.
    rows : sequence of int
        Rows of each partition; those of none are left out.
    """
    order = np.random.RandomState(seeds[0]).permutation(np.flatnonzero(rows))
    ends = np.cumsum(np.asarray(rows)[order])
    middles = ends - np.asarray(rows)[order] / 2
    stretch = ends[-1] / len(seeds)
    own = np.searchsorted(ends, (np.arange(len(seeds)) + 0.5) * stretch)
    plans = []
    for tree, seed in enumerate(seeds):
        inside = (tree * stretch <= middles) & (middles < (tree + 1) * stretch)
        numbers = {int(order[own[tree]]), *map(int, order[inside])}
        plans.append(TreePlan(seed, tuple(sorted(numbers))))
    return plans


def share_trees(waiting: int, seconds: Sequence[float | None]) -> list[int]:
    """Return how many trees each worker grows next.

    One where nothing is known of its speed, else as many as take 5 s or as long as the slowest
    worker needs for one; the last ones are shared so that all workers end together.

    Parameters
    ----------
    waiting : int
        Trees that are not grown yet.
    seconds : sequence of float or None
        What a tree takes on each worker, as far as known.
    """
    known = [one for one in seconds if one is not None]
    if not known:
        return [int(rank < waiting) for rank in range(len(seconds))]
    typical = sum(known) / len(known)
    speeds = [1 / max(typical if one is None else one, 1e-6) for one in seconds]
    round_s = max(ROUND_S, 1 / min(speeds))
    most = [max(1, math.floor(round_s * speed)) for speed in speeds]
    if sum(most) <= waiting:
        return most
    return _apportion(waiting, speeds)


def _apportion(waiting: int, speeds: Sequence[float]) -> list[int]:
    """Return shares that let the last worker end as early as can be."""
    shares = [0] * len(speeds)
    for _ in range(waiting):
        ends_s = [(share + 1) / speed for share, speed in zip(shares, speeds, strict=True)]
        shares[ends_s.index(min(ends_s))] += 1
    return shares


def choose_trees(
    waiting: Iterable[int], plans: Sequence[TreePlan], shares: Mapping[Any, int],
    held: Mapping[Any, Sequence[int]],
) -> dict[Any, list[int]]:  # fmt: skip
    """Return which trees each worker grows: first those whose partitions it holds.

    Parameters
    ----------
    waiting : iterable of int
        Numbers of the trees, in their order.
    plans : sequence of TreePlan
        All trees.
    shares : mapping
        How many trees each worker is to get.
    held : mapping
        The partitions that each worker holds.
    """
    holder_of = {number: worker for worker, numbers in held.items() for number in numbers}
    chosen: dict[Any, list[int]] = {worker: [] for worker in shares}
    left = []
    for tree in waiting:
        numbers = plans[tree].numbers
        worker = holder_of.get(numbers[0]) if numbers else None
        if worker is not None and len(chosen[worker]) < shares[worker]:
            chosen[worker].append(tree)
        else:
            left.append(tree)
    rest = iter(left)
    for worker, share in shares.items():
        chosen[worker] += islice(rest, share - len(chosen[worker]))
    return {
        # Trees of the same partitions one after the other: these are joined once.
        worker: sorted(trees, key=lambda tree: (plans[tree].numbers, tree))
        for worker, trees in chosen.items()
    }
