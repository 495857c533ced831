"""Rows that lie in partitions: what an estimator sees of them, whoever reads them.

The plan of the partitions follows from the data alone, never from the workers, so that sums over
partitions have the same bits on any number of workers.
"""

from dataclasses import dataclass, fields
from typing import Any, Protocol


@dataclass
class Block:
    """The rows of one partition in a worker's memory.

    Attributes
    ----------
    X
        Rows x features, float32 or float64: a C-contiguous array or CSR; or a 1-D array of str.
    y, weight, group
        One value a row, or None: target as in the source, sample weight, query or group.
    held_out
        The rows of this partition that are held out for the score; training ignores them.
    """

    X: Any
    y: Any = None
    weight: Any = None
    group: Any = None
    held_out: "Block | None" = None

    def __len__(self) -> int:
        return int(self.X.shape[0])

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays, those held out included."""
        return sum(size_bytes(getattr(self, field.name)) for field in fields(self))


def size_bytes(value: Any) -> int:
    """Return the bytes that the arrays of a value take; texts are counted as Dask does."""
    if value is None:
        return 0
    if hasattr(value, "indptr"):
        return int(value.data.nbytes + value.indices.nbytes + value.indptr.nbytes)
    if getattr(getattr(value, "dtype", None), "kind", "") != "O" and hasattr(value, "nbytes"):
        return int(value.nbytes)
    from dask.sizeof import sizeof

    return int(sizeof(value))


class Partitions(Protocol):
    """A data set in partitions, as `Collective` has workers read it; travels to each of them."""

    @property
    def key(self) -> str:
        """A digest: the same key is the same data and plan, in every process."""

    @property
    def rows(self) -> tuple[int, ...]:
        """Training rows of each partition; some may be 0."""

    @property
    def bytes_each(self) -> tuple[int, ...]:
        """Planned memory of each partition."""

    @property
    def n_features(self) -> int:
        """Columns of X; 1 for texts."""

    def load(self, number: int) -> Any:
        """Return the Block of a partition; runs on a worker."""


class DerivedPartitions(Partitions, Protocol):
    """Partitions that are made from others which the workers already hold."""

    def derive(self, before: Any, number: int) -> Any:
        """Return the Block of a partition from what the worker held of it before."""
