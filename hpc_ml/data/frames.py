"""Columns of an Arrow table as scikit-learn takes them: a DataFrame, an array, or texts."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hpc_ml.data.column_scans import ColumnSummary
from hpc_ml.data.columns import as_plain_numbers
from hpc_ml.data.row_roles import role_array

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

# Rows that are turned from columns into rows at once: their part of an array stays in the cache.
_TURNED_ROWS = 4_096


def texts(column: "pa.ChunkedArray") -> "np.ndarray[Any, Any]":
    """Return a column of words as an object array of str; missing ones are empty."""
    import pyarrow.compute as pc

    return role_array("text", pc.fill_null(pc.cast(column, "string"), ""))


def float_type(schema: "pa.Schema", names: Sequence[str]) -> Any:
    """Return float32 where all these columns of numbers are that narrow, else float64."""
    import numpy as np
    import pyarrow as pa

    narrow = (pa.float32(), pa.float16())
    types = [schema.field(name).type for name in names]
    return np.float32 if types and all(kind in narrow for kind in types) else np.float64


def frame(table: "pa.Table", columns: Sequence[ColumnSummary], dtype: Any) -> "pd.DataFrame":
    """Return the columns as a DataFrame: the same types whichever rows of the data they hold.

    Numbers come first, as floats of one width in one block. Where a column of booleans or whole
    numbers misses values somewhere in the data, it is of the type that pandas gives it then.
    """
    import pandas as pd

    numeric = [column.name for column in columns if column.kind == "numeric"]
    framed = pd.DataFrame(numbers(table, numeric, dtype), columns=numeric, copy=False)
    others = [column for column in columns if column.kind != "numeric"]
    if not others:
        return framed
    return pd.concat([framed, _other_columns(table, others)], axis=1)


def _other_columns(table: "pa.Table", columns: Sequence[ColumnSummary]) -> "pd.DataFrame":
    import pyarrow as pa
    import pyarrow.compute as pc

    made = [table.column(column.name) for column in columns]
    made = [
        pc.cast(column, column.type.value_type) if pa.types.is_dictionary(column.type) else column
        for column in map(as_plain_numbers, made)
    ]
    framed: pd.DataFrame = pa.table(made, [column.name for column in columns]).to_pandas(
        use_threads=False, split_blocks=True, self_destruct=True, ignore_metadata=True
    )
    for column in columns:
        if column.missing and column.kind == "boolean":
            framed[column.name] = framed[column.name].astype(object)
        elif column.missing and framed[column.name].dtype.kind in "iu":
            framed[column.name] = framed[column.name].astype(float)
    return framed


def numbers(table: "pa.Table", names: Sequence[str], dtype: Any) -> "np.ndarray[Any, Any]":
    """Return columns of numbers as a C-contiguous array of floats; missing ones are NaN."""
    import numpy as np

    rows = np.empty((table.num_rows, len(names)), dtype)
    start = 0
    for batch in table.select(list(names)).to_batches(max_chunksize=_TURNED_ROWS):
        _turn(batch, rows[start : start + batch.num_rows])
        start += batch.num_rows
    return rows


def _turn(batch: "pa.RecordBatch", rows: "np.ndarray[Any, Any]") -> None:
    """Write the columns of a batch into rows."""
    import numpy as np
    import pyarrow as pa

    if not batch.num_columns:
        return
    try:
        rows[:] = np.asarray(batch.to_tensor(null_to_nan=True))
    except (pa.ArrowTypeError, pa.ArrowNotImplementedError):  # decimals, half floats, null
        for position, column in enumerate(batch.columns):
            rows[:, position] = as_plain_numbers(column).to_numpy(zero_copy_only=False)
