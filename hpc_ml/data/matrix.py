"""Data that are one matrix from the start: arrays, svmlight, bundled tables and generators."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hpc_ml.data.source import DataSource
from hpc_ml.errors import BadData
from hpc_ml.spec.nearest import nearest


@dataclass(frozen=True)
class Matrix:
    """X (rows x features, array or CSR, or 1-D of texts), y (rows, or None), feature names.

    Weight, group and order of the rows are None until `shape_matrix` takes them from X.
    """

    X: Any
    y: Any
    names: tuple[str, ...] | None
    weight: Any = None
    group: Any = None
    order: Any = None

    @property
    def is_text(self) -> bool:
        """Whether the rows are texts."""
        return self.X.ndim == 1


def check_words(source: DataSource) -> None:
    """Raise BadData for words of the job that only a table of named columns can follow."""
    spec = source.spec
    for key in ("text", "categorical", "rename", "dates", "impute"):
        if getattr(spec, key):
            raise BadData(
                f"data.{key} needs a table of named columns, as CSV and Parquet are",
                where=source.where,
                hint=f"leave data.{key} out",
            )


def shape_matrix(matrix: Matrix, source: DataSource) -> Matrix:
    """Return the matrix with the chosen columns, as floats of the source's width.

    Raises BadData where shapes or types cannot be learned from.
    """
    from scipy import sparse

    _check_shapes(matrix, source)
    y = _shape_target(matrix.y, source) if source.supervised else None
    if matrix.is_text:
        for key in ("columns", "drop", "weight", "group", "order_by"):
            if getattr(source.spec, key):
                raise BadData("texts have no columns to choose", where=f"data.{key}")
        return replace(matrix, y=y)
    if sparse.issparse(matrix.X) and source.spec.scale == "minmax":
        raise BadData(
            "a sparse matrix cannot be brought to 0 to 1, which would make numbers of its zeros",
            where="data.scale",
            hint="say standard, which divides by the deviation and leaves zeros zeros",
        )
    return _choose_columns(replace(matrix, y=y), source)


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


def _choose_columns(matrix: Matrix, source: DataSource) -> Matrix:
    """Return the matrix with the columns to learn from as floats, and its rows' other parts."""
    known = matrix.names or tuple(str(number) for number in range(matrix.X.shape[1]))
    chosen = choose_names(known, source)
    positions = {name: position for position, name in enumerate(known)}
    X = matrix.X if chosen == known else matrix.X[:, [positions[name] for name in chosen]]
    parts = {
        "order" if key == "order_by" else key: _column(matrix.X, positions[name])
        for key, name in _role_names(source).items()
    }
    if "weight" in parts:
        parts["weight"] = parts["weight"].astype(float)
    return replace(matrix, X=_as_floats(X, source), names=chosen, **parts)


def choose_names(known: Sequence[str], source: DataSource) -> tuple[str, ...]:
    """Return the columns of a matrix to learn from. Raises BadData for names that are none."""
    spec = source.spec
    roles = _role_names(source)
    asked = {key: (name,) for key, name in roles.items()}
    for key, names in {"columns": spec.columns or (), "drop": spec.drop, **asked}.items():
        for name in names:
            if name not in known:
                raise BadData(
                    f"data.{key} names {name!r}, which is no column",
                    where=source.where,
                    hint=nearest(name, known),
                )
    taken = {*spec.drop, *roles.values()}
    chosen = spec.columns or tuple(name for name in known if name not in taken)
    if not chosen:
        raise BadData("there is no column to learn from", where=source.where)
    return chosen


def _role_names(source: DataSource) -> dict[str, str]:
    spec = source.spec
    roles = {"weight": spec.weight, "group": spec.group, "order_by": spec.order_by}
    return {key: name for key, name in roles.items() if name is not None}


def _column(X: Any, position: int) -> Any:
    import numpy as np
    from scipy import sparse

    column = X[:, [position]]
    column = column.toarray() if sparse.issparse(X) else column
    return np.require(column.reshape(-1), column.dtype.newbyteorder("="), ["A", "C"])


def _as_floats(X: Any, source: DataSource) -> Any:

    if X.dtype.kind not in "biuf":
        raise BadData(
            f"X is of type {X.dtype}, and numbers are needed",
            where=source.where,
            hint="write words and dates as numbers, or give the data as CSV or Parquet",
        )
    return as_floats(X, float_width(X.dtype))


def float_width(dtype: Any) -> Any:
    """Return float32 for floats of that width or less, else float64."""
    import numpy as np

    return np.float32 if dtype.kind == "f" and dtype.itemsize <= 4 else np.float64


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


def no_rows(width: int, is_sparse: bool, dtype: Any) -> Any:
    """Return X without rows, of so many columns."""
    import numpy as np
    from scipy import sparse

    return sparse.csr_matrix((0, width), dtype=dtype) if is_sparse else np.empty((0, width), dtype)


def numbers_not_finite(block: Any) -> tuple[Any, Any, Any]:
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
