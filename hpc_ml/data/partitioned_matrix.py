"""A matrix in partitions: read, looked at and prepared, one partition at a time on its worker."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hpc_ml.data import preparation
from hpc_ml.data.column_scans import ColumnSummary
from hpc_ml.data.matrix import Matrix, as_floats, choose_names, float_width, no_rows, shape_matrix
from hpc_ml.data.matrix_scan import MatrixScan, scan_matrix
from hpc_ml.data.partitioned_split import Parts
from hpc_ml.data.plan import PartitionPlan, read_partition
from hpc_ml.data.preparation_fit import fit_matrix_preparation
from hpc_ml.data.preparation_statistics import TrainingStatistics, measure_columns
from hpc_ml.data.scan import Scanned
from hpc_ml.data.source import DataSource
from hpc_ml.errors import BadData

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, Any]


class RawMatrix:
    """The rows of a partition in the shape that is asked for, and what was found in them."""

    def __init__(self, number: int, matrix: Matrix) -> None:
        self.number = number
        self.matrix = matrix
        self.scanned: tuple[MatrixScan, Matrix] | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of X."""
        X = self.matrix.X
        return int(X.data.nbytes + X.indices.nbytes) if hasattr(X, "indptr") else int(X.nbytes)


@dataclass(frozen=True)
class PartitionedMatrix:
    """A source of numbers, or of texts without other columns.

    Parameters
    ----------
    plan, source
        Its partitions, and what the job asks of it.
    """

    plan: PartitionPlan
    source: DataSource

    @property
    def is_text(self) -> bool:
        """Whether X is texts."""
        return self.plan.dtype is not None and self.plan.dtype.kind == "O"

    @property
    def grouped(self) -> bool:
        """Whether rows belong to groups, by the job or by the file."""
        return self.source.spec.group is not None or getattr(self.plan.reading, "queries", False)

    @property
    def target(self) -> str | None:
        """What messages call the target; None where there is none."""
        return "y" if self.source.supervised else None

    @cached_property
    def names(self) -> tuple[str, ...] | None:
        """The columns to learn from; None for texts. Raises BadData for names that are none."""
        if self.is_text:
            return None
        known = self.plan.names or tuple(map(str, range(self.plan.n_columns)))
        return choose_names(known, self.source)

    def columns(self) -> tuple[ColumnSummary, ...]:
        """Return the columns to learn from."""
        return tuple(ColumnSummary(name, "numeric", 0) for name in self.names or ())

    @cached_property
    def settled(self) -> bool:
        """Whether X can be made, and rows be checked, one partition at a time."""
        spec = self.source.spec
        scaled = spec.scale != "none" and not self.is_text
        return self.plan.rows is not None and spec.missing in ("error", "keep") and not scaled

    def read(self, number: int) -> RawMatrix:
        """Return the rows of a partition."""
        rows: Any = read_partition(self.plan, number)
        return RawMatrix(number, shape_matrix(rows, self.source))

    def _scanned(self, raw: RawMatrix) -> tuple[MatrixScan, Matrix]:
        if raw.scanned is None:
            raw.scanned = scan_matrix(raw.matrix, self.source)
        return raw.scanned

    def scan(self, raw: RawMatrix) -> MatrixScan:
        """Return what is in the rows of a partition."""
        return self._scanned(raw)[0]

    def finish(self, scan: MatrixScan, rows: Sequence[int]) -> Scanned:
        """Return what the scans of all partitions found. Raises BadData."""
        if scan.rows == 0:
            raise BadData("there are no rows", where=self.plan.where)
        scan.check(self.source)
        target = None
        if scan.target is not None and scan.kept:
            target = scan.target.finish("y", self.source, complete=True)
        return Scanned(scan.rows, scan.kept, self.columns(), target)

    def check(self, raw: RawMatrix) -> None:
        """Raise BadData for what is wrong with the rows of one partition."""
        assert self.plan.rows is not None
        before = MatrixScan.of_good_rows(sum(self.plan.rows[: raw.number]), self.scan(raw))
        before.merge(self.scan(raw))
        before.check(self.source, complete=False)

    def has_doubts(self, raw: RawMatrix) -> bool:
        """Return whether there may be something wrong with the rows of a partition, X aside."""
        return True  # one look finds both, and it is made in any case

    def kept(self, raw: RawMatrix) -> Matrix:
        """Return the rows that `data.missing` keeps."""
        return self._scanned(raw)[1]

    def parts(self, raw: RawMatrix) -> Parts:
        """Return what decides which rows are held out."""
        kept = self.kept(raw)
        y = kept.y if self.source.stratify else None
        return Parts(kept.X.shape[0], y, kept.group, kept.order)

    def labels(self, raw: RawMatrix) -> tuple[Any, Any]:
        """Return targets and weights of the kept rows of a partition; None for none."""
        kept = self.kept(raw)
        return kept.y, kept.weight

    def fit_statistics(
        self, raw: RawMatrix, training: "Numbers", columns: Sequence[ColumnSummary], dtype: Any
    ) -> TrainingStatistics:
        """Return the statistics of the training rows of a partition, told by a mask."""
        X = self.kept(raw).X[training]
        return measure_columns(X, [str(number) for number in range(X.shape[1])])

    def values(
        self, raw: RawMatrix, training: "Numbers", names: Sequence[str], dtype: Any
    ) -> "Numbers":
        """Return columns, by number, of the training rows of a partition; missing ones are NaN."""
        chosen = self.kept(raw).X[training][:, [int(name) for name in names]]
        return chosen.toarray() if self.plan.sparse else chosen

    def float_type(self, columns: Sequence[ColumnSummary]) -> Any:
        """Return the type of X."""
        return None if self.is_text or self.plan.dtype is None else float_width(self.plan.dtype)

    def build_preparation(self, columns: Sequence[ColumnSummary], rows: int) -> Any:
        """Return the unfitted preparation, or None where it needs none."""
        if self.is_text:
            return None
        return preparation.build_matrix_preparation(self.source.spec, sparse=self.plan.sparse)

    def feature_names(self, prepare: Any) -> tuple[str, ...] | None:
        """Return the columns of X; None for texts."""
        return self.names

    def fit_preparation(
        self,
        prepare: Any,
        columns: Sequence[ColumnSummary],
        statistics: TrainingStatistics,
        middles: dict[str, float],
    ) -> Any:
        """Return the preparation fitted from the statistics of all training rows."""
        import numpy as np

        medians = np.array([middles.get(name, 0.0) for name in statistics.names])
        dtype = self.float_type(columns)
        return fit_matrix_preparation(prepare, dtype, self.plan.sparse, statistics, medians)

    def make(
        self, raw: RawMatrix, prepare: Any, columns: Sequence[ColumnSummary], width: int
    ) -> dict[str, Any]:
        """Return X, y, weight and group of the kept rows of a partition."""
        kept = self.kept(raw)
        X = kept.X
        if prepare is not None:
            dtype = self.float_type(columns)
            X = (
                as_floats(prepare.transform(X), dtype)
                if X.shape[0]
                else no_rows(width, self.plan.sparse, dtype)
            )
        return {"X": X, "y": kept.y, "weight": kept.weight, "group": kept.group}
