"""The rows of one partition as a model takes them, and what is written beside the predictions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hpc_ml.errors import BadData

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from hpc_ml.data.partitioned_matrix import PartitionedMatrix
    from hpc_ml.data.partitioned_table import PartitionedTable, RawTable
    from hpc_ml.tasks.predict_part import Recipe
    from hpc_ml.tasks.stored_models import LoadedModel

    Numbers = np.ndarray[Any, Any]


@dataclass(frozen=True)
class RowsToPredict:
    """Rows of a partition.

    Attributes
    ----------
    count : int
        All rows.
    X
        Those that are predicted, prepared.
    kept : array of bool or None
        Which of all rows are predicted; None for all.
    y, judged
        Targets of the predicted rows that have one, and which these are; None for none, and for
        all of them.
    carried : mapping
        Columns of all rows to be written as they are.
    """

    count: int
    X: Any
    kept: "Numbers | None"
    y: Any
    judged: "Numbers | None"
    carried: "dict[str, Any]"


def read_rows(recipe: "Recipe", model: "LoadedModel", number: int) -> RowsToPredict:
    """Read and prepare a partition. Raises BadData."""
    from hpc_ml.data.partitioned_table import PartitionedTable

    if isinstance(recipe.data, PartitionedTable):
        return _read_table(recipe, recipe.data, model, number)
    return _read_matrix(recipe, recipe.data, model, number)


def _read_table(
    recipe: "Recipe", data: "PartitionedTable", model: "LoadedModel", number: int
) -> RowsToPredict:
    from hpc_ml.data.partitioned_table import RawTable
    from hpc_ml.data.plan import read_partition

    others = [*recipe.carry.values(), *([recipe.target] if recipe.target else [])]
    table: Any = read_partition(data.plan, number, list(dict.fromkeys([*data.stored, *others])))
    kept = _complete_rows(data, table, number)
    raw = RawTable(number, table.select(data.stored))
    columns = [_with_missing(column, raw.table) for column in recipe.columns]
    y, judged = None, None
    if recipe.target is not None:
        y, judged = _targets(table.column(recipe.target), kept)
    return RowsToPredict(
        count=table.num_rows,
        X=_make(data, model, raw, columns),
        kept=kept,
        y=y,
        judged=judged,
        carried={name: table.column(stored) for name, stored in recipe.carry.items()},
    )


def _make(
    data: "PartitionedTable", model: "LoadedModel", raw: "RawTable", columns: Sequence[Any]
) -> Any:
    """Return the rows that can be predicted as the model takes them."""
    from hpc_ml.data import frames

    if model.preparation is not None or data.is_text:
        return data.make(raw, model.preparation, columns, _width(model, len(columns)))["X"]
    if hasattr(model.estimator, "feature_names_in_"):
        return frames.frame(data.kept(raw), columns, data.float_type(columns))
    names = [column.name for column in columns]
    return frames.numbers(data.kept(raw), names, data.float_type(columns))


def _width(model: "LoadedModel", columns: int) -> int:
    return int(getattr(model.estimator, "n_features_in_", columns))


def _with_missing(column: Any, table: "pa.Table") -> Any:
    """Return a column that misses values here as one of a type that can."""
    here = column.name in table.column_names and table.column(column.name).null_count > 0
    return replace(column, missing=1) if here else column


def _complete_rows(data: "PartitionedTable", table: "pa.Table", number: int) -> "Numbers | None":
    """Return which rows can be predicted; None for all.

    Raises BadData for a missing value in a column whose missing values are neither imputed nor
    kept nor a reason to leave the row out.
    """
    from hpc_ml.data.derived import derive_table
    from hpc_ml.data.plan import place_row
    from hpc_ml.data.scan import missing_mask

    spec = data.source.spec
    derived = derive_table(table.select(data.stored), spec, data.source.where)
    incomplete = None
    for name in data.roles.features:
        policy = spec.policy(name)
        mask = missing_mask(derived.column(name)) if policy in ("error", "drop") else None
        if mask is None:
            continue
        if policy == "error":
            raise _missing_value(name, place_row(data.plan, number, int(mask.argmax())))
        incomplete = mask if incomplete is None else incomplete | mask
    return None if incomplete is None else ~incomplete


def _missing_value(name: str, where: str) -> BadData:
    return BadData(
        f"column {name!r} misses a value, and the model was fitted on rows that miss none",
        where=where,
        hint="leave the predictions of such rows empty by --missing drop (data.missing)",
    )


def _targets(column: Any, kept: "Numbers | None") -> "tuple[Any, Numbers | None]":
    """Return the targets of the predicted rows, and which rows have one; None for all."""
    import pyarrow as pa

    from hpc_ml.data.row_roles import role_array
    from hpc_ml.data.scan import missing_mask

    if kept is not None:
        column = column.filter(pa.array(kept))
    missing = missing_mask(column)
    if missing is None:
        return role_array("target", column), None
    return role_array("target", column.filter(pa.array(~missing))), ~missing


def _read_matrix(
    recipe: "Recipe", data: "PartitionedMatrix", model: "LoadedModel", number: int
) -> RowsToPredict:
    import pyarrow as pa

    from hpc_ml.data.matrix import shape_matrix
    from hpc_ml.data.matrix_scan import take_rows
    from hpc_ml.data.partitioned_matrix import RawMatrix
    from hpc_ml.data.plan import read_partition

    rows: Any = read_partition(data.plan, number)
    known = rows.names or tuple(map(str, range(0 if rows.is_text else rows.X.shape[1])))
    carried = {
        name: pa.array(_column(rows.X, known.index(stored)))
        for name, stored in recipe.carry.items()
    }
    matrix = shape_matrix(rows, data.source)
    count = matrix.X.shape[0]
    kept = _complete_matrix_rows(data, matrix, number)
    matrix = matrix if kept is None else take_rows(matrix, kept)
    y, judged = matrix.y, None
    if y is not None and y.dtype.kind == "f" and (y != y).any():
        judged = y == y
        y = y[judged]
    raw = RawMatrix(number, replace(matrix, y=None))
    made = data.make(raw, model.preparation, recipe.columns, _width(model, len(recipe.columns)))
    return RowsToPredict(count, made["X"], kept, y, judged, carried)


def _column(X: Any, position: int) -> Any:
    column = X[:, [position]]
    return (column.toarray() if hasattr(column, "toarray") else column).reshape(-1)


def _complete_matrix_rows(data: "PartitionedMatrix", matrix: Any, number: int) -> "Numbers | None":
    import numpy as np

    from hpc_ml.data.matrix import numbers_not_finite
    from hpc_ml.data.plan import place_row

    policy = data.source.spec.missing
    if matrix.is_text or policy not in ("error", "drop"):
        return None
    rows, columns, values = numbers_not_finite(matrix.X)
    missing = np.isnan(values)
    if not missing.any():
        return None
    if policy == "error":
        first = int(missing.argmax())
        raise _missing_value(
            matrix.names[columns[first]], place_row(data.plan, number, rows[first])
        )
    kept = np.ones(matrix.X.shape[0], dtype=bool)
    kept[rows[missing]] = False
    return kept
