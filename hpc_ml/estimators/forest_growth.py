"""Has the workers grow a forest, and keeps each tree that is grown."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import joblib
import sklearn

from hpc_ml.errors import TaskFailed, WorkersLost
from hpc_ml.estimators.collective import WorkerPlace
from hpc_ml.estimators.dealing import Order, deal
from hpc_ml.estimators.dispatch import MOST_DEATHS
from hpc_ml.estimators.engine import MORE_MEMORY
from hpc_ml.estimators.forest_kept import KeptTrees
from hpc_ml.estimators.forest_plan import TreeQueue
from hpc_ml.estimators.forest_trees import ForestRecipe, Grown, TreePlan, grow, survey
from hpc_ml.estimators.inputs import AnyCollective


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
    growth = Growth(collective, plan)
    deal(collective, grow, growth)
    if growth.facts is None and plan.whole:
        growth.facts = run_each(collective, survey, plan.recipe)[0]
    return growth.kept.in_order(), growth.facts or {}


def run_each(
    collective: AnyCollective, step: Any, state: Any = None, *, whole: bool = True
) -> list[Any]:
    """Return a step's answer of every worker; begin again where one is lost.

    With `whole`, the step may load any partition, not only those that its worker holds.
    """

    def ask_all() -> list[Any]:
        count = len(collective.workers)
        numbers = [range(collective.n_partitions)] * count if whole else None
        return collective.each(step, [state] * count, numbers=numbers)

    for _ in range(MOST_DEATHS):
        try:
            return ask_all()
        except WorkersLost:
            continue
    return ask_all()


class Growth:
    """Deals the trees that wait to the workers, and keeps those that are grown."""

    def __init__(self, collective: AnyCollective, plan: ForestPlan) -> None:
        self._collective = collective
        self._plan = plan
        self.kept = KeptTrees(collective.checkpoint, plan.digest(collective.partitions.key))
        self.facts: dict[str, Any] | None = None
        waiting = [n for n in range(len(plan.trees)) if n not in self.kept]
        self._queue = TreeQueue(waiting, plan.trees)
        self._losses: Counter[int] = Counter()
        self._report()

    def next_order(self, place: WorkerPlace) -> Order | None:
        """Return the next trees for a worker."""
        numbers = self._queue.take(place.address, place.numbers, len(self._collective.workers))
        if not numbers:
            return None
        trees = [self._plan.trees[number] for number in numbers]
        needed = {partition for tree in trees for partition in tree.numbers}
        partitions = sorted(needed) or range(self._collective.n_partitions)
        return Order((self._plan.recipe, numbers, trees), partitions)

    def take(self, place: WorkerPlace, order: Order, answer: Grown) -> None:
        """Keep what a worker has grown."""
        _, numbers, _ = order.state
        for number, tree in zip(numbers, answer.trees, strict=True):
            self.kept.add(number, tree)
        self.facts = answer.facts
        self._queue.learn(place.address, answer.seconds / len(numbers))
        self.kept.save(answer.seconds)
        self._report()

    def lose(self, place: WorkerPlace, order: Order) -> None:
        """Let the trees of a lost worker wait again, unless they take down every worker."""
        _, numbers, _ = order.state
        self._losses.update(numbers)
        times = max(self._losses[number] for number in numbers)
        if times > MOST_DEATHS:
            raise TaskFailed(
                f"workers died {times} times while they grew the same trees", hint=MORE_MEMORY
            )
        self._queue.put_back(numbers)

    def _report(self) -> None:
        done, total = len(self.kept), len(self._plan.trees)
        self._collective.checkpoint.progress(done, total, "trees")
