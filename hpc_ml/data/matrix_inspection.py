"""What a matrix holds: arrays, svmlight, bundled tables and generators."""

from dataclasses import replace

from hpc_ml.data import notes
from hpc_ml.data.inspection import DataSummary, looked_at
from hpc_ml.data.matrix import Matrix, shape_matrix
from hpc_ml.data.matrix_scan import treat_missing
from hpc_ml.data.plan import PartitionPlan, read_first
from hpc_ml.data.source import DataSource
from hpc_ml.data.split import check_rows
from hpc_ml.data.target import Target, count_target


def inspect_matrix(plan: PartitionPlan, source: DataSource) -> DataSummary:
    """Return the summary of arrays, of a bundled table or of what a generator makes."""
    numbers = looked_at(plan)
    complete = len(numbers) == len(plan)
    seen = DataSummary(
        rows=None if complete else plan.n_rows,
        n_features=None,
        size_bytes=plan.size_bytes,
        digest=plan.data_digest,
        complete=complete,
        notes=plan.notes,
    )
    return _summarise(read_first(plan, len(numbers)), seen, source)


def _summarise(matrix: Matrix | None, seen: DataSummary, source: DataSource) -> DataSummary:
    """Return what was seen, completed by the matrix: all of it, its first rows, or None."""
    if matrix is None:
        return replace(seen, notes=_tell(seen, None, 0, 0, source))
    whole = shape_matrix(matrix, source)
    kept = treat_missing(whole, source)
    looked, rows = whole.X.shape[0], kept.X.shape[0]
    target = None
    if seen.complete:
        check_rows(rows, source)
    if kept.y is not None:
        target = count_target(kept.y, source, complete=seen.complete)
        seen = replace(
            seen, target=target.name, target_kind=target.kind, class_counts=target.classes
        )
    seen = replace(
        seen,
        rows=rows if seen.complete else seen.rows,
        n_features=None if kept.is_text else kept.X.shape[1],
    )
    return replace(seen, notes=_tell(seen, target, looked, looked - rows, source))


def _tell(
    seen: DataSummary, target: Target | None, looked: int, dropped: int, source: DataSource
) -> tuple[str, ...]:
    taken = notes.tell_scale(source, several=True)
    numbers = seen.n_features is not None
    return (
        *seen.notes,
        *([f"{seen.n_features} columns of numbers {taken}"] if numbers else []),
        *notes.tell_target(target, complete=seen.complete),
        *notes.tell_rows(seen.rows, dropped, source),
        *notes.tell_part(looked, complete=seen.complete),
    )
