"""Grows trees on a worker: from all rows scikit-learn's very own, or from some partitions."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_sample_weight

from hpc_ml.estimators.forest_rows import (
    GrowthRows,
    all_rows,
    encode_class_weight,
    join_rows,
)

# What a fit of scikit-learn's leaves in a forest besides the trees, as far as it is small.
_FACTS = (
    "classes_", "n_classes_", "n_outputs_", "n_features_in_", "_n_samples", "_n_samples_bootstrap",
)  # fmt: skip


@dataclass(frozen=True)
class ForestRecipe:
    """What all trees of a forest have in common.

    Parameters
    ----------
    kind : type
        scikit-learn's class of the forest.
    parameters : mapping
        Its parameters, but for those that say how many trees and what to do with them later.
    classes : ndarray, optional
        All sorted labels, where trees see some partitions only.
    balanced : tuple of float, optional
        The weight of each class, where trees see some partitions only and classes have weights.
    """

    kind: type
    parameters: Mapping[str, Any]
    classes: Any = None
    balanced: tuple[float, ...] | None = None

    @property
    def classification(self) -> bool:
        return issubclass(self.kind, ClassifierMixin)


@dataclass(frozen=True)
class TreePlan:
    """One tree: its seed, and the partitions that it is grown from (none given: all)."""

    seed: int
    numbers: tuple[int, ...] = ()


@dataclass
class Grown:
    """Trees that a worker has grown, in the order they were asked for, and how long it took."""

    trees: list[Any] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


def grow(holder: Any, order: tuple[ForestRecipe, Sequence[int], Sequence[TreePlan]]) -> Grown:
    """Grow the trees that are ordered; a step that is dealt (`dealing`)."""
    recipe, _, plans = order
    if plans[0].numbers:
        return _grow_on_partitions(holder, recipe, plans)
    rows = all_rows(holder, classification=recipe.classification)
    start_s = time.perf_counter()
    forest = fit_forest(recipe, rows, [plan.seed for plan in plans])
    return Grown(forest.estimators_, read_facts(forest, rows), time.perf_counter() - start_s)


def fit_forest(recipe: ForestRecipe, rows: GrowthRows, seeds: Sequence[int], **changes: Any) -> Any:
    """Return scikit-learn's forest, fitted with these seeds for its trees."""
    parameters = {**recipe.parameters, "n_estimators": len(seeds), **changes}
    if "class_weight" in parameters:
        parameters["class_weight"] = encode_class_weight(parameters["class_weight"], rows.labels)
    # The name is kept for scikit-learn's messages.
    seeded = type(recipe.kind.__name__, (_Seeded, recipe.kind), {})
    forest = seeded(**parameters)
    forest._seeds = iter(seeds)
    return forest.fit(rows.X, rows.y, sample_weight=rows.weight)


class _Seeded:
    """Gives trees the seeds that are due to them, wherever in the forest they stand."""

    _seeds: Any

    def _make_estimator(self, append: bool = True, random_state: Any = None) -> Any:
        tree = super()._make_estimator(append=False)  # type: ignore[misc]
        return tree.set_params(random_state=next(self._seeds))


def read_facts(forest: Any, rows: GrowthRows) -> dict[str, Any]:
    """Return what the fit has found out about the data."""
    facts = {name: getattr(forest, name) for name in _FACTS if hasattr(forest, name)}
    if getattr(forest, "_sample_weight", "none") is None:
        # Weights stay with the rows; without them `estimators_samples_` fails rather than errs.
        facts["_sample_weight"] = None
    if rows.labels is not None:
        facts["classes_"] = rows.labels
    return facts


def survey(holder: Any, recipe: ForestRecipe) -> dict[str, Any]:
    """Return what a fit finds out about the data, from a stump; a step of `Collective.each`."""
    rows = all_rows(holder, classification=recipe.classification)
    return read_facts(fit_stump(recipe, rows), rows)


def fit_stump(recipe: ForestRecipe, rows: GrowthRows) -> Any:
    """Return the smallest forest that knows everything of the rows but how to predict them."""
    return fit_forest(recipe, rows, [0], max_depth=1, max_features=1, max_leaf_nodes=None)


