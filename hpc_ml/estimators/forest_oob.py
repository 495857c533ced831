"""Out-of-bag predictions of a forest: of each row by the trees that did not see it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpc_ml.estimators.forest_growth import ForestPlan, run_each
from hpc_ml.estimators.forest_rows import all_rows
from hpc_ml.estimators.forest_trees import ForestRecipe, TreePlan, draw, fit_stump, weigh
from hpc_ml.estimators.inputs import AnyCollective

SOME_WITHOUT = (
    "Some inputs do not have OOB scores. This probably means too few trees were used to compute "
    "any reliable OOB estimates."
)


@dataclass(frozen=True)
class _Question:
    """The forest that workers predict out-of-bag rows with; its trees in their order."""

    recipe: ForestRecipe
    plans: Sequence[TreePlan]
    trees: Sequence[Any]
    n_classes: int


def predict_out_of_bag(
    collective: AnyCollective, plan: ForestPlan, trees: Sequence[Any], n_classes: int
) -> tuple[Any, Any, bool]:
    """Return scikit-learn's out-of-bag predictions of all rows; every worker has all of these.

    Each worker takes some rows, and every tree in its order, so that the sums have
    scikit-learn's bits.

    Returns
    -------
    predictions : ndarray of shape (n_samples, n_classes or 1, n_outputs)
    y : ndarray of shape (n_samples, n_outputs)
        As scikit-learn encodes it.
    complete : bool
        Whether each row was left out by some tree.
    """
    question = _Question(plan.recipe, plan.trees, trees, n_classes)
    parts = run_each(collective, _predict_range, question)
    predictions, counts, y = (np.concatenate(column) for column in zip(*parts, strict=True))
    complete = bool((counts > 0).all())
    return predictions / np.maximum(counts, 1)[:, None, None], y, complete


def _predict_range(holder: Any, question: _Question) -> tuple[Any, Any, Any]:
    """Return sums of predictions, how many trees gave them, and y, of this worker's share."""
    recipe = question.recipe
    rows = all_rows(holder, classification=recipe.classification)
    first, last = (rows.n_rows * (holder.rank + step) // holder.size for step in (0, 1))
    forest = fit_stump(recipe, rows)
    forest.estimators_ = list(question.trees)
    X = rows.X[first:last]
    if hasattr(X, "tocsr"):
        X = X.tocsr()
    sums = np.zeros((last - first, max(1, question.n_classes), forest.n_outputs_))
    counts = np.zeros(last - first, dtype=np.int64)
    for tree, seen in zip(question.trees, forest._get_estimators_indices(), strict=True):
        unseen = np.ones(rows.n_rows, dtype=bool)
        unseen[seen] = False
        _add_predictions(recipe.kind, tree, X, unseen[first:last], (sums, counts))
    y = rows.y.reshape(rows.n_rows, -1)[first:last]
    if recipe.classification:
        y = _encode_columns(y, rows.y, forest)
    return sums, counts, y


def _encode_columns(y: Any, whole: Any, forest: Any) -> Any:
    classes = [forest.classes_] if whole.ndim == 1 else forest.classes_
    columns = [np.searchsorted(own, y[:, k]) for k, own in enumerate(classes)]
    return np.column_stack(columns).astype(np.float64)


def _add_predictions(kind: Any, tree: Any, X: Any, unseen: Any, totals: tuple[Any, Any]) -> None:
    if not unseen.any():
        return
    sums, counts = totals
    numbers = np.flatnonzero(unseen)
    sums[numbers] += kind._get_oob_predictions(tree, X[numbers])
    counts[numbers] += 1


@dataclass(frozen=True)
class OutOfBag:
    """How well rows are predicted by the trees that did not see them, from sums over partitions.

    `score` is accuracy or R2; `complete` says whether each row was left out by some tree.
    """

    score: float
    complete: bool


def score_out_of_bag(collective: AnyCollective, plan: ForestPlan, trees: Sequence[Any]) -> OutOfBag:
    """Return the score where the partitions lie: rows of others are out of a tree's bag too."""
    classes = plan.recipe.classes
    n_classes = 0 if classes is None else len(classes)
    question = _Question(plan.recipe, plan.trees, trees, n_classes)
    answers = run_each(collective, _score_partitions, question)
    parts = [part for _, part in sorted(item for answer in answers for item in answer.items())]
    missed = sum(part.missed for part in parts)
    judged = sum(part.n_judged for part in parts)
    complete = all(part.complete for part in parts)
    if plan.recipe.classification:
        return OutOfBag(1 - missed / judged if judged else float("nan"), complete)
    mean = sum(part.n_judged * part.mean for part in parts) / judged if judged else 0.0
    spread = sum(part.spread + part.n_judged * (part.mean - mean) ** 2 for part in parts)
    return OutOfBag(1 - missed / spread if spread else float(missed == 0), complete)


@dataclass(frozen=True, order=True)
class _PartScore:
    """What one partition adds: wrong rows, or squared errors; mean and squared spread of y."""

    n_judged: int
    missed: float
    mean: float
    spread: float
    complete: bool


def _score_partitions(holder: Any, question: _Question) -> dict[int, _PartScore]:
    return {
        number: _score_partition(question, block, number, holder.partitions.rows)
        for number, block in _own_blocks(holder)
    }


def _own_blocks(holder: Any) -> Iterator[tuple[int, Any]]:
    for number in holder.numbers:
        if holder.partitions.rows[number]:
            yield number, holder.load(number)


def _score_partition(
    question: _Question, block: Any, number: int, counts: Sequence[int]
) -> _PartScore:
    recipe, n_rows = question.recipe, counts[number]
    y, weight = block.y, block.weight
    if recipe.classes is not None:
        y = np.searchsorted(recipe.classes, y)
        weight = weigh(recipe, y, weight)
    X = block.X.astype(np.float32, copy=False)
    totals = np.zeros((n_rows, max(1, question.n_classes), 1)), np.zeros(n_rows, dtype=np.int64)
    for tree, plan in zip(question.trees, question.plans, strict=True):
        unseen = np.ones(n_rows, dtype=bool)
        if number in plan.numbers:
            total = sum(counts[one] for one in plan.numbers)
            unseen = draw(recipe, plan.seed, number, (n_rows, total), weight) == 0
        _add_predictions(recipe.kind, tree, X, unseen, totals)
    return _judge(recipe, y, *totals)


def _judge(recipe: ForestRecipe, y: Any, sums: Any, counts: Any) -> _PartScore:
    judged = counts > 0
    n_judged, complete = int(judged.sum()), bool(judged.all())
    sums, y = sums[judged, :, 0], y[judged]
    if recipe.classification:
        return _PartScore(n_judged, int((sums.argmax(axis=1) != y).sum()), 0.0, 0.0, complete)
    if not n_judged:
        return _PartScore(0, 0.0, 0.0, 0.0, complete)
    errors = y - sums[:, 0] / counts[judged]
    return _PartScore(
        n_judged, float(errors @ errors), float(y.mean()), float(n_judged * y.var()), complete
    )
