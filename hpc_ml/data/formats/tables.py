"""What the table formats share: which columns are wanted, their memory, and their types."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hpc_ml.errors import BadData
from hpc_ml.spec.data import Data

if TYPE_CHECKING:
    import pyarrow as pa


def wanted_names(names: Sequence[str], spec: Data) -> list[str]:
    """Return the columns that a job reads, as far as its keys tell: the others take no memory."""
    chosen = [spec.text] if spec.text is not None else spec.columns
    if chosen is None:
        return list(names)
    new_names = dict(spec.rename)
    roles = (spec.target, spec.weight, spec.group, spec.order_by, *spec.dates, *spec.impute)
    used = {*chosen, *roles}
    return [name for name in names if new_names.get(name, name) in used] or list(names)


def row_bytes(schema: "pa.Schema", names: Sequence[str]) -> tuple[float, list[str]]:
    """Return the memory of a row in bytes without words and lists, and the names of those."""
    fixed, loose = 0.0, []
    for name in names:
        try:
            fixed += schema.field(name).type.bit_width / 8
        except ValueError:
            loose.append(name)
    return fixed, loose


def complete_columns(
    table: "pa.Table",
    rows: int,
    constants: Mapping[str, Any],
    schema: "pa.Schema",
    columns: Sequence[str],
) -> "pa.Table":
    """Return the columns asked for in the types of the schema.

    A column that the table lacks has one value in all rows, that of `constants`, or is missing.
    """
    import pyarrow as pa

    made = []
    there = set(table.column_names)
    for name in columns:
        kind = schema.field(name).type
        if name in there:
            column = table.column(name)
            made.append(column if column.type == kind else column.cast(kind))
        else:
            made.append(pa.chunked_array([pa.repeat(pa.scalar(constants.get(name), kind), rows)]))
    return pa.table(made, schema=pa.schema([schema.field(name) for name in columns]))


def check_names(schema: "pa.Schema", where: object) -> None:
    """Raise BadData where two columns have the same name."""
    if doubled := [name for name, count in Counter(schema.names).items() if count > 1]:
        raise BadData(f"the column {doubled[0]!r} is there twice", where=str(where))