def _grow_on_partitions(holder: Any, recipe: ForestRecipe, plans: Sequence[TreePlan]) -> Grown:
    grown = Grown()
    numbers: tuple[int, ...] = ()
    for plan in plans:
        if plan.numbers != numbers:
            numbers = plan.numbers
            rows = _partition_rows(holder, recipe, numbers)
        start_s = time.perf_counter()
        grown.trees.append(_grow_one(recipe, rows, plan, holder.partitions.rows))
        grown.seconds += time.perf_counter() - start_s
    return grown


def _partition_rows(holder: Any, recipe: ForestRecipe, numbers: Sequence[int]) -> GrowthRows:
    rows = join_rows(holder, numbers)
    if recipe.classes is not None:
        rows.labels, rows.y = recipe.classes, np.searchsorted(recipe.classes, rows.y)
        rows.weight = weigh(recipe, rows.y, rows.weight)
    return rows


def weigh(recipe: ForestRecipe, codes: Any, weight: Any) -> Any:
    """Return sample weights times class weights, None where there are neither."""
    if recipe.balanced is None:
        return weight
    by_class = np.asarray(recipe.balanced)[codes]
    return by_class if weight is None else weight * by_class


def _grow_one(recipe: ForestRecipe, rows: GrowthRows, plan: TreePlan, counts: Sequence[int]) -> Any:
    weight = rows.weight
    if recipe.parameters.get("bootstrap"):
        weight = _draw_all(recipe, rows, plan, counts)
    seen = _with_every_class(recipe, rows, weight)
    changes = {"bootstrap": False, "max_samples": None}
    if recipe.classification:
        changes["class_weight"] = None
    (tree,) = fit_forest(recipe, seen, [plan.seed], **changes).estimators_
    return tree


def _draw_all(recipe: ForestRecipe, rows: GrowthRows, plan: TreePlan, counts: Sequence[int]) -> Any:
    """Return how much each row counts in a tree: how often it is drawn, partition by partition."""
    total = sum(counts[number] for number in plan.numbers)
    drawn, first = [], 0
    for number in plan.numbers:
        weight = None if rows.weight is None else rows.weight[first : first + counts[number]]
        drawn.append(draw(recipe, plan.seed, number, (counts[number], total), weight))
        first += counts[number]
    times = np.concatenate(drawn)
    if recipe.parameters.get("class_weight") == "balanced_subsample":
        indices = np.repeat(np.arange(len(times)), times)
        times = times * compute_sample_weight("balanced", rows.y, indices=indices)
    if rows.weight is None or len(plan.numbers) == 1:
        return times
    # As many rows are drawn of a partition as it has: by how much they weigh, they count here.
    bounds = np.cumsum([0, *(counts[number] for number in plan.numbers)])[:-1]
    sums = np.add.reduceat(rows.weight, bounds)
    return times * np.repeat(sums, np.diff([*bounds, total])) / total


def draw(recipe: ForestRecipe, seed: int, number: int, counts: tuple[int, int], weight: Any) -> Any:
    """Return how often each row of a partition is drawn for a tree, by its seed alone.

    `counts` are the rows of the partition and of all partitions of the tree.
    """
    n_rows, total = counts
    most = recipe.parameters.get("max_samples")
    if most is None:
        size = n_rows
    else:
        share = most if isinstance(most, float) else min(1.0, most / total)
        size = max(1, round(share * n_rows))
    random = np.random.RandomState([seed, number])
    if weight is None:
        return np.bincount(random.randint(0, n_rows, size), minlength=n_rows)
    chosen = random.choice(n_rows, size, p=weight / weight.sum())
    return np.bincount(chosen, minlength=n_rows)


def _with_every_class(recipe: ForestRecipe, rows: GrowthRows, weight: Any) -> GrowthRows:
    """Return the rows with one more of weight 0 for each class that they lack.

    A row of weight 0 changes no split and no leaf, but makes the tree know the class.
    """
    X, y = rows.X, rows.y
    if recipe.classes is not None:
        lacking = np.setdiff1d(np.arange(len(recipe.classes)), y)
        if len(lacking):
            weight = np.ones(rows.n_rows) if weight is None else weight
            X = _append(X, len(lacking))
            y = np.concatenate([y, lacking])
            weight = np.concatenate([weight, np.zeros(len(lacking))])
    return GrowthRows(X, y, weight)


def _append(X: Any, times: int) -> Any:
    if hasattr(X, "tocsr"):
        from scipy import sparse

        return sparse.vstack([X, *[X[:1]] * times], format="csc")
    return np.concatenate([X, np.repeat(X[:1], times, axis=0)])
