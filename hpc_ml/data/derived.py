"""Columns as a job sees them: under their new names, and dates in parts.

A part is named after its column, `seen_hour`, and taken as any other column from there on.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from hpc_ml.data.source import DataSource
from hpc_ml.errors import BadData
from hpc_ml.spec.data import Data
from hpc_ml.spec.nearest import nearest

if TYPE_CHECKING:
    import pyarrow as pa

Dates = Mapping[str, Sequence[str]]
_EXAMPLE = "write dates as 2026-11-20 or 2026-11-20 18:55:00"


def name_part(column: str, part: str) -> str:
    """Return the name of the column that a part of a date makes."""
    return f"{column}_{part}"


def part_names(dates: Dates, column: str) -> tuple[str, ...]:
    """Return the names of the columns that the parts of a date make."""
    return tuple(name_part(column, part) for part in dates.get(column, ()))


def rename_columns(names: Sequence[str], source: DataSource) -> list[str]:
    """Return the names as the job sees them, parts of dates aside.

    Raises BadData for columns that are not there, and for a name that would be there twice.
    """
    spec = source.spec
    for old in spec.rename:
        if old not in names:
            raise BadData(
                f"data.rename names {old!r}, which is no column",
                where=source.where,
                hint=nearest(old, names),
            )
    seen = [spec.rename.get(name, name) for name in names]
    for name in spec.dates:
        if name not in seen:
            raise BadData(
                f"data.dates names {name!r}, which is no column",
                where=source.where,
                hint=nearest(name, seen),
            )
    made = [part for name in spec.dates for part in part_names(spec.dates, name)]
    doubled = [name for name in spec.rename.values() if seen.count(name) > 1]
    doubled += [name for name in made if name in seen]
    if doubled:
        raise BadData(
            f"data.rename and data.dates make a column {doubled[0]!r}, and there is one already",
            where=source.where,
            hint="give one of the two another name by data.rename",
        )
    return seen


def stored_names(wanted: Sequence[str], spec: Data) -> list[str]:
    """Return the columns to be read for those that the job sees, in their order."""
    old_names = {new: old for old, new in spec.rename.items()}
    bases = {part: name for name in spec.dates for part in part_names(spec.dates, name)}
    seen = [bases.get(name, name) for name in wanted]
    return list(dict.fromkeys(old_names.get(name, name) for name in seen))


def derive_schema(schema: "pa.Schema", source: DataSource) -> "pa.Schema":
    """Return the columns that `derive_batch` makes of columns like these. Raises BadData."""
    import pyarrow as pa

    empty = pa.RecordBatch.from_arrays(
        [pa.nulls(0, field.type) for field in schema], names=schema.names
    )
    return derive_batch(empty, source.spec, source.where).schema


def derive_table(table: "pa.Table", spec: Data, where: str | None = None) -> "pa.Table":
    """Return a table with the columns of `derive_batch`."""
    import pyarrow as pa

    if not (spec.rename or spec.dates):
        return table
    batches = table.to_batches() or [
        pa.RecordBatch.from_arrays(
            [pa.nulls(0, field.type) for field in table.schema], names=table.schema.names
        )
    ]
    return pa.Table.from_batches([derive_batch(batch, spec, where) for batch in batches])


def derive_batch(batch: "pa.RecordBatch", spec: Data, where: str | None = None) -> "pa.RecordBatch":
    """Return a batch under its new names, the parts of its dates behind."""
    import pyarrow as pa

    if not (spec.rename or spec.dates):
        return batch
    names = [spec.rename.get(name, name) for name in batch.schema.names]
    columns = dict(zip(names, batch.columns, strict=True))
    for name in spec.dates:
        for part in spec.dates[name] if name in columns else ():
            columns[name_part(name, part)] = date_part(columns[name], part, name, where)
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def date_part(column: "pa.Array", part: str, name: str, where: str | None = None) -> "pa.Array":
    """Return a part of each date as whole numbers; Monday is 0.

    Times with a zone are taken as the clock there showed them. Raises BadData for a column that
    holds no dates.
    """
    import pyarrow.compute as pc

    parts: dict[str, Callable[[pa.Array], pa.Array]] = {
        "year": pc.year, "month": pc.month, "day": pc.day,
        "weekday": pc.day_of_week, "hour": pc.hour,
    }  # fmt: skip
    return parts[part](_as_times(column, name, where))


def _as_times(column: "pa.Array", name: str, where: str | None) -> "pa.Array":
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_timestamp(kind):
        return column
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
        column = pc.cast(column, kind)
    words = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if not (words or pa.types.is_date(kind) or pa.types.is_null(kind)):
        raise BadData(
            f"data.dates names column {name!r}, which holds {kind}, not dates",
            where=where,
            hint=_EXAMPLE,
        )
    try:
        return pc.cast(column, pa.timestamp("us"))
    except pa.ArrowInvalid:
        value = _first_that_is_no_date(column)
        raise BadData(
            f"column {name!r} holds {value[:40]!r}, which is no date", where=where, hint=_EXAMPLE
        ) from None


def _first_that_is_no_date(column: "pa.Array") -> str:
    import pyarrow as pa
    import pyarrow.compute as pc

    for value in pc.unique(column.drop_null()):
        try:
            pc.cast(value, pa.timestamp("us"))
        except pa.ArrowInvalid:
            return str(value.as_py())
    return ""
