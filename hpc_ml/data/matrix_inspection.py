"""What a matrix holds: arrays, svmlight, bundled tables and generators."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from hpc_ml.data import files, inspection, notes
from hpc_ml.data.generators import count_rows, estimate_bytes, parse_call
from hpc_ml.data.inspection import DataSummary
from hpc_ml.data.matrix import Matrix, check_words, shape_matrix, treat_missing
from hpc_ml.data.matrix_sources import read_matrix
from hpc_ml.data.source import DataSource, check_name
from hpc_ml.data.split import check_rows
from hpc_ml.data.target import Target, count_target
from hpc_ml.spec.data import BUNDLED


def inspect_name(name: str, source: DataSource) -> DataSummary:
    """Return the summary of a bundled table or of what a generator makes. Raises BadData."""
    check_name(name)
    if name in BUNDLED:
        return _summarise(read_matrix(source), _named(name, 0), source)
    call = parse_call(name, source.seed)
    seen = _named(str(call), estimate_bytes(call))
    if seen.size_bytes > inspection.WHOLE_BYTES:
        return _summarise(None, replace(seen, rows=count_rows(call), complete=False), source)
    return _summarise(read_matrix(source), seen, source)


def _named(name: str, size_bytes: int) -> DataSummary:
    import sklearn

    # Another version may make other numbers of the same words.
    words = f"{name} by scikit-learn {sklearn.__version__}"
    digest = hashlib.sha256(words.encode()).hexdigest()
    return DataSummary(rows=None, n_features=None, size_bytes=size_bytes, digest=digest)


def inspect_file(form: Any, path: Path, source: DataSource) -> DataSummary:
    """Return the summary of a file of arrays. Raises BadData."""
    check_words(source)
    seen = DataSummary(
        rows=None,
        n_features=None,
        size_bytes=files.size_bytes([path]),
        digest=files.digest([path]),
        notes=tuple(form.notes(source)),
    )
    if form.count_bytes(path) <= inspection.WHOLE_BYTES:
        return _summarise(read_matrix(source), seen, source)
    seen = replace(seen, rows=form.count_rows(path), complete=False)
    return _summarise(form.read_head(path, source), seen, source)


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
        size_bytes=seen.size_bytes or int(matrix.X.nbytes),
    )
    return replace(seen, notes=_tell(seen, target, looked, looked - rows, source))


def _tell(
    seen: DataSummary, target: Target | None, looked: int, dropped: int, source: DataSource
) -> tuple[str, ...]:
    numbers = seen.n_features is not None
    return (
        *seen.notes,
        *([f"{seen.n_features} columns of numbers taken as they are"] if numbers else []),
        *notes.tell_target(target, complete=seen.complete),
        *notes.tell_rows(seen.rows, dropped, source),
        *notes.tell_part(looked, complete=seen.complete),
    )
