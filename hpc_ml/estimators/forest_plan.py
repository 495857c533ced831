"""Which rows each tree of a forest is grown from, and which trees a worker grows next."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from hpc_ml.estimators.forest_trees import TreePlan

_ORDER_S = 2.0
_FIRST_ORDER = 1


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


class TreeQueue:
    """The trees that wait to be grown, and how many of them a worker gets at once.

    A worker gets trees of the partitions that it holds, and helps with the others when it has
    none left. How many it gets follows from how long its trees have taken: about 2 s of them, and
    fewer towards the end, so that all workers end together.

    Parameters
    ----------
    waiting : iterable of int
        Numbers of the trees.
    plans : sequence of TreePlan
        All trees by number.
    """

    def __init__(self, waiting: Iterable[int], plans: Sequence[TreePlan]) -> None:
        self._plans = plans
        self._waiting = dict.fromkeys(waiting)
        self._seconds: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, worker: str, held: Sequence[int], n_workers: int) -> list[int]:
        """Take the next trees for a worker that holds these partitions."""
        size = self._size(worker, n_workers)
        own = set(held)
        near = [tree for tree in self._waiting if own.issuperset(self._plans[tree].numbers)]
        taken = sorted(near or self._waiting, key=lambda tree: self._plans[tree].numbers)[:size]
        for tree in taken:
            del self._waiting[tree]
        return taken

    def put_back(self, trees: Iterable[int]) -> None:
        """Let trees wait again, before the others."""
        self._waiting = {**dict.fromkeys(trees), **self._waiting}

    def learn(self, worker: str, seconds: float) -> None:
        """Note how long one tree has taken."""
        self._seconds[worker] = seconds

    def _size(self, worker: str, n_workers: int) -> int:
        seconds = self._seconds.get(worker)
        if seconds is None:
            return _FIRST_ORDER
        fair = math.ceil(len(self._waiting) / (2 * n_workers))
        return max(1, min(fair, int(_ORDER_S / max(seconds, 1e-6))))
