"""All rows of a source, checked, before they are split and prepared."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpc_ml.data import matrix, preparation
from hpc_ml.data.columns import as_plain_numbers, assign_roles
from hpc_ml.data.files import check_there
from hpc_ml.data.formats import TABLES, find_format, load_format
from hpc_ml.data.matrix_sources import read_matrix
from hpc_ml.data.scan import Scanned, TableScan, as_mask, missing_mask, target_array
from hpc_ml.data.source import DataSource
from hpc_ml.data.split import check_rows
from hpc_ml.data.target import count_target

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True)
class Rows:
    """X as it was read (DataFrame, array, CSR, or 1-D of texts), y, and how X is prepared."""

    X: Any
    y: Any
    names: tuple[str, ...] | None
    classes: "np.ndarray[Any, Any] | None"
    preparation: Any = None
    dtype: Any = None

    def __len__(self) -> int:
        return int(self.X.shape[0])

    def take(self, numbers: "np.ndarray[Any, Any]") -> Any:
        """Return these rows."""
        return self.X.iloc[numbers] if hasattr(self.X, "iloc") else self.X[numbers]

    def fit_preparation(self, X: Any) -> tuple[Any, tuple[str, ...]]:
        """Fit the preparation on raw rows; return them prepared, and the names of the columns."""
        prepared = matrix.as_floats(self.preparation.fit_transform(X), self.dtype)
        return prepared, self.names or preparation.feature_names(self.preparation)

    def prepare(self, X: Any) -> Any:
        """Return raw rows prepared."""
        if self.preparation is None:
            return X
        return matrix.as_floats(self.preparation.transform(X), self.dtype)


def read_rows(source: DataSource) -> Rows:
    """Read and check all rows of a source. Raises BadData."""
    if source.spec.name is None:
        check_there(source.path)
        form = find_format(source.path, source.spec.format)
        if form in TABLES:
            return _read_table(load_format(form), source)
    return _read_matrix(source)


def _read_matrix(source: DataSource) -> Rows:
    whole = matrix.treat_missing(matrix.shape_matrix(read_matrix(source), source), source)
    check_rows(whole.X.shape[0], source)
    impute = source.spec.missing == "impute" and not whole.is_text
    return Rows(
        X=whole.X,
        y=whole.y,
        names=whole.names,
        classes=_judge_target(whole.y, source),
        preparation=preparation.build_imputer() if impute else None,
        dtype=whole.X.dtype,
    )


def _judge_target(y: Any, source: DataSource) -> Any:
    import numpy as np

    if y is None:
        return None
    target = count_target(y, source, complete=True)
    return None if target.classes is None else np.unique(y)


def _read_table(form: Any, source: DataSource) -> Rows:
    import numpy as np

    path = source.path
    roles = assign_roles(form.columns(path), source)
    table = form.read(path, roles.names)
    scan = TableScan(table.schema, roles, source, lambda row: form.place(path, row))
    for batch in table.to_batches():
        scan.add(batch)
    scanned = scan.finish(complete=True)
    check_rows(scanned.kept, source)
    if scanned.kept < scanned.rows:
        table = _drop_missing(table)
    y: Any = None if roles.target is None else target_array(table.column(roles.target))
    classes = None
    if scanned.target is not None and scanned.target.classes is not None:
        classes = np.unique(y)
    table = table.select(list(roles.features))
    if source.spec.text is not None:
        return Rows(_texts(table.column(0)), y, None, classes)
    return _frame_rows(table, y, classes, scanned, source)


def _frame_rows(
    table: "pa.Table", y: Any, classes: Any, scanned: Scanned, source: DataSource
) -> Rows:
    columns = [column for column in scanned.columns if column.kind != "target"]
    dtype = _float_type(table, [column.name for column in columns if column.kind == "numeric"])
    prepare = preparation.build_preparation(columns, source.spec, table.num_rows, dtype)
    return Rows(_frame(table), y, None, classes, prepare, dtype)


def _drop_missing(table: "pa.Table") -> "pa.Table":
    import numpy as np

    missing = np.zeros(table.num_rows, dtype=bool)
    for column in table.columns:
        mask = missing_mask(column)
        if mask is not None:
            missing |= mask
    return table.filter(as_mask(~missing))


def _texts(column: "pa.ChunkedArray") -> "np.ndarray[Any, Any]":
    import pyarrow.compute as pc

    return target_array(pc.fill_null(pc.cast(column, "string"), ""))


def _float_type(table: "pa.Table", names: list[str]) -> Any:
    """Return float32 where all numbers are, else float64."""
    import numpy as np
    import pyarrow as pa

    narrow = (pa.float32(), pa.float16())
    types = [table.schema.field(name).type for name in names]
    return np.float32 if types and all(kind in narrow for kind in types) else np.float64


def _frame(table: "pa.Table") -> "pd.DataFrame":
    import pyarrow as pa

    table = pa.table([as_plain_numbers(column) for column in table.columns], table.column_names)
    frame: pd.DataFrame = table.to_pandas(
        use_threads=False, split_blocks=True, self_destruct=True, ignore_metadata=True
    )
    return frame
