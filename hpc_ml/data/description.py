"""What data hold, whatever may be learned from them: for people who look before they run."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hpc_ml.data.columns import TARGET_NAMES, as_plain_numbers, is_words
from hpc_ml.data.formats import TABLES
from hpc_ml.data.inspection import looked_at
from hpc_ml.data.matrix import Matrix
from hpc_ml.data.plan import PartitionPlan, find_form, plan_partitions, read_partition
from hpc_ml.data.source import DataSource
from hpc_ml.errors import BadData
from hpc_ml.spec.data import Data

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_VALUES = 1_000
_MOST_COLUMNS = 1_000


@dataclass
class ColumnDescription:
    """A column: its type, its missing values, its ends and how many different values it has.

    `kind` is numeric, boolean, category, text, date or other; `values` counts the different
    values of booleans and words, up to 1,000, and is None for others and for more.
    """

    name: str
    type: str
    kind: str
    missing: int = 0
    smallest: Any = None
    largest: Any = None
    values: int | None = None


@dataclass(frozen=True)
class Description:
    """What was found in the data, and the plan of their partitions."""

    plan: PartitionPlan
    rows: int | None
    looked_at: int
    columns: tuple[ColumnDescription, ...]
    target: str | None
    notes: tuple[str, ...] = field(default_factory=tuple)


def describe(spec: Data, *, whole: bool = False) -> Description:
    """Return what data hold, read partition by partition.

    Of data larger than 1 GiB the first part is looked at, unless `whole`. Raises BadData where
    they cannot be read.
    """
    plan = _plan(spec)
    profiles: dict[str, Profile] = {}
    rows_seen = 0
    numbers = range(len(plan)) if whole else looked_at(plan)
    for number in numbers:
        rows_seen += _look(read_partition(plan, number), profiles)
    complete = len(numbers) == len(plan)
    rows = rows_seen if complete else plan.n_rows
    if complete and not rows:
        raise BadData("there are no rows", where=plan.where)
    names = list(profiles)
    notes = list(plan.notes)
    if plan.kind == "matrix" and plan.n_columns > _MOST_COLUMNS:
        notes.append(f"the first {_MOST_COLUMNS:,} columns looked at")
    if not complete:
        part = f"the first {rows_seen:,} rows" if numbers else "the header only"
        notes.append(f"larger than 1 GiB: {part} looked at; --all looks at all")
    return Description(
        plan=plan,
        rows=rows,
        looked_at=rows_seen,
        columns=tuple(profile.finish(rows_seen) for profile in profiles.values()),
        target=spec.target or _guess_target(names, plan),
        notes=tuple(notes),
    )


def _plan(spec: Data) -> PartitionPlan:
    """Return the plan, with a target where the format has a place of its own for it."""
    source = DataSource(spec, supervised=False)
    if find_form(source) in (*TABLES, "npy"):
        return plan_partitions(source)
    try:
        return plan_partitions(DataSource(spec, supervised=True))
    except BadData:
        return plan_partitions(source)


def _guess_target(names: list[str], plan: PartitionPlan) -> str | None:
    if plan.kind == "matrix":
        return "y" if "y" in names else None
    likely = [name for name in names if name.lower() in TARGET_NAMES]
    return likely[0] if len(likely) == 1 else None


def _look(rows: Any, profiles: "dict[str, Profile]") -> int:
    """Add the rows of a partition to the profiles of its columns; return how many they are."""
    import pyarrow as pa

    if not isinstance(rows, pa.Table):
        return _look_at_matrix(rows, profiles)
    for name in rows.column_names:
        column = rows.column(name)
        profiles.setdefault(name, Profile(name, column.type)).add(column)
    return int(rows.num_rows)


def _look_at_matrix(rows: Matrix, profiles: "dict[str, Profile]") -> int:
    import pyarrow as pa

    count = int(rows.X.shape[0])
    if rows.is_text:
        columns = {"text": rows.X}
    else:
        width = min(_MOST_COLUMNS, rows.X.shape[1])
        names = rows.names or tuple(map(str, range(width)))
        block = _dense(rows.X[:, :width])
        columns = {name: block[:, number] for number, name in enumerate(names[:width])}
    if rows.y is not None and rows.y.ndim == 1:
        columns["y"] = rows.y
    for name, values in columns.items():
        column = pa.chunked_array([_as_arrow(values)])
        profiles.setdefault(name, Profile(name, column.type)).add(column)
    return count


def _dense(X: Any) -> Any:
    from scipy import sparse

    return X.toarray(order="F") if sparse.issparse(X) else X


def _as_arrow(values: Any) -> "pa.Array":
    import numpy as np
    import pyarrow as pa

    return pa.array(np.ascontiguousarray(values, values.dtype.newbyteorder("=")))


class Profile:
    """Takes a column part by part."""

    def __init__(self, name: str, kind: "pa.DataType") -> None:
        import pyarrow as pa

        self._found = ColumnDescription(name, str(kind), "other")
        value_type = kind.value_type if pa.types.is_dictionary(kind) else kind
        self._counted = is_words(value_type) or pa.types.is_boolean(value_type)
        self._ordered = _is_number(value_type) or pa.types.is_temporal(value_type)
        self._type = value_type
        self._values: set[Any] = set()

    def add(self, column: "pa.ChunkedArray") -> None:
        """Take the next values."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if pa.types.is_dictionary(column.type):
            column = pc.cast(column, column.type.value_type)
        column = as_plain_numbers(column)
        self._found.missing += column.null_count
        if pa.types.is_floating(column.type):
            self._found.missing += pc.sum(pc.is_nan(column)).as_py() or 0
            column = column.filter(pc.invert(pc.is_nan(column)))
        if self._ordered:
            ends = pc.min_max(column).as_py()
            self._found.smallest = _least(min, self._found.smallest, ends["min"])
            self._found.largest = _least(max, self._found.largest, ends["max"])
        if self._counted and len(self._values) <= _MOST_VALUES:
            self._values.update(pc.unique(column.drop_null()).to_pylist())

    def finish(self, rows: int) -> ColumnDescription:
        """Return what was found in so many rows."""
        import pyarrow as pa

        if self._counted:
            found = len(self._values)
            self._found.values = found if found <= _MOST_VALUES else None
            few = found <= _MOST_VALUES and (found < rows or rows <= 20)
            words = "category" if few else "text"
            self._found.kind = "boolean" if pa.types.is_boolean(self._type) else words
        elif self._ordered:
            self._found.kind = "date" if pa.types.is_temporal(self._type) else "numeric"
        return self._found


def _is_number(kind: "pa.DataType") -> bool:
    from pyarrow import types

    numbers = (types.is_integer, types.is_floating, types.is_decimal, types.is_null)
    return any(is_kind(kind) for is_kind in numbers)


def _least(choose: Any, one: Any, other: Any) -> Any:
    present = [value for value in (one, other) if value is not None]
    return choose(present) if present else None
