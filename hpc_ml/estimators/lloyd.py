"""Lloyd's algorithm over partitions: several runs at once, so that each pass serves them all.

S. P. Lloyd, "Least squares quantization in PCM", IEEE Transactions on Information Theory 28,
1982. Steps, relocation of empty clusters and both ends (strict, and by `tol`) are those of
scikit-learn's ``_kmeans_single_lloyd``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from hpc_ml.estimators.kmeans_survey import digest_of
from hpc_ml.estimators.lloyd_steps import (
    Centres,
    FarQuestion,
    Finish,
    Question,
    find_farthest,
    measure_inertia,
    sum_by_cluster,
    take_rows,
)

# Up to here all distances come to the controller when clusters are empty, and the order in which
# `argpartition` leaves the farthest rows is scikit-learn's; beyond, they come sorted.
_MOST_DISTANCES = 4_000_000

End = Literal["", "strict", "tol", "max_iter"]


@dataclass
class Descent:
    """One run of Lloyd's algorithm: where it is, and in the end what it found.

    Attributes
    ----------
    centres : ndarray of shape (n_clusters, n_features)
        As they are now, relative to the common offset.
    tol : float
        Squared movement of all centres together below which the run ends.
    max_iter : int
        Iterations after which the run ends.
    before : ndarray or None
        The centres before the last iteration.
    table : ndarray or None
        Sums and weights of the last iteration; the same table again means the same labels.
    inertias, shifts : list of float
        Of each iteration: inertia of its labels to the new centres, and how far these moved.
    end : str
        Why the run has ended; empty while it goes on.
    """

    centres: np.ndarray
    tol: float
    max_iter: int
    before: np.ndarray | None = None
    table: np.ndarray | None = None
    inertias: list[float] = field(default_factory=list)
    shifts: list[float] = field(default_factory=list)
    end: End = ""

    @property
    def n_iter(self) -> int:
        return len(self.shifts)

    @property
    def labelling_centres(self) -> np.ndarray:
        """The centres that give the labels: after a strict end they are those before."""
        return self.before if self.end == "strict" and self.before is not None else self.centres


def descend(
    collective: Any,
    descents: Sequence[Descent],
    *,
    offset: np.ndarray | None,
    scatter: float,
    hear: Callable[[], None],
) -> None:
    """Move the centres of all descents until each has ended.

    Parameters
    ----------
    collective : Collective
        The rows.
    descents : sequence of Descent
        Are changed.
    offset : ndarray of shape (n_features,) or None
        What is subtracted from the rows.
    scatter : float
        Weighted sum of squared distances of the rows from the offset, or from zero.
    hear : callable
        Is called after each iteration.
    """
    while going := [descent for descent in descents if not descent.end]:
        question = ask(collective, going, offset)
        tables = collective.reduce(sum_by_cluster, question)
        for descent, table in zip(going, tables, strict=True):
            _move(collective, descent, table, offset, scatter)
        hear()


def ask(collective: Any, descents: Sequence[Descent], offset: np.ndarray | None) -> Question:
    """Return the question of the labels that the descents give now."""
    centres = tuple(_travelling(descent.labelling_centres) for descent in descents)
    # The labels of many runs could take more memory than the rows.
    return Question(centres, offset, keep_labels=len(centres) == 1 and collective.resident)


def _travelling(centres: np.ndarray) -> Centres:
    return Centres(centres, digest_of(centres))


def _move(
    collective: Any,
    descent: Descent,
    table: np.ndarray,
    offset: np.ndarray | None,
    scatter: float,
) -> None:
    strict = descent.table is not None and np.array_equal(table, descent.table)
    descent.table = table.copy()
    if (table[:, -1] == 0).any():
        _relocate_empty(collective, descent.centres, table, offset)
    centres = average(table)
    descent.inertias.append(_inertia_of(table, centres, scatter))
    descent.before = descent.centres
    descent.centres = centres.astype(descent.before.dtype)
    shift = float(np.sum((descent.centres - descent.before).astype(np.float64) ** 2))
    descent.shifts.append(float(np.sqrt(shift)))
    if strict:
        descent.end = "strict"
    elif shift <= descent.tol:
        descent.end = "tol"
    elif descent.n_iter == descent.max_iter:
        descent.end = "max_iter"


def average(table: np.ndarray) -> np.ndarray:
    """Return the mean of each cluster, float64.

    Where rows are fewer than clusters, those left empty go where scikit-learn's
    ``_average_centers`` puts them: onto the heaviest cluster, or its sum when that comes later.
    """
    sums, weights = table[:, :-1], table[:, -1]
    heaviest = int(np.argmax(weights))
    centres = sums / np.where(weights > 0, weights, 1.0)[:, None]
    empty = np.flatnonzero(weights <= 0)
    centres[empty] = np.where(empty[:, None] < heaviest, sums[heaviest], centres[heaviest])
    return centres


def _inertia_of(table: np.ndarray, centres: np.ndarray, scatter: float) -> float:
    """Return the inertia after an iteration, from what is known without another pass."""
    between = float(table[:, -1] @ np.einsum("ij,ij->i", centres, centres))
    return max(0.0, scatter - between)


def _relocate_empty(
    collective: Any, centres: np.ndarray, table: np.ndarray, offset: np.ndarray | None
) -> None:
    """Give each empty cluster one of the rows farthest from their centres, over all partitions.

    As scikit-learn's ``_relocate_empty_clusters_dense`` does it on one array.
    """
    empty = np.flatnonzero(table[:, -1] == 0)
    count = None if sum(collective.rows) <= _MOST_DISTANCES else len(empty)
    question = Question((_travelling(centres),), offset)
    found = collective.map(find_farthest, FarQuestion(question, count))
    distances = np.concatenate([part[0] for part in found])
    if not distances.max():
        return  # more clusters than distinct rows: there is nowhere to go
    labels = np.concatenate([part[1] for part in found])
    rows = np.concatenate([part[2] for part in found])
    partitions = np.repeat(np.arange(len(found)), [len(part[0]) for part in found])
    farthest = np.argpartition(distances, -len(empty))[: -len(empty) - 1 : -1]
    for cluster, place in zip(empty, farthest, strict=True):
        wanted = (rows[[place]], offset)
        ((row,), (weight,)) = collective.map(take_rows, wanted, [int(partitions[place])])[0]
        table[labels[place], :-1] -= row * weight
        table[labels[place], -1] -= weight
        table[cluster, :-1] = row * weight
        table[cluster, -1] = weight


@dataclass(frozen=True)
class Found:
    """What a descent ended with: inertia, and how many rows each cluster has."""

    inertia: float
    counts: np.ndarray


def finish(collective: Any, descents: Sequence[Descent], offset: np.ndarray | None) -> list[Found]:
    """Return what each ended descent has found, in one pass."""
    question = ask(collective, descents, offset)
    ends = tuple(descent.centres for descent in descents)
    answers = collective.reduce(measure_inertia, Finish(question, ends))
    return [Found(float(answer[0]), answer[1:]) for answer in answers]
