"""Data that are one matrix from the start: arrays, svmlight, bundled tables and generators."""

from dataclasses import dataclass, replace
from typing import Any

from hpc_ml.data.source import DataSource
from hpc_ml.errors import BadData
from hpc_ml.spec.nearest import nearest

_BLOCK_ROWS = 65_536


@dataclass(frozen=True)
class Matrix:
    """X (rows x features, array or CSR, or 1-D of texts), y (rows, or None), feature names."""

    X: Any
    y: Any
    names: tuple[str, ...] | None

    @property
    def is_text(self) -> bool:
        """Whether the rows are texts."""
        return self.X.ndim == 1


def check_words(source: DataSource) -> None:
    """Raise BadData for words of the job that only a table of named columns can follow."""
    spec = source.spec
    for key, given in (("text", spec.text), ("categorical", spec.categorical or None)):
        if given is not None:
            raise BadData(
                f"data.{key} needs a table of named columns, as CSV and Parquet are",
                where=source.where,
                hint=f"leave data.{key} out",
            )


def shape_matrix(matrix: Matrix, source: DataSource) -> Matrix:
    """Return the matrix with the chosen columns, as floats of the source's width.

    Raises BadData where shapes or types cannot be learned from.
    """
    _check_shapes(matrix, source)
    y = _shape_target(matrix.y, source) if source.supervised else None
    if matrix.is_text:
        if source.spec.columns is not None:
            raise BadData("texts have no columns to choose", where="data.columns")
        return replace(matrix, y=y)
    X, names = _choose_columns(matrix, source)
    return Matrix(_as_floats(X, source), y, names)


def _check_shapes(matrix: Matrix, source: DataSource) -> None:
    shape = matrix.X.shape
    if len(shape) != 2 and matrix.X.dtype.kind != "O":
        raise BadData(f"X has {len(shape)} dimensions instead of 2", where=source.where)
    if len(shape) == 2 and shape[1] == 0:
        raise BadData("X has no columns to learn from", where=source.where)
    if matrix.y is None:
        return
    if matrix.y.ndim == 0 or matrix.y.size != matrix.y.shape[0]:
        raise BadData(
            f"the target has shape {matrix.y.shape}, and one value for each row is needed",
            where=source.where,
        )
    if matrix.y.shape[0] != shape[0]:
        raise BadData(f"X has {shape[0]} rows and y has {matrix.y.shape[0]}", where=source.where)


def _shape_target(y: Any, source: DataSource) -> Any:
    import numpy as np

    if y.dtype.kind not in "biufU":
        raise BadData(
            f"the target is of type {y.dtype}, and numbers, booleans or words are needed",
            where=source.where,
        )
    y = y.reshape(-1)
    return y.astype(object) if y.dtype.kind == "U" else np.require(y, y.dtype.newbyteorder("="))


def _choose_columns(matrix: Matrix, source: DataSource) -> tuple[Any, tuple[str, ...]]:
    known = matrix.names or tuple(str(number) for number in range(matrix.X.shape[1]))
    if source.spec.columns is None:
        return matrix.X, known
    positions = {name: position for position, name in enumerate(known)}
    for name in source.spec.columns:
        if name not in positions:
            raise BadData(
                f"data.columns names {name!r}, which is no column",
                where=source.where,
                hint=nearest(name, known),
            )
    return matrix.X[:, [positions[name] for name in source.spec.columns]], source.spec.columns


def _as_floats(X: Any, source: DataSource) -> Any:
    import numpy as np

    if X.dtype.kind not in "biuf":
        raise BadData(
            f"X is of type {X.dtype}, and numbers are needed",
            where=source.where,
            hint="write words and dates as numbers, or give the data as CSV or Parquet",
        )
    wanted = np.float32 if X.dtype.kind == "f" and X.dtype.itemsize <= 4 else np.float64
    return as_floats(X, wanted)


def as_floats(X: Any, dtype: Any) -> Any:
    """Return X as an aligned, C-contiguous array, or as CSR with narrow indices where they fit."""
    import numpy as np
    from scipy import sparse

    if not sparse.issparse(X):
        return np.require(X, dtype, ["A", "C"])
    matrix = sparse.csr_matrix(X, dtype=dtype)
    if max(matrix.nnz, *matrix.shape) < 2**31:
        # Several of scikit-learn's estimators take no others.
        matrix.indices = matrix.indices.astype(np.int32, copy=False)
        matrix.indptr = matrix.indptr.astype(np.int32, copy=False)
    return matrix


def treat_missing(matrix: Matrix, source: DataSource) -> Matrix:
    """Return the matrix without the rows that `data.missing` drops.

    Raises BadData for infinite values, and for missing ones where `data.missing` is error.
    """
    import numpy as np

    missing = np.zeros(matrix.X.shape[0], dtype=bool)
    if not matrix.is_text:
        missing = _find_missing(matrix, source)
    if matrix.y is not None and matrix.y.dtype.kind == "f":
        _check_finite(matrix.y, source)
        without = np.isnan(matrix.y)
        if without.any() and source.spec.missing != "drop":
            raise BadData(
                f"the target has {int(without.sum())} missing values, the first in row "
                f"{int(without.argmax()) + 1}",
                where=source.where,
                hint="leave such rows out by data.missing=drop",
            )
        missing |= without
    if source.spec.missing != "drop" or not missing.any():
        return matrix
    return replace(matrix, X=matrix.X[~missing], y=None if matrix.y is None else matrix.y[~missing])


def _check_finite(y: Any, source: DataSource) -> None:
    import numpy as np

    if np.isinf(y).any():
        raise BadData(
            f"the target has an infinite value in row {int(np.isinf(y).argmax()) + 1}",
            where=source.where,
            hint="correct it, or leave the row out",
        )


def _find_missing(matrix: Matrix, source: DataSource) -> Any:
    import numpy as np

    missing = np.zeros(matrix.X.shape[0], dtype=bool)
    first: tuple[int, int] | None = None
    total = 0
    for start in range(0, len(missing), _BLOCK_ROWS):
        rows, columns, values = _numbers_not_finite(matrix.X[start : start + _BLOCK_ROWS])
        if np.isinf(values).any():
            at = int(np.isinf(values).argmax())
            raise BadData(
                f"column {_name(matrix, columns[at])!r} has an infinite value in row "
                f"{start + rows[at] + 1}",
                where=source.where,
                hint="correct it, or leave the column out by data.columns",
            )
        if len(rows) and first is None:
            first = (start + int(rows[0]), int(columns[0]))
        total += len(rows)
        missing[start + rows] = True
    if first is not None and source.spec.missing == "error":
        raise BadData(
            f"{total} missing values (NaN), the first in row {first[0] + 1}, "
            f"column {_name(matrix, first[1])!r}",
            where=source.where,
            hint="set data.missing to drop, impute or keep",
        )
    return missing


def _numbers_not_finite(block: Any) -> tuple[Any, Any, Any]:
    """Return rows, columns and values of what is NaN or infinite in a block of rows."""
    import numpy as np
    from scipy import sparse

    if sparse.issparse(block):
        at = np.flatnonzero(~np.isfinite(block.data))
        rows = np.searchsorted(block.indptr, at, side="right") - 1
        return rows, block.indices[at], block.data[at]
    # One sum tells most blocks clean without a mask as large as the block.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(block.sum()):
            return np.empty(0, int), np.empty(0, int), np.empty(0)
    rows, columns = np.nonzero(~np.isfinite(block))
    return rows, columns, block[rows, columns]


def _name(matrix: Matrix, column: int) -> str:
    return matrix.names[column] if matrix.names else str(column)
