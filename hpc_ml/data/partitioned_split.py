"""The rows that are held out of each partition, the same on any number of workers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from hpc_ml.data.source import DataSource
from hpc_ml.data.split import check_classes, choose_groups, split_rows

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, Any]

# Up to so many rows they are those of `split_rows`, chosen among all rows at once.
EXACT_ROWS = 4_000_000
# The order in time of more rows is told from so many of each partition, evenly spaced.
_SAMPLED_TIMES = 10_000


@dataclass(frozen=True)
class Parts:
    """What decides of each row of a partition whether it is held out; None where not asked."""

    rows: int
    y: Any = None
    group: Any = None
    order: Any = None


class HeldOut(Protocol):
    """Which rows of each partition are held out."""

    def count(self, number: int, rows: int) -> int | None:
        """Return how many of a partition's rows are held out, or None where that must be seen."""

    def mask(self, number: int, parts: Parts) -> "Numbers":
        """Return of each row of a partition whether it is held out."""


@dataclass(frozen=True)
class NothingHeldOut:
    """No row at all."""

    def count(self, number: int, rows: int) -> int:
        """Return how many of a partition's rows are held out: none."""
        return 0

    def mask(self, number: int, parts: Parts) -> "Numbers":
        """Return of each row of a partition whether it is held out: of none."""
        import numpy as np

        return np.zeros(parts.rows, dtype=bool)


@dataclass(frozen=True)
class NumberedRows:
    """Rows by their numbers in each partition, ascending."""

    numbers: "tuple[Numbers, ...]"

    def count(self, number: int, rows: int) -> int:
        """Return how many of a partition's rows are held out."""
        return len(self.numbers[number])

    def mask(self, number: int, parts: Parts) -> "Numbers":
        """Return of each row of a partition whether it is held out."""
        import numpy as np

        mask = np.zeros(parts.rows, dtype=bool)
        mask[self.numbers[number]] = True
        return mask


@dataclass(frozen=True)
class LastRows:
    """All rows from a number on, counted over all partitions, of which each begins at `starts`."""

    first: int
    starts: tuple[int, ...]

    def count(self, number: int, rows: int) -> int:
        """Return how many of a partition's rows are held out."""
        return int(self.mask(number, Parts(rows)).sum())

    def mask(self, number: int, parts: Parts) -> "Numbers":
        """Return of each row of a partition whether it is held out."""
        import numpy as np

        return np.arange(parts.rows) + self.starts[number] >= self.first


@dataclass(frozen=True)
class SeededShare:
    """A share of each partition, drawn by the seed and its number; of classes, a share of each."""

    share: float
    seed: int

    def count(self, number: int, rows: int) -> int:
        """Return how many of a partition's rows are held out."""
        return int(self.mask(number, Parts(rows)).sum())

    def mask(self, number: int, parts: Parts) -> "Numbers":
        """Return of each row of a partition whether it is held out."""
        import numpy as np

        random = np.random.default_rng((self.seed, number))
        offset, drawn = random.random(), random.random(parts.rows)
        keys = (drawn,) if parts.y is None else (drawn, np.unique(parts.y, return_inverse=True)[1])
        # Every so many rows of the drawn order, from a drawn one on: of each class its share.
        steps = np.floor(np.arange(parts.rows + 1) * self.share + offset)
        mask = np.zeros(parts.rows, dtype=bool)
        mask[np.lexsort(keys)[np.diff(steps) > 0]] = True
        return mask


@dataclass(frozen=True)
class ChosenGroups:
    """All rows of some groups."""

    groups: "Numbers"

    def count(self, number: int, rows: int) -> None:
        """Return None: only the rows tell how many are held out."""

    def mask(self, number: int, parts: Parts) -> "Numbers":
        """Return of each row of a partition whether it is held out."""
        import numpy as np

        return np.isin(parts.group, self.groups)


@dataclass(frozen=True)
class After:
    """All rows after a point in time."""

    time: Any

    def count(self, number: int, rows: int) -> None:
        """Return None: only the rows tell how many are held out."""

    def mask(self, number: int, parts: Parts) -> "Numbers":
        """Return of each row of a partition whether it is held out."""
        mask: Numbers = parts.order > self.time
        return mask


