"""The rows of a partition as a booster takes them; runs on the workers.

Classes become their numbers, a share of the rows is kept for validation, and the rows of a group
lie together. All of it follows from data and seed, never from the workers.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from hpc_ml.estimators.holder import Holder

Kind = Literal["classification", "regression", "ranking"]

# Ranks that share a worker read through the same holder.
_reading = threading.Lock()


@dataclass(frozen=True)
class RowPlan:
    """What decides how rows are taken.

    Parameters
    ----------
    kind : classification, regression or ranking
    rows : tuple of int
        Training rows of each partition, before any are kept for validation.
    seed : int
        Decides which rows validate.
    validation_fraction : float
        Their share; 0 for none.
    classes : ndarray, optional
        The sorted labels of a classification.
    class_weight : tuple of float, optional
        Factor on the weight of each class's rows.
    """

    kind: Kind
    rows: tuple[int, ...]
    seed: int = 0
    validation_fraction: float = 0.0
    classes: Any = None
    class_weight: tuple[float, ...] | None = None

    def n_validating(self, number: int) -> int:
        """Return how many rows of a partition validate; over all of them the share is exact."""
        before = sum(self.rows[:number])
        return round((before + self.rows[number]) * self.validation_fraction) - round(
            before * self.validation_fraction
        )


@dataclass
class Part:
    """Rows to train on or to validate with: labels as numbers, groups as ids."""

    X: Any
    y: Any
    weight: Any = None
    group: Any = None

    def __len__(self) -> int:
        return int(self.X.shape[0])

    def take(self, rows: Any) -> "Part":
        """Return some of the rows, by their numbers."""
        return Part(
            self.X[rows],
            *(None if v is None else v[rows] for v in (self.y, self.weight, self.group)),
        )


def split_block(block: Any, number: int, plan: RowPlan) -> tuple[Part, Part]:
    """Return the rows of a partition that train, and those that validate."""
    if plan.kind == "ranking" and block.group is None:
        raise ValueError("rows cannot be ranked without group, the query of each row")
    part = Part(block.X, _number_targets(block.y, plan), block.weight, block.group)
    count = plan.n_validating(number)
    if count == 0:
        return _weigh_classes(part, plan), part.take(slice(0, 0))
    generator = np.random.default_rng((plan.seed, number))
    if plan.kind == "ranking":
        validating = _draw_groups(part.group, count, generator)
    else:
        strata = part.y if plan.kind == "classification" else np.zeros(len(part))
        validating = _draw_rows(strata, count, generator)
    chosen = np.zeros(len(part), dtype=bool)
    chosen[validating] = True
    training = _weigh_classes(part.take(np.flatnonzero(~chosen)), plan)
    return training, part.take(np.flatnonzero(chosen))


def load_part(holder: "Holder", number: int, plan: RowPlan) -> Part:
    """Return the training rows of a partition."""
    return split_block(_load(holder, number), number, plan)[0]


def load_parts(holder: "Holder", numbers: Sequence[int], plan: RowPlan) -> Iterator[Part]:
    """Yield the training rows of partitions, one after another, where there are any."""
    for number in numbers:
        if plan.rows[number]:
            yield load_part(holder, number, plan)


def load_validation(holder: "Holder", numbers: Sequence[int], plan: RowPlan) -> Part | None:
    """Return the validation rows of partitions in one part, or None where there are none."""
    parts = [
        part
        for number in numbers
        if plan.n_validating(number)
        and len(part := split_block(_load(holder, number), number, plan)[1])
    ]
    return join(parts, plan) if parts else None


def _load(holder: "Holder", number: int) -> Any:
    with _reading:
        return holder.load(number)


def join(parts: Sequence[Part], plan: RowPlan) -> Part:
    """Return parts as one, the rows of each group together in the order of first appearance."""
    X = _stack([part.X for part in parts])
    y, weight, group = (
        None
        if getattr(parts[0], name) is None
        else np.concatenate([getattr(p, name) for p in parts])
        for name in ("y", "weight", "group")
    )
    part = Part(X, y, weight, group)
    if plan.kind != "ranking":
        return part
    part.group = _number_groups(group)
    order = np.argsort(part.group, kind="stable")
    return part if np.array_equal(order, np.arange(len(order))) else part.take(order)


def group_sizes(group: Any) -> Any:
    """Return the rows of each group, of ids that ascend."""
    return np.unique(group, return_counts=True)[1]


def count_labels(block: Any, state: None, memory: dict[str, Any]) -> tuple[Any, Any] | None:
    """Return the labels of a partition and the rows of each; a step of `Collective.map`."""
    return np.unique(np.asarray(block.y), return_counts=True) if len(block) else None


def sample_parts(
    holder: "Holder", numbers: Sequence[int], plan: RowPlan, share: float
) -> dict[int, Part]:
    """Return a seeded share of the training rows of each partition."""
    samples = {}
    for number in numbers:
        part = load_part(holder, number, plan)
        count = round(len(part) * share)
        generator = np.random.default_rng((plan.seed, number, 1))
        rows = np.sort(generator.permutation(len(part))[:count])
        samples[number] = part.take(rows)
    return samples


def _number_targets(labels: Any, plan: RowPlan) -> Any:
    """Return targets as float64: numbers, or those of the classes."""
    y = np.asarray(labels)
    if plan.kind != "classification":
        return y.astype(np.float64, copy=False)
    codes = np.minimum(np.searchsorted(plan.classes, y), len(plan.classes) - 1)
    if not (plan.classes[codes] == y).all():
        raise ValueError(f"y has labels that are none of the classes {plan.classes}")
    return codes.astype(np.float64)


def _weigh_classes(part: Part, plan: RowPlan) -> Part:
    if plan.class_weight is not None:
        factors = np.asarray(plan.class_weight)[part.y.astype(int)]
        part.weight = factors if part.weight is None else part.weight * factors
    return part


def _draw_rows(strata: Any, count: int, generator: np.random.Generator) -> Any:
    """Return rows drawn so that each stratum has its share among them."""
    order = np.lexsort((generator.random(len(strata)), strata))
    return order[((np.arange(count) + generator.random()) * len(strata) / count).astype(int)]


def _draw_groups(group: Any, count: int, generator: np.random.Generator) -> Any:
    """Return the rows of whole groups, about so many."""
    codes = _number_groups(group)
    sizes = np.bincount(codes)
    order = generator.permutation(len(sizes))
    reached = np.cumsum(sizes[order]) - sizes[order] / 2
    return np.flatnonzero(np.isin(codes, order[reached <= count]))


def _number_groups(group: Any) -> Any:
    """Return groups as numbers from 0, in the order in which they first appear."""
    _, first, inverse = np.unique(group, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]


def _stack(arrays: Sequence[Any]) -> Any:
    if len(arrays) == 1:
        return arrays[0]
    if hasattr(arrays[0], "tocsr"):
        import scipy.sparse

        return scipy.sparse.vstack(arrays, format="csr")
    return np.concatenate(arrays)
