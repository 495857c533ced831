"""What the data of a job are, found before anything is submitted."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from hpc_ml.data.column_scans import ColumnSummary
from hpc_ml.data.source import DataSource
from hpc_ml.data.target import TargetKind

if TYPE_CHECKING:
    from hpc_ml.data.plan import PartitionPlan

# Data larger than this are looked at in their first part only: the rest is the workers' to check.
WHOLE_BYTES = 2**30
_FIRST_PART_BYTES = 128 * 2**20


@dataclass(frozen=True)
class DataSummary:
    """What `inspect` found.

    Attributes
    ----------
    rows : int or None
        Rows to learn from and to hold out, after data.missing=drop; None where only a reading of
        all the data would tell.
    columns : tuple of ColumnSummary
        Name, kind, missing values and number of categories of each column; () for a matrix.
    n_features : int or None
        Columns of the matrix that an estimator gets; None for texts.
    target, target_kind, class_counts
        The target's name; whether it is classes, text (classes that are words) or continuous; and
        the rows of each class by label, None for a continuous one.
    size_bytes : int
        Size on disk, or of the arrays where there is no file.
    digest : str
        Changes when the data do.
    complete : bool
        Whether all rows were looked at.
    notes : tuple of str
        Lines to tell the user.
    """

    rows: int | None
    n_features: int | None
    size_bytes: int
    digest: str
    columns: tuple[ColumnSummary, ...] = ()
    target: str | None = None
    target_kind: TargetKind | None = None
    class_counts: Mapping[Any, int] | None = None
    complete: bool = True
    notes: tuple[str, ...] = ()


def inspect(source: DataSource) -> DataSummary:
    """Return what the data of a job are, reading them once in bounded memory.

    Raises BadData for everything that makes them unreadable or impossible to learn from. Of
    data larger than 1 GiB the header and the first part are read, and `notes` says so.
    """
    from hpc_ml.data.matrix_inspection import inspect_matrix
    from hpc_ml.data.plan import plan_partitions
    from hpc_ml.data.table_inspection import inspect_table

    plan = plan_partitions(source)
    return inspect_table(plan, source) if plan.kind == "table" else inspect_matrix(plan, source)


def looked_at(plan: "PartitionPlan") -> range:
    """Return the numbers of the partitions to look at: all, or the first of large data.

    None where the first one alone would take too much memory.
    """
    if sum(plan.bytes_each) <= WHOLE_BYTES:
        return range(len(plan))
    sums = accumulate(plan.bytes_each)
    return range(sum(1 for total in sums if total <= _FIRST_PART_BYTES))
