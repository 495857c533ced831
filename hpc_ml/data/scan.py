"""One pass over a table's rows that finds what cannot be learned from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpc_ml.data.column_scans import CategoryScan, ColumnScan, ColumnSummary, scan_of
from hpc_ml.data.columns import Roles, as_plain_numbers, check_target_type, is_words, kind_of
from hpc_ml.data.source import DataSource
from hpc_ml.data.target import Target, TargetCounts
from hpc_ml.errors import BadData

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

Place = Callable[[int], str]


@dataclass(frozen=True)
class Scanned:
    """What a scan has found: rows in all, rows that `data.missing` left, columns, target."""

    rows: int
    kept: int
    columns: tuple[ColumnSummary, ...]
    target: Target | None


class TableScan:
    """Takes a table batch by batch; `finish` tells what is in it, or raises BadData.

    Parameters
    ----------
    schema : pyarrow.Schema
        The columns that will come. Raises BadData for a type that cannot be learned from.
    roles, source
        The part that each column plays, and what the job asks.
    place : callable
        Returns where a row (from 0) stands, for messages.
    """

    def __init__(self, schema: "pa.Schema", roles: Roles, source: DataSource, place: Place) -> None:
        self._roles = roles
        self._source = source
        self._place = place
        self._rows = 0
        self._kept = 0
        self._missing = dict.fromkeys(roles.names, 0)
        self._first_missing: dict[str, int] = {}
        self._scans: dict[str, ColumnScan] = {}
        for name in roles.features:
            kind = kind_of(name, schema.field(name).type, source)
            self._scans[name] = scan_of(name, kind, source)
        self._target = TargetCounts()
        self._target_words: CategoryScan | None = None
        if roles.target is not None:
            column = schema.field(roles.target).type
            check_target_type(roles.target, column, source)
            if is_words(column) and not source.stratify:
                self._target_words = CategoryScan(roles.target, "target", source)

    def add(self, batch: "pa.RecordBatch") -> None:
        """Take the next rows."""
        import numpy as np

        rows = np.arange(self._rows, self._rows + batch.num_rows)
        missing = self._count_missing(batch)
        self._rows += batch.num_rows
        if self._source.spec.missing == "drop" and missing.any():
            rows, batch = rows[~missing], batch.filter(as_mask(~missing))
        self._kept += len(rows)
        for name, scan in self._scans.items():
            scan.add(batch.column(name), rows)
        if self._roles.target is not None:
            self._add_target(batch.column(self._roles.target), rows)

    def _count_missing(self, batch: "pa.RecordBatch") -> "np.ndarray[Any, Any]":
        """Count missing values by column; return which rows have any."""
        import numpy as np

        union = np.zeros(batch.num_rows, dtype=bool)
        for name in self._roles.names:
            mask = missing_mask(batch.column(name))
            if mask is not None:
                self._missing[name] += int(mask.sum())
                self._first_missing.setdefault(name, self._rows + int(mask.argmax()))
                union |= mask
        return union

    def _add_target(self, column: "pa.Array", rows: "np.ndarray[Any, Any]") -> None:
        import numpy as np

        missing = missing_mask(column)
        if missing is not None:
            rows, column = rows[~missing], column.filter(as_mask(~missing))
        if self._target_words is not None:
            self._target_words.add(column, rows)
        values = target_array(column)
        if values.dtype.kind == "f" and (infinite := np.isinf(values)).any():
            raise BadData(
                f"target {self._roles.target!r} has an infinite value",
                where=self._place(int(rows[infinite.argmax()])),
                hint="correct it, or leave the row out",
            )
        self._target.add(values)

    def finish(self, *, complete: bool) -> Scanned:
        """Return what was found. Raises BadData; counts are judged when all rows were seen."""
        if self._rows == 0:
            raise BadData("there are no rows", where=self._source.where)
        for scan in self._scans.values():
            scan.check_numbers(self._place)
        if self._target_words is not None:
            self._target_words.check_numbers(self._place)
        self._check_missing()
        for scan in self._scans.values():
            scan.check_categories(self._kept)
        columns = [scan.summary(self._missing[name]) for name, scan in self._scans.items()]
        target = None
        if self._roles.target is not None and self._kept:
            target = self._target.finish(self._roles.target, self._source, complete=complete)
            missing = self._missing[self._roles.target]
            columns.append(ColumnSummary(self._roles.target, "target", missing))
        return Scanned(self._rows, self._kept, tuple(columns), target)

    def _check_missing(self) -> None:
        policy = self._source.spec.missing
        target = self._roles.target
        if target is not None and self._missing[target] and policy != "drop":
            raise BadData(
                f"target {target!r} has {_values(self._missing[target])}",
                where=self._place(self._first_missing[target]),
                hint="leave such rows out by data.missing=drop",
            )
        features = [name for name in self._roles.features if self._missing[name]]
        if features and policy == "keep" and self._source.spec.text is not None:
            raise BadData(
                f"column {features[0]!r} has {_values(self._missing[features[0]])}, "
                "and text cannot be kept missing",
                where=self._place(self._first_missing[features[0]]),
                hint="set data.missing to drop, or to impute for an empty text",
            )
        if features and policy == "error":
            name = features[0]
            others = f" (and {len(features) - 1} more columns have some)" if features[1:] else ""
            raise BadData(
                f"column {name!r} has {_values(self._missing[name])}{others}, the first here",
                where=self._place(self._first_missing[name]),
                hint="set data.missing to drop (the rows), impute or keep",
            )


def _values(count: int) -> str:
    return "1 missing value" if count == 1 else f"{count:,} missing values"


def as_mask(mask: "np.ndarray[Any, Any]") -> "pa.Array":
    """Return a mask for Arrow's filter."""
    import pyarrow as pa

    return pa.array(mask)


def missing_mask(column: "pa.Array") -> "np.ndarray[Any, Any] | None":
    """Return which values of a column are null or NaN, or None where none are."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not column.null_count and not pa.types.is_floating(column.type):
        return None
    mask = pc.is_null(column, nan_is_null=True)
    if not pc.any(mask).as_py():
        return None
    found: np.ndarray[Any, Any] = mask.to_numpy(zero_copy_only=False)
    return found


def target_array(column: "pa.Array | pa.ChunkedArray") -> "np.ndarray[Any, Any]":
    """Return a target without nulls as numbers, booleans, or an object array of str."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    column = as_plain_numbers(column)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    values: np.ndarray[Any, Any] = column.to_numpy(zero_copy_only=False)
    return values
