"""What a table of named columns holds."""

from pathlib import Path
from typing import Any

from hpc_ml.data import inspection, notes
from hpc_ml.data.column_scans import ColumnSummary
from hpc_ml.data.columns import assign_roles
from hpc_ml.data.files import digest, size_bytes
from hpc_ml.data.inspection import DataSummary
from hpc_ml.data.scan import Scanned, TableScan
from hpc_ml.data.source import DataSource
from hpc_ml.data.split import check_rows

_FIRST_PART_BYTES = 128 * 2**20


def inspect_table(form: Any, path: Path, source: DataSource) -> DataSummary:
    """Return the summary of a table, read batch by batch. Raises BadData."""
    files = form.files(path)
    size = size_bytes(files)
    roles = assign_roles(form.columns(path), source)
    scan, complete = form.feed(
        path,
        roles.names,
        lambda schema: TableScan(schema, roles, source, lambda row: form.place(path, row)),
        None if size <= inspection.WHOLE_BYTES else _FIRST_PART_BYTES,
    )
    scanned: Scanned = scan.finish(complete=complete)
    rows = scanned.kept if complete else form.count_rows(path)
    if complete:
        check_rows(scanned.kept, source)
    return DataSummary(
        rows=rows,
        n_features=None if source.spec.text is not None else _count_features(scanned, source),
        size_bytes=size,
        digest=digest(files),
        columns=scanned.columns,
        target=roles.target,
        target_kind=None if scanned.target is None else scanned.target.kind,
        class_counts=None if scanned.target is None else scanned.target.classes,
        complete=complete,
        notes=(
            *form.notes(path),
            *roles.notes,
            *notes.tell_columns(scanned, source),
            *notes.tell_target(scanned.target, complete=complete),
            *notes.tell_rows(rows, scanned.rows - scanned.kept, source),
            *notes.tell_part(scanned.rows, complete=complete),
        ),
    )


def _count_features(scanned: Scanned, source: DataSource) -> int:
    return sum(_width(column, source) for column in scanned.columns if column.kind != "target")


def _width(column: ColumnSummary, source: DataSource) -> int:
    if column.categories is None:
        return 1
    # A category that is kept missing is encoded as a category of its own.
    return column.categories + (column.missing > 0 and source.spec.missing == "keep")
