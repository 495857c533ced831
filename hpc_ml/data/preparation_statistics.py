"""What the preparation of columns learns from training rows: sums that partitions add up.

Mean and variance are joined as by Chan, Golub and LeVeque, "Algorithms for computing the sample
variance", The American Statistician 37.3 (1983): 242-247.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Numbers = np.ndarray[Any, Any]


# Columns are measured in parts of this size, of which a few copies are made.
_MEASURED_BYTES = 16 * 2**20


@dataclass
class NumberStatistics:
    """Of columns of numbers, each an array with one value a column; NaN is missing.

    Attributes
    ----------
    count, missing
        Values that are there, and that are not.
    mean, squares
        Their mean, and the sum of their squared distances from it.
    low, high
        The smallest and the largest; infinite where there is none.
    """

    count: "Numbers"
    missing: "Numbers"
    mean: "Numbers"
    squares: "Numbers"
    low: "Numbers"
    high: "Numbers"

    def merge(self, behind: "NumberStatistics") -> None:
        """Take what was found in other rows."""
        import numpy as np

        count = self.count + behind.count
        share = np.divide(behind.count, count, out=np.zeros(len(count)), where=count > 0)
        step = behind.mean - self.mean
        self.squares = self.squares + behind.squares + step**2 * share * self.count
        self.mean = self.mean + step * share
        self.count, self.missing = count, self.missing + behind.missing
        self.low = np.minimum(self.low, behind.low)
        self.high = np.maximum(self.high, behind.high)

    def fill(self, values: "Numbers") -> "NumberStatistics":
        """Return what they are once these values stand for the missing ones; NaN leaves them."""
        import numpy as np

        filled = np.where(np.isnan(values), 0, self.missing)
        plain = np.where(np.isnan(values), 0.0, values)
        whole = NumberStatistics(
            self.count, self.missing - filled, self.mean, self.squares, self.low, self.high
        )
        whole.merge(
            NumberStatistics(
                filled,
                np.zeros_like(filled),
                plain,
                np.zeros(len(filled)),
                np.where(filled > 0, plain, np.inf),
                np.where(filled > 0, plain, -np.inf),
            )
        )
        return whole


@dataclass
class TrainingStatistics:
    """What was found in training rows.

    Attributes
    ----------
    rows : int
        How many there were.
    names : tuple of str
        The columns of `numbers`, in their order.
    numbers : NumberStatistics
        Of the columns of numbers.
    values : mapping
        Of each column of categories or booleans, how often each value came; None is missing.
    """

    rows: int
    names: tuple[str, ...]
    numbers: NumberStatistics
    values: dict[str, dict[Any, int]] = field(default_factory=dict)

    def merge(self, behind: "TrainingStatistics") -> None:
        """Take what was found in other rows."""
        self.rows += behind.rows
        self.numbers.merge(behind.numbers)
        for name, found in behind.values.items():
            own = self.values[name]
            for value, count in found.items():
                own[value] = own.get(value, 0) + count


def measure_columns(
    X: Any, names: Sequence[str], counted: "pd.DataFrame | None" = None
) -> TrainingStatistics:
    """Return the statistics of training rows.

    Parameters
    ----------
    X : array of rows x columns, or CSR
        The columns of numbers.
    names : sequence of str
        Their names.
    counted : DataFrame, optional
        The columns of which values are counted.
    """
    from scipy import sparse

    numbers = _measure_csr(X) if sparse.issparse(X) else _measure_array(X)
    values = {} if counted is None else {n: _count_values(counted[n]) for n in counted.columns}
    return TrainingStatistics(X.shape[0], tuple(names), numbers, values)


def _count_values(column: "pd.Series") -> dict[Any, int]:
    import pandas as pd

    found: dict[Any, int] = {}
    for value, count in column.value_counts(dropna=False, sort=False).items():
        label = None if pd.isna(value) else value.item() if hasattr(value, "item") else value
        found[label] = found.get(label, 0) + int(count)
    return found


def _measure_array(X: "Numbers") -> NumberStatistics:
    import numpy as np

    width = max(1, _MEASURED_BYTES // max(1, 8 * len(X)))
    parts = [_measure_part(X[:, at : at + width]) for at in range(0, max(1, X.shape[1]), width)]
    return NumberStatistics(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def _measure_part(X: "Numbers") -> "tuple[Numbers, ...]":
    """Return count, missing, mean, squares, low and high of a few columns."""
    import numpy as np

    part = X.astype(np.float64)
    gaps = np.isnan(part)
    missing = gaps.sum(axis=0)
    count = len(part) - missing
    low = np.where(gaps, np.inf, part).min(axis=0, initial=np.inf)
    high = np.where(gaps, -np.inf, part).max(axis=0, initial=-np.inf)
    part[gaps] = 0.0
    sums = part.sum(axis=0)
    mean = np.divide(sums, count, out=np.zeros(len(sums)), where=count > 0)
    part -= mean
    part[gaps] = 0.0
    return count, missing, mean, np.einsum("ij,ij->j", part, part), low, high


def _measure_csr(X: Any) -> NumberStatistics:
    """Return the same of CSR, zeros included; low and high are not looked for."""
    import numpy as np

    width = X.shape[1]
    there = ~np.isnan(X.data)
    columns, values = X.indices[there], X.data[there].astype(np.float64)
    missing = np.bincount(X.indices[~there], minlength=width)
    count = X.shape[0] - missing
    sums = np.bincount(columns, values, minlength=width)
    mean = np.divide(sums, count, out=np.zeros(width), where=count > 0)
    zeros = count - np.bincount(columns, minlength=width)
    squares = np.bincount(columns, (values - mean[columns]) ** 2, minlength=width) + zeros * mean**2
    return NumberStatistics(count, missing, mean, squares, np.zeros(width), np.zeros(width))


def most_frequent(counts: Mapping[Any, int]) -> Any:
    """Return the value that came most often, the smallest of several; None where none came."""
    there = {value: count for value, count in counts.items() if value is not None}
    most = max(there.values(), default=0)
    return min((value for value, count in there.items() if count == most), default=None)


def statistics_of_types(numeric: Sequence[str], booleans: Sequence[str]) -> TrainingStatistics:
    """Return what stands for statistics where the types of columns say all of a preparation."""
    import numpy as np

    found = measure_columns(np.array([[0.0], [1.0]]).repeat(len(numeric), axis=1), numeric)
    found.values = {name: {False: 1, True: 1} for name in booleans}
    return found
