"""One pass over the rows of a matrix that finds what cannot be learned from."""

from dataclasses import dataclass, field, replace
from typing import Any

from hpc_ml.data.column_scans import first_row
from hpc_ml.data.matrix import Matrix, numbers_not_finite
from hpc_ml.data.scan import missing_values
from hpc_ml.data.source import DataSource
from hpc_ml.data.target import TargetCounts
from hpc_ml.errors import BadData

_BLOCK_ROWS = 65_536
# The parts of a row beside X, and what messages call them.
_PARTS = {"y": "target", "weight": "weight", "group": "group", "order": "order"}


@dataclass
class PartScan:
    """What is wrong with the target, weight, group or order of the rows."""

    missing: int = 0
    first_missing: int | None = None
    infinite: int | None = None
    negative: int | None = None
    positive: bool = False

    def merge(self, behind: "PartScan", offset: int) -> None:
        """Take what a scan of the rows from `offset` on has found."""
        self.missing += behind.missing
        for name in ("first_missing", "infinite", "negative"):
            setattr(self, name, first_row(getattr(self, name), getattr(behind, name), offset))
        self.positive |= behind.positive


@dataclass
class MatrixScan:
    """What a scan has found of rows: how many, how many are kept, and the first of each fault.

    A scan of one partition counts its rows from 0; `merge` joins that of the partition behind.
    """

    rows: int = 0
    kept: int = 0
    missing: int = 0
    first_missing: tuple[int, str] | None = None
    infinite: tuple[int, str] | None = None
    parts: dict[str, PartScan] = field(default_factory=dict)
    target: TargetCounts | None = None

    @classmethod
    def of_good_rows(cls, rows: int, like: "MatrixScan") -> "MatrixScan":
        """Return a scan that has found nothing in so many rows before those of another."""
        parts = {name: PartScan(positive=True) for name in like.parts}
        return cls(rows=rows, kept=rows, parts=parts)

    def merge(self, behind: "MatrixScan") -> None:
        """Take what a scan of the rows behind these has found."""
        self.missing += behind.missing
        for name in ("first_missing", "infinite"):
            found = getattr(behind, name)
            if getattr(self, name) is None and found is not None:
                setattr(self, name, (found[0] + self.rows, found[1]))
        for name, part in behind.parts.items():
            self.parts[name].merge(part, self.rows)
        if self.target is not None and behind.target is not None:
            self.target.merge(behind.target)
        self.rows += behind.rows
        self.kept += behind.kept

    def check(self, source: DataSource, *, complete: bool = True) -> None:
        """Raise BadData for infinite values, and for missing ones that `data.missing` forbids."""
        if self.infinite is not None:
            row, name = self.infinite
            raise BadData(
                f"column {name!r} has an infinite value in row {row + 1:,}",
                where=source.where,
                hint="correct it, or leave the column out by data.drop",
            )
        if self.first_missing is not None and source.spec.missing == "error":
            row, name = self.first_missing
            raise BadData(
                f"{missing_values(self.missing, complete)} (NaN), "
                f"{_first_in(row, complete)}, column {name!r}",
                where=source.where,
                hint="drop the rows, or impute or keep the values, by --missing (data.missing)",
            )
        for name, part in self.parts.items():
            _check_part(_PARTS[name], part, source, complete)
        weight = self.parts.get("weight")
        if weight is not None and self.kept and not weight.positive:
            raise BadData(
                f"weight {source.spec.weight!r} is 0 in all rows",
                where=source.where,
                hint="name another column by data.weight",
            )


def _check_part(name: str, part: PartScan, source: DataSource, complete: bool) -> None:
    for problem, row in (("an infinite", part.infinite), ("a negative", part.negative)):
        if row is not None:
            raise BadData(
                f"the {name} has {problem} value in row {row + 1:,}",
                where=source.where,
                hint="correct it, or leave the row out",
            )
    if part.first_missing is not None and source.spec.missing != "drop":
        raise BadData(
            f"the {name} has {missing_values(part.missing, complete)}, "
            f"{_first_in(part.first_missing, complete)}",
            where=source.where,
            hint="leave such rows out by --missing drop (data.missing)",
        )


def _first_in(row: int, complete: bool) -> str:
    return f"{'the first' if complete else 'one'} in row {row + 1:,}"


def scan_matrix(matrix: Matrix, source: DataSource) -> tuple[MatrixScan, Matrix]:
    """Return what is found in rows, and those of them that `data.missing` keeps."""
    import numpy as np

    scan = MatrixScan(rows=matrix.X.shape[0])
    missing = np.zeros(scan.rows, dtype=bool)
    if not matrix.is_text:
        _scan_features(matrix, scan, missing)
    for name in _PARTS:
        values = getattr(matrix, name)
        if values is not None:
            scan.parts[name] = _scan_part(name, values, missing)
    kept = matrix
    if source.spec.missing == "drop" and missing.any():
        kept = take_rows(matrix, ~missing)
    scan.kept = kept.X.shape[0]
    if kept.y is not None:
        scan.target = TargetCounts()
        scan.target.add(kept.y[~np.isnan(kept.y)] if kept.y.dtype.kind == "f" else kept.y)
    return scan, kept


def treat_missing(matrix: Matrix, source: DataSource) -> Matrix:
    """Return the matrix without the rows that `data.missing` drops.

    Raises BadData for infinite values, and for missing ones where `data.missing` is error.
    """
    scan, kept = scan_matrix(matrix, source)
    scan.check(source)
    return kept


def take_rows(matrix: Matrix, rows: Any) -> Matrix:
    """Return these rows, by numbers or by a mask."""
    parts = {
        name: None if getattr(matrix, name) is None else getattr(matrix, name)[rows]
        for name in _PARTS
    }
    return replace(matrix, X=matrix.X[rows], **parts)


def _scan_features(matrix: Matrix, scan: MatrixScan, missing: Any) -> None:
    """Note what is not finite in X; mark the rows that miss values."""
    import numpy as np

    for start in range(0, len(missing), _BLOCK_ROWS):
        rows, columns, values = numbers_not_finite(matrix.X[start : start + _BLOCK_ROWS])
        infinite = np.isinf(values)
        if infinite.any() and scan.infinite is None:
            at = int(infinite.argmax())
            scan.infinite = (start + int(rows[at]), _name(matrix, columns[at]))
        rows, columns = rows[~infinite], columns[~infinite]
        if len(rows) and scan.first_missing is None:
            scan.first_missing = (start + int(rows[0]), _name(matrix, columns[0]))
        scan.missing += len(rows)
        missing[start + rows] = True


def _scan_part(name: str, values: Any, missing: Any) -> PartScan:
    """Return what is wrong with a part of the rows; mark the rows that miss it."""
    import numpy as np

    if values.dtype.kind != "f":
        negative = _first(values < 0) if name == "weight" else None
        positive = name == "weight" and bool((values > 0).any())
        return PartScan(negative=negative, positive=positive)
    without = np.isnan(values)
    missing |= without
    return PartScan(
        missing=int(without.sum()),
        first_missing=_first(without),
        infinite=_first(np.isinf(values)),
        negative=_first(values < 0) if name == "weight" else None,
        positive=bool((values > 0).any()),
    )


def _first(found: Any) -> int | None:
    return int(found.argmax()) if found.any() else None


def _name(matrix: Matrix, column: int) -> str:
    return matrix.names[column] if matrix.names else str(column)
