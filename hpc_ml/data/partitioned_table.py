"""A table in partitions: read, looked at and prepared, one partition at a time on its worker."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hpc_ml.data import frames, preparation
from hpc_ml.data.column_scans import ColumnSummary
from hpc_ml.data.columns import Roles, assign_roles, kind_of
from hpc_ml.data.derived import derive_schema, derive_table
from hpc_ml.data.matrix import as_floats, no_rows
from hpc_ml.data.partitioned_split import Parts
from hpc_ml.data.plan import PartitionPlan, place_row, read_partition
from hpc_ml.data.preparation_fit import fit_frame_preparation
from hpc_ml.data.preparation_statistics import TrainingStatistics, measure_columns
from hpc_ml.data.row_roles import check_role_types, check_strategies
from hpc_ml.data.rows import read_parts
from hpc_ml.data.scan import Scanned, TableScan, drop_missing, missing_mask
from hpc_ml.data.source import DataSource

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    Numbers = np.ndarray[Any, Any]


class RawTable:
    """The rows of a partition as they were read, and later those that are kept."""

    def __init__(self, number: int, table: "pa.Table") -> None:
        self.number = number
        self.table = table
        self.kept: pa.Table | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of the columns."""
        return int(self.table.nbytes)


@dataclass(frozen=True)
class PartitionedTable:
    """A source of named columns.

    Parameters
    ----------
    plan, source
        Its partitions, and what the job asks of it. Raises BadData for columns that are not there
        or cannot be learned from.
    """

    plan: PartitionPlan
    source: DataSource

    @cached_property
    def roles(self) -> Roles:
        """The part that each column plays."""
        assert self.plan.names is not None
        return assign_roles(self.plan.names, self.source)

    @cached_property
    def stored(self) -> list[str]:
        """The columns that are read."""
        return self.roles.stored(self.source.spec)

    @cached_property
    def schema(self) -> "pa.Schema":
        """The types of all columns as the job sees them."""
        import pyarrow as pa

        assert self.plan.schema is not None
        stored = pa.schema([self.plan.schema.field(name) for name in self.stored])
        return derive_schema(stored, self.source)

    @property
    def is_text(self) -> bool:
        """Whether X is texts."""
        return self.source.spec.text is not None

    @property
    def grouped(self) -> bool:
        """Whether rows belong to groups."""
        return self.roles.group is not None

    @property
    def target(self) -> str | None:
        """The column to predict; None where there is none."""
        return self.roles.target

    def columns(self) -> tuple[ColumnSummary, ...]:
        """Return the columns to learn from as far as their types tell. Raises BadData."""
        kinds = {n: kind_of(n, self.schema.field(n).type, self.source) for n in self.roles.features}
        check_strategies(kinds, self.schema, self.source)
        check_role_types(self.schema, self.roles, self.source)
        return tuple(ColumnSummary(name, kind, 0) for name, kind in kinds.items())

    @cached_property
    def settled(self) -> bool:
        """Whether X can be made, and rows be checked, one partition at a time."""
        kinds = {column.kind for column in self.columns()}
        missing = self.source.spec.missing
        settled = {"text"} if missing != "drop" else set()
        if self.source.spec.scale == "none" and missing in ("error", "keep"):
            settled |= {"numeric"} if missing == "keep" else {"numeric", "boolean"}
        return self.plan.rows is not None and kinds <= settled and not self.source.spec.impute

    def read(self, number: int) -> RawTable:
        """Return the rows of a partition."""
        table: Any = read_partition(self.plan, number, self.stored)
        return RawTable(number, table)

    def scan(self, raw: RawTable) -> TableScan:
        """Return what is in the rows of a partition."""
        scan = TableScan(raw.table.schema, self.roles, self.source)
        for batch in raw.table.to_batches():
            scan.add(batch)
        return scan

    def finish(self, scan: TableScan, rows: Sequence[int]) -> Scanned:
        """Return what the scans of all partitions found, each of so many rows. Raises BadData."""
        return scan.finish(lambda row: self._place(row, rows), complete=True)

    def _place(self, row: int, rows: Sequence[int]) -> str:
        for number, count in enumerate(rows):
            if row < count:
                return place_row(self.plan, number, row)
            row -= count
        return self.plan.where

    def check(self, raw: RawTable) -> None:
        """Raise BadData for what is wrong with the rows of one partition."""
        scan = self.scan(raw)
        if scan.rows:
            scan.finish(lambda row: place_row(self.plan, raw.number, row), complete=False)

    def has_doubts(self, raw: RawTable) -> bool:
        """Return whether there may be something wrong with the rows of a partition, X aside."""
        import numpy as np

        kept = self.kept(raw)
        if self.is_text and kept.column(self.roles.features[0]).null_count:
            return True
        if any(missing_mask(kept.column(name)) is not None for name in self.roles.others.values()):
            return True
        made = read_parts(kept, replace(self.roles, group=None, order=None))
        numbers = [part for part in made.values() if part is not None and part.dtype.kind == "f"]
        weight = made["weight"]
        negative = weight is not None and bool((weight < 0).any())
        return negative or not all(np.isfinite(part).all() for part in numbers)

    def kept(self, raw: RawTable) -> "pa.Table":
        """Return the rows that `data.missing` keeps, with the columns that the job sees."""
        if raw.kept is None:
            table = derive_table(raw.table, self.source.spec, self.source.where)
            raw.kept = drop_missing(table, self.roles, self.source)
            if raw.kept.num_rows < table.num_rows:
                raw.table = raw.table.slice(0, 0)  # two copies would be too many
        return raw.kept

    def parts(self, raw: RawTable) -> Parts:
        """Return what decides which rows are held out."""
        kept = self.kept(raw)
        found = read_parts(kept, replace(self.roles, weight=None))
        y = found["y"] if self.source.stratify else None
        return Parts(kept.num_rows, y, found["group"], found["order"])

    def labels(self, raw: RawTable) -> tuple[Any, Any]:
        """Return targets and weights of the kept rows of a partition; None for none."""
        parts = read_parts(self.kept(raw), replace(self.roles, group=None, order=None))
        return parts["y"], parts["weight"]

    def fit_statistics(
        self, raw: RawTable, training: "Numbers", columns: Sequence[ColumnSummary], dtype: Any
    ) -> TrainingStatistics:
        """Return the statistics of the training rows of a partition, told by a mask."""
        framed = self._frame(raw, columns, dtype)[training]
        numeric = [column.name for column in columns if column.kind == "numeric"]
        counted = framed[[column.name for column in columns if column.kind != "numeric"]]
        return measure_columns(framed[numeric].to_numpy(), numeric, counted)

    def values(
        self, raw: RawTable, training: "Numbers", names: Sequence[str], dtype: Any
    ) -> "Numbers":
        """Return columns of numbers of the training rows of a partition; missing ones are NaN."""
        return frames.numbers(self.kept(raw), names, dtype)[training]

    def _frame(self, raw: RawTable, columns: Sequence[ColumnSummary], dtype: Any) -> Any:
        return frames.frame(self.kept(raw), columns, dtype)

    def float_type(self, columns: Sequence[ColumnSummary]) -> Any:
        """Return the type of X."""
        numeric = [column.name for column in columns if column.kind == "numeric"]
        return frames.float_type(self.schema, numeric)

    def build_preparation(self, columns: Sequence[ColumnSummary], rows: int) -> Any:
        """Return the unfitted preparation, or None for texts."""
        if self.is_text:
            return None
        dtype = self.float_type(columns)
        prepare = preparation.build_preparation(columns, self.source.spec, rows, dtype)
        preparation.fit_derived(prepare, self.stored)
        return prepare

    def feature_names(self, prepare: Any) -> tuple[str, ...] | None:
        """Return the columns of X that a fitted preparation makes; None for texts."""
        return None if prepare is None else preparation.feature_names(prepare)

    def fit_preparation(
        self,
        prepare: Any,
        columns: Sequence[ColumnSummary],
        statistics: TrainingStatistics,
        middles: dict[str, float],
    ) -> Any:
        """Return the preparation fitted from the statistics of all training rows."""
        empty = frames.frame(self.schema.empty_table(), columns, self.float_type(columns))
        return fit_frame_preparation(prepare, empty, statistics, middles)

    def make(
        self, raw: RawTable, prepare: Any, columns: Sequence[ColumnSummary], width: int
    ) -> dict[str, Any]:
        """Return X, y, weight and group of the kept rows of a partition."""
        kept = self.kept(raw)
        parts = read_parts(kept, replace(self.roles, order=None))
        del parts["order"]
        return {"X": self._make_features(raw, prepare, columns, width), **parts}

    def _make_features(
        self, raw: RawTable, prepare: Any, columns: Sequence[ColumnSummary], width: int
    ) -> Any:
        import numpy as np

        kept = self.kept(raw)
        if self.source.spec.text is not None:
            return frames.texts(kept.column(self.source.spec.text))
        dtype = self.float_type(columns)
        if not kept.num_rows:
            return no_rows(width, preparation.makes_sparse(prepare), dtype)
        if (steps := preparation.numeric_steps(prepare)) is not None:
            parts = [
                preparation.transform_numbers(step, frames.numbers(kept, names, dtype))
                for step, names in steps
            ]
            return as_floats(parts[0] if len(parts) == 1 else np.hstack(parts), dtype)
        transform = preparation.column_transformer(prepare)
        return as_floats(transform.transform(self._frame(raw, columns, dtype)), dtype)
