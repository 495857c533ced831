"""One pass over a table's rows that finds what cannot be learned from."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpc_ml.data.column_scans import (
    CategoryScan,
    ColumnScan,
    ColumnSummary,
    Place,
    WeightScan,
    first_row,
    scan_of,
)
from hpc_ml.data.columns import Roles, is_words, kind_of
from hpc_ml.data.derived import derive_batch, derive_schema
from hpc_ml.data.float_scan import FloatScan
from hpc_ml.data.frames import float_type
from hpc_ml.data.row_roles import check_role_types, check_strategies, role_array
from hpc_ml.data.source import DataSource
from hpc_ml.data.target import Target, TargetCounts
from hpc_ml.errors import BadData

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


# Columns of floats are looked at in rows of at most this size together.
_BATCH_BYTES = 16 * 2**20


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
    """

    def __init__(self, schema: "pa.Schema", roles: Roles, source: DataSource) -> None:
        import pyarrow as pa

        schema = derive_schema(schema, source)
        self.rows = 0
        self.kept = 0
        self._roles = roles
        self._source = source
        kinds = {name: kind_of(name, schema.field(name).type, source) for name in roles.features}
        check_strategies(kinds, schema, source)
        check_role_types(schema, roles, source)
        floats = [
            name
            for name, kind in kinds.items()
            if kind == "numeric" and pa.types.is_floating(schema.field(name).type)
        ]
        self._floats = FloatScan(floats, float_type(schema, floats))
        others = [name for name in kinds if name not in self._floats.positions]
        self._scans = {name: scan_of(name, kinds[name], source) for name in others}
        self._others: dict[str, ColumnScan] = {}
        self._missing = dict.fromkeys([*self._scans, *roles.others.values()], 0)
        self._first_missing: dict[str, int] = {}
        if roles.weight is not None:
            self._others[roles.weight] = WeightScan(roles.weight, "numeric", source)
        words = roles.target is not None and is_words(schema.field(roles.target).type)
        if roles.target is not None and words and not source.stratify:
            self._others[roles.target] = CategoryScan(roles.target, "target", source)
        self._target = TargetCounts()
        self._infinite_target: int | None = None

    def add(self, batch: "pa.RecordBatch") -> None:
        """Take the next rows."""
        batch = derive_batch(batch, self._source.spec, self._source.where)
        rows = max(1, _BATCH_BYTES // (8 * max(1, len(self._floats.names))))
        for start in range(0, batch.num_rows, rows):
            self._add(batch.slice(start, rows))

    def _add(self, batch: "pa.RecordBatch") -> None:
        import numpy as np

        rows = np.arange(self.rows, self.rows + batch.num_rows)
        floats = self._floats.read(batch)
        dropped = self._find_dropped(batch, floats)
        self.rows += batch.num_rows
        if dropped.any():
            rows, floats = rows[~dropped], floats[~dropped]
            batch = batch.filter(as_mask(~dropped))
        self.kept += len(rows)
        self._floats.add(floats, rows)
        for name, scan in self._scans.items():
            scan.add(batch.column(name), rows)
        for name, scan in self._others.items():
            scan.add(*_without_missing(batch.column(name), rows))
        if self._roles.target is not None:
            self._add_target(*_without_missing(batch.column(self._roles.target), rows))

    def _find_dropped(
        self, batch: "pa.RecordBatch", floats: "np.ndarray[Any, Any]"
    ) -> "np.ndarray[Any, Any]":
        """Count missing values by column; return which rows are to be dropped."""
        import numpy as np

        spec = self._source.spec
        dropped = np.zeros(batch.num_rows, dtype=bool)
        gaps = self._floats.find_missing(floats, self.rows)
        if gaps is not None and spec.missing == "drop":
            chosen = [spec.policy(name) == "drop" for name in self._floats.names]
            dropped |= gaps[:, chosen].any(axis=1)
        for name in self._missing:
            mask = missing_mask(batch.column(name))
            if mask is not None:
                self._missing[name] += int(mask.sum())
                self._first_missing.setdefault(name, self.rows + int(mask.argmax()))
                if spec.policy(name) == "drop":
                    dropped |= mask
        return dropped

    def _add_target(self, column: "pa.Array", rows: "np.ndarray[Any, Any]") -> None:
        import numpy as np

        values = role_array("target", column)
        if values.dtype.kind == "f" and self._infinite_target is None:
            infinite = np.isinf(values)
            self._infinite_target = int(rows[infinite.argmax()]) if infinite.any() else None
        self._target.add(values)

    def merge(self, behind: "TableScan") -> None:
        """Take what a scan of the rows behind these has found."""
        self._floats.merge(behind._floats, self.rows)
        for name, scan in self._scans.items():
            scan.merge(behind._scans[name], self.rows)
        for name, scan in self._others.items():
            scan.merge(behind._others[name], self.rows)
        for name, row in behind._first_missing.items():
            self._first_missing.setdefault(name, row + self.rows)
        for name, count in behind._missing.items():
            self._missing[name] += count
        self._infinite_target = first_row(self._infinite_target, behind._infinite_target, self.rows)
        self._target.merge(behind._target)
        self.rows += behind.rows
        self.kept += behind.kept

    def finish(self, place: Place, *, complete: bool) -> Scanned:
        """Return what was found. Raises BadData; counts are judged when all rows were seen.

        `place` returns where a row (from 0) stands, for messages.
        """
        if self.rows == 0:
            raise BadData("there are no rows", where=self._source.where)
        scans = [*self._scans.values(), *self._others.values()]
        self._floats.check_numbers(place)
        for scan in scans:
            scan.check_numbers(place)
        if self._infinite_target is not None:
            raise BadData(
                f"target {self._roles.target!r} has an infinite value",
                where=place(self._infinite_target),
                hint="correct it, or leave the row out",
            )
        self._check_missing(place, complete)
        for scan in scans:
            if scan.kind != "target" and (complete or not isinstance(scan, WeightScan)):
                scan.check_categories(self.kept)
        found = self._floats.summaries()
        found |= {name: scan.summary(self._missing[name]) for name, scan in self._scans.items()}
        columns = [found[name] for name in self._roles.features]
        target = None
        if self._roles.target is not None and self.kept:
            target = self._target.finish(self._roles.target, self._source, complete=complete)
            missing = self._missing[self._roles.target]
            columns.append(ColumnSummary(self._roles.target, "target", missing))
        return Scanned(self.rows, self.kept, tuple(columns), target)

    def _check_missing(self, place: Place, complete: bool) -> None:
        for part, name in self._roles.others.items():
            if self._missing[name] and self._source.spec.policy(name) != "drop":
                raise BadData(
                    f"{part} {name!r} has {missing_values(self._missing[name], complete)}",
                    where=place(self._first_missing[name]),
                    hint="leave such rows out by --missing drop (data.missing); columns that "
                    "--impute names are filled all the same",
                )
        counts = self._floats.counts() | self._missing
        first = self._floats.first_missing | self._first_missing
        features = [name for name in self._roles.features if counts[name]]
        policies = {self._source.spec.policy(name) for name in features}
        if "keep" in policies and self._source.spec.text is not None:
            raise BadData(
                f"column {features[0]!r} has {missing_values(counts[features[0]], complete)}, "
                "and text cannot be kept missing",
                where=place(first[features[0]]),
                hint="drop the rows by --missing drop (data.missing), or take an empty text by "
                "--missing impute",
            )
        features = [name for name in features if self._source.spec.policy(name) == "error"]
        if features:
            name = features[0]
            more, others = len(features) - 1, ""
            if more:
                others = f" (and {more} more column{'s have' if more > 1 else ' has'} some)"
            raise BadData(
                f"column {name!r} has {missing_values(counts[name], complete)}{others}, "
                f"{'the first' if complete else 'one'} here",
                where=place(first[name]),
                hint="drop the rows, or impute or keep the values, by --missing (data.missing)",
            )


def _without_missing(
    column: "pa.Array", rows: "np.ndarray[Any, Any]"
) -> "tuple[pa.Array, np.ndarray[Any, Any]]":
    missing = missing_mask(column)
    if missing is None:
        return column, rows
    return column.filter(as_mask(~missing)), rows[~missing]


def drop_missing(table: "pa.Table", roles: Roles, source: DataSource) -> "pa.Table":
    """Return a table without the rows that `data.missing` drops."""
    dropped = None
    for name in roles.names:
        mask = missing_mask(table.column(name)) if source.spec.policy(name) == "drop" else None
        if mask is not None:
            dropped = mask if dropped is None else dropped | mask
    return table if dropped is None else table.filter(as_mask(~dropped))


def missing_values(count: int, complete: bool) -> str:
    """Return how many values are missing, where all rows were counted."""
    if not complete:
        return "missing values"
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