def split_by_counts(rows: Sequence[int], source: DataSource, *, grouped: bool) -> HeldOut | None:
    """Return which rows are held out where the number of rows alone decides, else None."""
    import numpy as np

    spec, total = source.spec, sum(rows)
    starts = (0, *np.cumsum(rows)[:-1].tolist())
    if source.test_size == 0:
        return NothingHeldOut()
    if spec.by_time:
        if spec.order_by is not None:
            return None
        train, _ = split_rows_by_count(total, source)
        return LastRows(train, starts)
    if grouped:
        return None
    if total > EXACT_ROWS:
        return SeededShare(source.test_size, source.seed)
    if source.stratify:
        return None
    _, held_out = split_rows(total, None, source)
    return _by_partition(held_out, rows)


def split_rows_by_count(total: int, source: DataSource) -> tuple[int, int]:
    """Return how many rows are trained on and how many are held out, as scikit-learn counts."""
    from hpc_ml.data.target import count_held_out

    held_out = count_held_out(total, source.test_size)
    return total - held_out, held_out


def _by_partition(held_out: Any, rows: Sequence[int]) -> NumberedRows:
    """Return row numbers of all rows as those of their partitions."""
    import numpy as np

    ends = np.cumsum(rows)
    ordered = np.sort(held_out)
    parts = np.split(ordered, np.searchsorted(ordered, ends[:-1]))
    starts = [0, *ends[:-1]]
    return NumberedRows(
        tuple((part - start).astype(np.int32) for part, start in zip(parts, starts, strict=True))
    )


def key_of(parts: Parts) -> Any:
    """Return what the controller needs of a partition's rows to choose among all rows at once.

    Classes as labels and codes, groups once each, and the order in time.
    """
    import numpy as np

    if parts.group is not None:
        return np.unique(parts.group)
    if parts.order is not None:
        return parts.order
    labels, codes = np.unique(parts.y, return_inverse=True)
    return labels, codes.astype(np.min_scalar_type(len(labels)))


def sample_of(parts: Parts) -> "Numbers":
    """Return some of the points in time of a partition's rows, evenly spaced."""
    import numpy as np

    if parts.rows <= _SAMPLED_TIMES:
        return parts.order
    return np.sort(parts.order)[np.linspace(0, parts.rows - 1, _SAMPLED_TIMES).astype(int)]


def split_by_keys(
    keys: Sequence[Any], rows: Sequence[int], source: DataSource, *, grouped: bool
) -> HeldOut:
    """Return which rows are held out, chosen among all rows at once by what `key_of` gives."""
    import numpy as np

    if grouped:
        return ChosenGroups(choose_groups(np.unique(np.concatenate(keys)), source))
    total = sum(rows)
    if source.spec.order_by is not None:
        _, held_out = split_rows(total, None, source, order=np.concatenate(keys))
    else:
        labels = np.unique(np.concatenate([labels for labels, _ in keys]))
        narrow = np.min_scalar_type(len(labels))
        codes = np.concatenate(
            [np.searchsorted(labels, own).astype(narrow)[codes] for own, codes in keys]
        )
        held_out = _hold_out_of_classes(codes, source)
        check_classes(np.delete(codes, held_out), labels, source)
    return _by_partition(held_out, rows)


def _hold_out_of_classes(codes: "Numbers", source: DataSource) -> "Numbers":
    """Return the rows that `split_rows` holds out of classes, which are numbers from 0 on.

    The draws are those of StratifiedShuffleSplit (sklearn/model_selection/_split.py), whose lists
    of all rows take 40 bytes for each; here it is 16 for each row of a class, one at a time.
    """
    import numpy as np
    from sklearn.utils import check_random_state
    from sklearn.utils.extmath import _approximate_mode

    random = check_random_state(source.seed)
    counts = np.bincount(codes)
    n_train, n_held_out = split_rows_by_count(len(codes), source)
    n_train_of = _approximate_mode(counts, n_train, random)
    n_held_out_of = _approximate_mode(counts - n_train_of, n_held_out, random)
    found = []
    for code, (first, count) in enumerate(zip(n_train_of, n_held_out_of, strict=True)):
        drawn = random.permutation(counts[code])[first : first + count]
        found.append(np.flatnonzero(codes == code)[drawn])
    return np.concatenate(found)


def split_by_samples(samples: Sequence[Any], rows: Sequence[int], source: DataSource) -> After:
    """Return that the rows after a point in time are held out, as told by evenly spaced samples."""
    import numpy as np

    weights = np.concatenate(
        [np.full(len(sample), count / max(len(sample), 1))
         for sample, count in zip(samples, rows, strict=True)]
    )  # fmt: skip
    times = np.concatenate(samples)
    in_time = np.argsort(times, kind="stable")
    passed = np.cumsum(weights[in_time])
    train, _ = split_rows_by_count(sum(rows), source)
    last = min(int(np.searchsorted(passed, train)), len(times) - 1)
    return After(times[in_time][last])
