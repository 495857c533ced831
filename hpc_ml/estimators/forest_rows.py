"""The rows that trees are grown from, as they lie on a worker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from scipy import sparse
from sklearn.utils.multiclass import check_classification_targets

from hpc_ml.estimators.partitions import Block


@dataclass
class GrowthRows:
    """Rows of several partitions, one after the other, in the form that scikit-learn grows from.

    Attributes
    ----------
    X
        Rows x features, float32: a C-contiguous array or CSC.
    y
        Targets; the numbers of the labels where `labels` is there.
    weight
        Sample weights or None.
    labels
        The sorted labels, where `y` holds their numbers.
    """

    X: Any
    y: Any
    weight: Any
    labels: Any = None

    @property
    def n_rows(self) -> int:
        return int(self.X.shape[0])


_whole: WeakKeyDictionary[Any, GrowthRows] = WeakKeyDictionary()


def all_rows(holder: Any, *, classification: bool) -> GrowthRows:
    """Return the rows of all partitions; they stay in this worker's memory with its holder."""
    rows = _whole.get(holder)
    if rows is None:
        rows = join_rows(holder, range(len(holder.partitions.rows)))
        if classification:
            encode_labels(rows)
        _whole[holder] = rows
    return rows


def join_rows(holder: Any, numbers: Sequence[int]) -> GrowthRows:
    """Return the rows of some partitions, loading one after the other."""
    counts = [holder.partitions.rows[number] for number in numbers]
    bounds = np.cumsum([0, *counts])
    whole: Any = None
    parts: list[Any] = []
    columns: list[tuple[Any, Any]] = []
    for position, number in enumerate(numbers):
        block: Block = holder.load(number)
        if sparse.issparse(block.X):
            parts.append(block.X.astype(np.float32))
        else:
            if whole is None:
                whole = _allocate(bounds[-1], block.X)
            with np.errstate(over="ignore"):  # scikit-learn refuses the infinity that it becomes
                whole[bounds[position] : bounds[position + 1]] = block.X
        columns.append((block.y, block.weight))
    X = whole if not parts else sparse.vstack(parts, format="csr").tocsc()
    ys, weights = zip(*columns, strict=True)
    return GrowthRows(X, _join(ys), _join(weights))


def _allocate(n_rows: int, X: Any) -> Any:
    if getattr(X, "ndim", 0) != 2 or X.dtype.kind not in "fiub":
        raise ValueError("a forest grows from columns of numbers, and these are texts")
    return np.empty((n_rows, X.shape[1]), dtype=np.float32)


def _join(parts: Sequence[Any]) -> Any:
    return None if parts[0] is None else np.concatenate(parts)


def encode_labels(rows: GrowthRows) -> None:
    """Put numbers in the place of labels that are no numbers: sorting words again takes long."""
    if rows.y is None or rows.y.ndim > 1 or rows.y.dtype.kind not in "OUS":
        return
    check_classification_targets(rows.y)
    rows.labels, rows.y = np.unique(rows.y, return_inverse=True)


def encode_class_weight(class_weight: Any, labels: Any) -> Any:
    """Return a class_weight whose keys are the numbers of the labels, where it is a mapping."""
    if labels is None or not isinstance(class_weight, Mapping):
        return class_weight
    numbers = {label: number for number, label in enumerate(labels.tolist())}
    return {numbers.get(label, label): weight for label, weight in class_weight.items()}


def planned_bytes(rows: Sequence[int], bytes_each: Sequence[int], n_features: int) -> int:
    """Return the memory that all rows take on a worker while trees are grown from them.

    X as float32, or what the partitions take where they are sparse; then for each row its
    target, its weight, and what a tree keeps of it while it grows.
    """
    n_rows = sum(rows)
    return min(4 * n_rows * n_features, 2 * sum(bytes_each)) + _BYTES_A_ROW * n_rows


# y (8, twice: as given and as float64), weight (8), the draw and its counts (16), and in the
# splitter the numbers of the rows (8) and a column's values (4).
_BYTES_A_ROW = 52
