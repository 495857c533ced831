"""What a matrix holds: arrays, svmlight, bundled tables and generators."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from hpc_ml.data import notes
from hpc_ml.data.inspection import DataSummary, looked_at
from hpc_ml.data.matrix import shape_matrix
from hpc_ml.data.matrix_scan import MatrixScan, scan_matrix
from hpc_ml.data.plan import PartitionPlan, read_partition
from hpc_ml.data.source import DataSource
from hpc_ml.data.split import check_rows
from hpc_ml.data.target import Target


def inspect_matrix(plan: PartitionPlan, source: DataSource) -> DataSummary:
    """Return the summary of a matrix, read partition by partition. Raises BadData."""
    numbers = looked_at(plan)
    complete = len(numbers) == len(plan)
    scan, n_features = _scan(plan, numbers, source)
    seen = DataSummary(
        rows=None if complete else plan.n_rows,
        n_features=n_features,
        size_bytes=plan.size_bytes,
        digest=plan.data_digest,
        complete=complete,
        notes=plan.notes,
    )
    return _summarise(scan, seen, source)


def _scan(
    plan: PartitionPlan, numbers: Iterable[int], source: DataSource
) -> tuple[MatrixScan | None, int | None]:
    """Return what partitions hold, None for none of them, and the columns that are learned from."""
    whole, n_features = None, None
    for number in numbers:
        rows: Any = read_partition(plan, number)
        scan, kept = scan_matrix(shape_matrix(rows, source), source)
        n_features = None if kept.is_text else kept.X.shape[1]
        if whole is None:
            whole = scan
        else:
            whole.merge(scan)
    return whole, n_features


def _summarise(scan: MatrixScan | None, seen: DataSummary, source: DataSource) -> DataSummary:
    """Return what was seen, completed by the scan of all rows, of the first ones, or of none."""
    if scan is None:
        return replace(seen, notes=_tell(seen, None, 0, 0, source))
    scan.check(source)
    if seen.complete:
        check_rows(scan.kept, source)
        seen = replace(seen, rows=scan.kept)
    target = None
    if scan.target is not None:
        target = scan.target.finish("y", source, complete=seen.complete)
        seen = replace(
            seen, target=target.name, target_kind=target.kind, class_counts=target.classes
        )
    return replace(seen, notes=_tell(seen, target, scan.rows, scan.rows - scan.kept, source))


def _tell(
    seen: DataSummary, target: Target | None, looked: int, dropped: int, source: DataSource
) -> tuple[str, ...]:
    taken = notes.tell_scale(source, several=True)
    numbers = seen.n_features is not None
    return (
        *seen.notes,
        *([f"{seen.n_features} columns of numbers {taken}"] if numbers else []),
        *notes.tell_target(target, source, complete=seen.complete),
        *notes.tell_rows(seen.rows, dropped, source),
        *notes.tell_part(looked, complete=seen.complete),
    )
