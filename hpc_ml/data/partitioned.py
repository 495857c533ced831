"""Data in partitions, from the first look to the rows that an estimator gets.

What is done of a partition is done on its worker, by functions of the raw rows that it holds;
what is found is joined in the order of partitions, whichever worker found it.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpc_ml.data.column_scans import ColumnSummary
from hpc_ml.data.matrix import numbers_not_finite
from hpc_ml.data.partitioned_matrix import PartitionedMatrix
from hpc_ml.data.partitioned_split import HeldOut, NothingHeldOut, split_by_counts
from hpc_ml.data.partitioned_table import PartitionedTable
from hpc_ml.data.plan import plan_partitions
from hpc_ml.data.preparation import makes_sparse
from hpc_ml.data.preparation_statistics import statistics_of_types
from hpc_ml.data.source import DataSource
from hpc_ml.data.split import check_classes, check_rows
from hpc_ml.data.target import Target, TargetCounts
from hpc_ml.errors import BadData

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, Any]

Partitioned = PartitionedTable | PartitionedMatrix
# What an object of str takes beside its characters.
_STR_BYTES = 57


def open_partitions(source: DataSource) -> Partitioned:
    """Return the data of a job in partitions, from headers alone. Raises BadData."""
    plan = plan_partitions(source)
    if plan.kind == "table":
        return PartitionedTable(plan, source)
    return PartitionedMatrix(plan, source)


@dataclass(frozen=True)
class Recipe:
    """How the rows of each partition become those that an estimator gets; travels to workers.

    Parameters
    ----------
    data
        Where the rows come from.
    columns
        The columns to learn from.
    held_out
        Which rows are held out.
    rows
        Rows of each partition that are kept.
    width : int
        Columns of X; 1 for texts.
    preparation
        Fitted, or None.
    checked : bool
        Whether all rows have been looked at before.
    """

    data: Partitioned
    columns: tuple[ColumnSummary, ...]
    held_out: HeldOut
    rows: tuple[int, ...]
    width: int
    preparation: Any = None
    checked: bool = True

    @property
    def key(self) -> str:
        """A digest of the rows and of what is made of them, the same in every process."""
        words = [self.data.plan.key, self.data.source.key]
        return hashlib.sha256(json.dumps(words).encode()).hexdigest()[:16]

    def make(self, raw: Any) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """Return X, y, weight and group of a partition's training rows, and of those held out.

        Raises BadData for what is wrong with them, where they have not been looked at before.
        """
        if not self.checked:
            check_parts(raw, self.data)
        made = self.data.make(raw, self.preparation, self.columns, self.width)
        if not (self.checked or _is_finite(made["X"])):
            self.data.check(raw)
        if isinstance(self.held_out, NothingHeldOut):
            return made, None
        chosen = self.held_out.mask(raw.number, self.data.parts(raw))
        return _take(made, ~chosen), _take(made, chosen)

    def bytes_each(self) -> tuple[int, ...]:
        """Return about how many bytes of memory each partition takes when it is made."""
        import numpy as np

        plan, others = self.data.plan, 8 * len(self._others())
        if self.data.is_text:
            sizes = zip(plan.bytes_each, self.rows, strict=True)
            return tuple(size + rows * (_STR_BYTES + others) for size, rows in sizes)
        if plan.kind == "matrix" and plan.sparse:
            return plan.bytes_each
        item = np.dtype(self.data.float_type(self.columns)).itemsize
        row = item * self.width
        if makes_sparse(self.preparation):
            row = (item + 4) * len(self.columns) + 8
        return tuple(rows * (row + others) for rows in self.rows)

    def _others(self) -> list[str]:
        spec = self.data.source.spec
        parts = [self.data.target, spec.weight, spec.group]
        return [part for part in parts if part is not None]


def settle(data: Partitioned) -> Recipe | None:
    """Return the recipe that headers alone decide; None where rows must be looked at first.

    Raises BadData for what the headers rule out.
    """
    if not data.settled:
        return None
    rows = data.plan.rows or ()
    check_rows(sum(rows), data.source)
    held_out = split_by_counts(rows, data.source, grouped=data.grouped)
    return None if held_out is None else settled_recipe(data, held_out)


def settled_recipe(data: Partitioned, held_out: HeldOut) -> Recipe:
    """Return the recipe of data whose headers decide all but which rows are held out."""
    rows = data.plan.rows or ()
    columns = data.columns()
    prepare = data.build_preparation(columns, sum(rows))
    if prepare is not None:
        prepare = fit_by_types(data, prepare, columns)
    width = len(data.feature_names(prepare) or "1")
    return Recipe(data, columns, held_out, rows, width, prepare, checked=False)


def fit_by_types(data: Partitioned, prepare: Any, columns: Sequence[ColumnSummary]) -> Any:
    """Return a preparation fitted that depends on the types of columns alone."""
    by_kind = {
        kind: [column.name for column in columns if column.kind == kind]
        for kind in ("numeric", "boolean")
    }
    statistics = statistics_of_types(by_kind["numeric"], by_kind["boolean"])
    return data.fit_preparation(prepare, columns, statistics, {})


def check_parts(raw: Any, data: Partitioned) -> None:
    """Raise BadData for what is wrong with a partition's rows, the numbers of X aside.

    Rows that are not settled have all been looked at before.
    """
    if data.settled and data.has_doubts(raw):
        data.check(raw)


def _is_finite(X: Any) -> bool:
    """Return whether no number is missing or infinite."""
    return X.dtype.kind == "O" or not len(numbers_not_finite(X)[0])


def _take(made: dict[str, Any], mask: "Numbers") -> dict[str, Any]:
    return {name: None if part is None else part[mask] for name, part in made.items()}


@dataclass
class Measure:
    """What is known of rows: their targets, those trained on, and whether any weight is above 0."""

    target: TargetCounts
    trained: TargetCounts
    weighed: bool

    def merge(self, behind: "Measure") -> None:
        """Take what was found of the rows behind."""
        self.target.merge(behind.target)
        self.trained.merge(behind.trained)
        self.weighed |= behind.weighed

    def finish(self, data: Partitioned) -> Target | None:
        """Return the target of all rows, or None. Raises BadData for what rules learning out."""
        source = data.source
        if source.spec.weight is not None and not self.weighed:
            raise BadData(
                f"weight {source.spec.weight!r} is 0 in all rows",
                where=source.where,
                hint="name another column by data.weight",
            )
        if data.target is None:
            return None
        target = self.target.finish(data.target, source, complete=True)
        if self.trained.rows and target.classes is not None:
            check_classes(list(self.trained.counts), list(target.classes), source)
        return target


def measure(y: Any, weight: Any) -> Measure:
    """Return what is known of rows by their targets and weights, each an array or None."""
    found = Measure(TargetCounts(), TargetCounts(), weighed=False)
    if y is not None:
        found.target.add(y)
    if weight is not None:
        found.weighed = bool((weight > 0).any())
    return found


def measure_parts(training: Any, held_out: Any) -> Measure:
    """Return what is known of a partition's rows, given as objects with `y` and `weight`."""
    found = measure(training.y, training.weight)
    if held_out is not None:
        found.trained.merge(found.target)
        found.merge(measure(held_out.y, held_out.weight))
    return found
