"""What a table of named columns holds."""

from collections.abc import Sequence
from typing import Any

from hpc_ml.data import notes
from hpc_ml.data.columns import Roles, assign_roles
from hpc_ml.data.inspection import DataSummary, looked_at
from hpc_ml.data.plan import PartitionPlan, place_in_whole, read_partition
from hpc_ml.data.preparation import width_of
from hpc_ml.data.scan import Scanned, TableScan
from hpc_ml.data.source import DataSource
from hpc_ml.data.split import check_rows


def inspect_table(plan: PartitionPlan, source: DataSource) -> DataSummary:
    """Return the summary of a table, read partition by partition. Raises BadData."""
    assert plan.names is not None
    roles = assign_roles(plan.names, source)
    numbers = looked_at(plan)
    complete = len(numbers) == len(plan)
    scanned = _scan(plan, numbers, roles, source)
    if complete:
        check_rows(scanned.kept, source)
    rows = scanned.kept if complete else plan.n_rows
    return DataSummary(
        rows=rows,
        n_features=None if source.spec.text is not None else width_of(scanned.columns, source.spec),
        size_bytes=plan.size_bytes,
        digest=plan.data_digest,
        columns=scanned.columns,
        target=roles.target,
        target_kind=None if scanned.target is None else scanned.target.kind,
        class_counts=None if scanned.target is None else scanned.target.classes,
        complete=complete,
        notes=(
            *plan.notes,
            *roles.notes,
            *notes.tell_columns(scanned, source),
            *notes.tell_target(scanned.target, source, complete=complete),
            *notes.tell_rows(rows, scanned.rows - scanned.kept, source),
            *notes.tell_part(scanned.rows, complete=complete),
        ),
    )


def _scan(plan: PartitionPlan, numbers: Sequence[int], roles: Roles, source: DataSource) -> Scanned:
    """Return what is in the first partitions."""
    assert plan.schema is not None
    scan = TableScan(plan.schema, roles, source)
    for number in numbers:
        table: Any = read_partition(plan, number, roles.stored(source.spec))
        for batch in table.to_batches():
            scan.add(batch)
    if not numbers:
        return Scanned(0, 0, (), None)
    return scan.finish(lambda row: place_in_whole(plan, row), complete=len(numbers) == len(plan))
