"""What the preparation of data in partitions learns from their training rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpc_ml.data.column_scans import ColumnSummary
from hpc_ml.data.partitioned import Partitioned
from hpc_ml.data.partitioned_split import HeldOut
from hpc_ml.data.preparation import strategy_of
from hpc_ml.data.preparation_statistics import TrainingStatistics

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, Any]

# Medians and most frequent values are found among all values of so many rows and bytes; of more,
# in a sample. They come to the controller in parts.
MOST_ROWS = 2_000_000
_MOST_BYTES = 2**30
SAMPLED_ROWS = 200_000
_PART_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Training:
    """The training rows of data in partitions; travels to workers.

    Parameters
    ----------
    data, columns, held_out
        Where the rows come from, the columns to learn from, and which rows are held out.
    """

    data: Partitioned
    columns: tuple[ColumnSummary, ...]
    held_out: HeldOut

    def mask(self, raw: Any) -> "Numbers":
        """Return which of the kept rows of a partition are trained on."""
        return ~self.held_out.mask(raw.number, self.data.parts(raw))

    def tally(self, raw: Any) -> "tuple[int, Numbers | None]":
        """Return how many rows of a partition are held out, and the classes of the others."""
        import numpy as np

        parts = self.data.parts(raw)
        chosen = self.held_out.mask(raw.number, parts)
        labels = None if parts.y is None else np.unique(parts.y[~chosen])
        return int(chosen.sum()), labels

    def statistics(self, raw: Any) -> TrainingStatistics:
        """Return the statistics of a partition's training rows."""
        dtype = self.data.float_type(self.columns)
        return self.data.fit_statistics(raw, self.mask(raw), self.columns, dtype)

    def values(self, raw: Any, names: Sequence[str], share: float) -> "Numbers":
        """Return a share, drawn by the seed, of the values of columns in training rows."""
        import numpy as np

        dtype = self.data.float_type(self.columns)
        rows = np.flatnonzero(self.mask(raw))
        if share < 1:
            random = np.random.default_rng((self.data.source.seed, raw.number))
            rows = rows[random.random(len(rows)) < share]
        return self.data.values(raw, rows, names, dtype)

    def needs_statistics(self) -> bool:
        """Return whether the preparation depends on the rows."""
        spec = self.data.source.spec
        if self.data.is_text:
            return False
        kinds = {column.kind for column in self.columns}
        imputed = any(strategy_of(column, spec) is not None for column in self.columns)
        return "category" in kinds or imputed or spec.scale != "none"

    def middles(self) -> dict[str, str]:
        """Return the columns of numbers that are imputed by a value in their middle, and which."""
        spec = self.data.source.spec
        strategies = {
            column.name: strategy_of(column, spec)
            for column in self.columns
            if column.kind == "numeric"
        }
        chosen = ("median", "most_frequent")
        by_number = self.data.plan.kind == "matrix"
        return {
            str(number) if by_number else name: str(strategy)
            for number, (name, strategy) in enumerate(strategies.items())
            if strategy in chosen
        }


def gathered_share(rows: int, columns: int) -> float:
    """Return the share of all training rows in whose values medians are found; 1 for all."""
    if rows <= MOST_ROWS and 8 * rows * columns <= _MOST_BYTES:
        return 1.0
    return min(1.0, min(SAMPLED_ROWS, _PART_BYTES / (8 * columns)) / rows)


def gathered_batches(names: Sequence[str], rows: float) -> list[list[str]]:
    """Return columns in parts of which the values fit the memory of the controller."""
    size = max(1, int(_PART_BYTES // max(1, 8 * rows)))
    return [list(names[start : start + size]) for start in range(0, len(names), size)]


def find_middle(values: "Numbers", strategy: str) -> float:
    """Return the median or the most frequent of the values that are there; 0 where none is."""
    import numpy as np

    there = values[~np.isnan(values)]
    if not len(there):
        return 0.0
    if strategy == "median":
        return float(np.median(there))
    found, counts = np.unique(there, return_counts=True)
    return float(found[counts.argmax()])
