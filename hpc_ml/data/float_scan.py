"""What a pass over the rows keeps of all columns of floats together.

A table may have thousands of them, and Arrow's functions take one column at a time.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hpc_ml.data.column_scans import ColumnSummary, Place, refuse_infinite
from hpc_ml.data.frames import numbers

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    Numbers = np.ndarray[Any, Any]


class FloatScan:
    """Columns of floats: missing values, the smallest and largest, and what is infinite.

    Parameters
    ----------
    names : sequence of str
        The columns.
    dtype
        The width of the widest of them.
    """

    def __init__(self, names: Sequence[str], dtype: Any) -> None:
        import numpy as np

        self.names = tuple(names)
        self.positions = {name: position for position, name in enumerate(names)}
        self._dtype = dtype
        self.missing = np.zeros(len(self.names), dtype=np.int64)
        self.first_missing: dict[str, int] = {}
        self._infinite: dict[str, int] = {}
        self._low = np.full(len(self.names), np.inf)
        self._high = np.full(len(self.names), -np.inf)

    def read(self, batch: "pa.RecordBatch") -> "Numbers":
        """Return the columns of a batch as rows; missing values are NaN."""
        import pyarrow as pa

        return numbers(pa.Table.from_batches([batch]), self.names, self._dtype)

    def find_missing(self, rows: "Numbers", start: int) -> "Numbers | None":
        """Count the missing values of rows that begin at a number; return where, or None."""
        import numpy as np

        # One sum tells most rows complete without a mask as large as they are.
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(rows.sum()):
                return None
        gaps = np.isnan(rows)
        counts = gaps.sum(axis=0)
        self.missing += counts
        self._note(self.first_missing, gaps, counts, np.arange(start, start + len(rows)))
        return gaps

    def add(self, rows: "Numbers", numbers_of_rows: "Numbers") -> None:
        """Take the next rows that are kept, and their numbers."""
        import numpy as np

        self._low = np.fmin(self._low, np.fmin.reduce(rows, axis=0, initial=np.inf))
        self._high = np.fmax(self._high, np.fmax.reduce(rows, axis=0, initial=-np.inf))
        found = np.isinf(self._low) | np.isinf(self._high)
        if len(rows) and found.any():
            infinite = np.isinf(rows)
            self._note(self._infinite, infinite, infinite.sum(axis=0), numbers_of_rows)

    def _note(
        self, firsts: dict[str, int], found: "Numbers", counts: "Numbers", rows: "Numbers"
    ) -> None:
        for position in counts.nonzero()[0]:
            name = self.names[position]
            firsts.setdefault(name, int(rows[found[:, position].argmax()]))

    def merge(self, behind: "FloatScan", offset: int) -> None:
        """Take what a scan of the rows from `offset` on has found."""
        import numpy as np

        self.missing = self.missing + behind.missing
        self._low = np.fmin(self._low, behind._low)
        self._high = np.fmax(self._high, behind._high)
        for firsts, others in (
            (self.first_missing, behind.first_missing),
            (self._infinite, behind._infinite),
        ):
            for name, row in others.items():
                firsts.setdefault(name, row + offset)

    def check_numbers(self, place: Place) -> None:
        """Raise BadData for an infinite value."""
        for name in self.names:
            if name in self._infinite:
                refuse_infinite(name, place(self._infinite[name]))

    def counts(self) -> dict[str, int]:
        """Return how many values of each column are missing."""
        return dict(zip(self.names, self.missing.tolist(), strict=True))

    def summaries(self) -> dict[str, ColumnSummary]:
        """Return what was found of each column, by name."""
        constant = dict(zip(self.names, (self._low == self._high).tolist(), strict=True))
        return {
            name: ColumnSummary(name, "numeric", missing, constant=constant[name])
            for name, missing in self.counts().items()
        }
