"""Has the workers grow a forest, round by round, and keeps what is grown."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import joblib
import sklearn

from hpc_ml.errors import TaskFailed, WorkersLost
from hpc_ml.estimators.collective import MOST_DEATHS
from hpc_ml.estimators.engine import MORE_MEMORY
from hpc_ml.estimators.forest_kept import KeptTrees
from hpc_ml.estimators.forest_plan import choose_trees, share_trees
from hpc_ml.estimators.forest_trees import ForestRecipe, Grown, TreePlan, grow, survey
from hpc_ml.estimators.inputs import AnyCollective

_NEWEST_SHARE = 0.5


@dataclass(frozen=True)
class ForestPlan:
    """A forest that is to be grown.

    Parameters
    ----------
    recipe : ForestRecipe
        What its trees have in common.
    trees : sequence of TreePlan
        Each of them.
    """

    recipe: ForestRecipe
    trees: Sequence[TreePlan]

    @property
    def whole(self) -> bool:
        """Whether each tree is grown from all rows."""
        return not self.trees[0].numbers

    def digest(self, data_key: str) -> str:
        """Return what tells these trees from all others."""
        recipe = self.recipe
        parameters = sorted(recipe.parameters.items())
        trees = [(tree.seed, tree.numbers) for tree in self.trees]
        mark = (data_key, recipe.kind.__name__, parameters, recipe.balanced, trees)
        return str(joblib.hash((*mark, sklearn.__version__)))


def grow_forest(collective: AnyCollective, plan: ForestPlan) -> tuple[list[Any], dict[str, Any]]:
    """Return the trees in their order, and what scikit-learn's fit found out about the data.

    Raises TaskFailed where trees take down their workers, and whatever scikit-learn raises.
    """
    growth = _Growth(collective, plan)
    while growth.waiting:
        collective.checkpoint.check()
        growth.take_round()
    if growth.facts is None and plan.whole:
        growth.facts = run_each(collective, survey, plan.recipe)[0]
    return growth.kept.in_order(), growth.facts or {}


def run_each(collective: AnyCollective, step: Any, state: Any) -> list[Any]:
    """Return a step's answer of every worker; begin again where one is lost."""
    for _ in range(MOST_DEATHS):
        try:
            return collective.each(step, [state] * len(collective.workers), whole=True)
        except WorkersLost:
            continue
    return collective.each(step, [state] * len(collective.workers), whole=True)


class _Growth:
    """The trees that are there, those that wait, and how fast each worker is."""

    def __init__(self, collective: AnyCollective, plan: ForestPlan) -> None:
        self._collective = collective
        self._plan = plan
        digest = plan.digest(collective.partitions.key)
        self.kept = KeptTrees(collective.checkpoint, digest)
        self.waiting = [n for n in range(len(plan.trees)) if n not in self.kept]
        self.facts: dict[str, Any] | None = None
        self._seconds: dict[str, float] = {}
        self._losses = 0
        self._report()

    def take_round(self) -> None:
        """Have every worker grow some trees, and keep them."""
        workers = self._collective.workers
        known = [self._seconds.get(worker.address) for worker in workers]
        shares = share_trees(len(self.waiting), known)
        ranks = range(len(workers))
        chosen = choose_trees(
            self.waiting, self._plan.trees, dict(zip(ranks, shares, strict=True)),
            {rank: workers[rank].numbers for rank in ranks},
        )  # fmt: skip
        orders = [
            (self._plan.recipe, [self._plan.trees[tree] for tree in chosen[rank]]) for rank in ranks
        ]
        try:
            answers = self._collective.each(grow, orders, whole=True)
        except WorkersLost as lost:
            self._note_loss(lost)
            return
        self._losses = 0
        for rank, grown in enumerate(answers):
            self._take(workers[rank].address, chosen[rank], grown)
        self.waiting = [tree for tree in self.waiting if tree not in self.kept]
        self.kept.save()
        self._report()

    def _take(self, address: str, numbers: Sequence[int], grown: Grown) -> None:
        if not numbers:
            return
        for number, tree in zip(numbers, grown.trees, strict=True):
            self.kept.add(number, tree)
        self.facts = grown.facts
        seconds = grown.seconds / len(numbers)
        before = self._seconds.get(address, seconds)
        self._seconds[address] = before + _NEWEST_SHARE * (seconds - before)

    def _note_loss(self, lost: WorkersLost) -> None:
        self._losses += 1
        if self._losses > MOST_DEATHS:
            raise TaskFailed(
                f"workers died {self._losses} times while they grew the same trees",
                hint=MORE_MEMORY,
            ) from lost

    def _report(self) -> None:
        total = len(self._plan.trees)
        self._collective.checkpoint.progress(total - len(self.waiting), total, "trees")
