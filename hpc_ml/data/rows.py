"""All rows of a source, checked, before they are split and prepared."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpc_ml.data import frames, preparation
from hpc_ml.data.columns import Roles, assign_roles
from hpc_ml.data.derived import derive_table
from hpc_ml.data.matrix import as_floats, shape_matrix
from hpc_ml.data.matrix_scan import treat_missing
from hpc_ml.data.plan import PartitionPlan, place_in_whole, plan_partitions, read_whole
from hpc_ml.data.row_roles import role_array
from hpc_ml.data.scan import TableScan, drop_missing
from hpc_ml.data.source import DataSource
from hpc_ml.data.split import check_rows
from hpc_ml.data.target import count_target

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


@dataclass(frozen=True)
class Rows:
    """X as it was read (DataFrame, array, CSR, or 1-D of texts), y, and how X is prepared.

    Weight, group and order of the rows are None where the job names none.
    """

    X: Any
    y: Any
    names: tuple[str, ...] | None
    classes: "np.ndarray[Any, Any] | None"
    preparation: Any = None
    dtype: Any = None
    weight: Any = None
    group: Any = None
    order: Any = None

    def __len__(self) -> int:
        return int(self.X.shape[0])

    def take(self, numbers: "np.ndarray[Any, Any]") -> Any:
        """Return these rows."""
        return self.X.iloc[numbers] if hasattr(self.X, "iloc") else self.X[numbers]

    def fit_preparation(self, X: Any) -> tuple[Any, tuple[str, ...]]:
        """Fit the preparation on raw rows; return them prepared, and the names of the columns."""
        transform = preparation.column_transformer(self.preparation)
        prepared = as_floats(transform.fit_transform(X), self.dtype)
        return prepared, self.names or preparation.feature_names(self.preparation)

    def prepare(self, X: Any) -> Any:
        """Return raw rows prepared."""
        if self.preparation is None:
            return X
        transform = preparation.column_transformer(self.preparation)
        return as_floats(transform.transform(X), self.dtype)


def read_rows(source: DataSource) -> Rows:
    """Read and check all rows of a source. Raises BadData."""
    plan = plan_partitions(source)
    return _read_table(plan, source) if plan.kind == "table" else _read_matrix(plan, source)


def _read_matrix(plan: PartitionPlan, source: DataSource) -> Rows:
    whole: Any = read_whole(plan)
    whole = treat_missing(shape_matrix(whole, source), source)
    check_rows(whole.X.shape[0], source)
    prepare = None
    if not whole.is_text:
        prepare = preparation.build_matrix_preparation(source.spec, sparse=plan.sparse)
    return Rows(
        X=whole.X,
        y=whole.y,
        names=whole.names,
        classes=_judge_target(whole.y, source),
        preparation=prepare,
        dtype=whole.X.dtype,
        weight=whole.weight,
        group=whole.group,
        order=whole.order,
    )


def _judge_target(y: Any, source: DataSource) -> Any:
    import numpy as np

    if y is None:
        return None
    target = count_target(y, source, complete=True)
    return None if target.classes is None else np.unique(y)


def _read_table(plan: PartitionPlan, source: DataSource) -> Rows:
    import numpy as np

    assert plan.names is not None
    roles = assign_roles(plan.names, source)
    table: Any = read_whole(plan, roles.stored(source.spec))
    scan = TableScan(table.schema, roles, source)
    for batch in table.to_batches():
        scan.add(batch)
    scanned = scan.finish(lambda row: place_in_whole(plan, row), complete=True)
    check_rows(scanned.kept, source)
    stored, table = table.schema, derive_table(table, source.spec, source.where)
    if scanned.kept < scanned.rows:
        table = drop_missing(table, roles, source)
    parts = read_parts(table, roles)
    classes = None
    if scanned.target is not None and scanned.target.classes is not None:
        classes = np.unique(parts["y"])
    if source.spec.text is not None:
        return Rows(
            frames.texts(table.column(source.spec.text)), names=None, classes=classes, **parts
        )
    columns = [column for column in scanned.columns if column.kind != "target"]
    numeric = [column.name for column in columns if column.kind == "numeric"]
    dtype = frames.float_type(table.schema, numeric)
    prepare = preparation.build_preparation(columns, source.spec, table.num_rows, dtype)
    preparation.fit_derived(prepare, stored.names)
    X = frames.frame(table, columns, dtype)
    return Rows(X, names=None, classes=classes, preparation=prepare, dtype=dtype, **parts)


def read_parts(table: "pa.Table", roles: Roles) -> dict[str, Any]:
    """Return target (`y`), weight, group and order of rows that miss none of them."""
    arrays = dict.fromkeys(("y", "weight", "group", "order"))
    for part, name in roles.others.items():
        arrays["y" if part == "target" else part] = role_array(part, table.column(name))
    return arrays
