"""The order in which incremental training sees partitions and rows: by seed, never by workers.

A model that is trained by `partial_fit` depends on the order of its data. So the order follows
from the seed, the epoch and the partition's number alone, and `partial_fit_calls` yields it for
anyone who wants to repeat a training in one process.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from math import ceil, isqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import check_random_state

if TYPE_CHECKING:
    from hpc_ml.estimators.partitions import Partitions

Rows = slice | np.ndarray

_ALL = slice(None)


class _Draw(IntEnum):
    """What a random number is drawn for, so that no two purposes share a stream."""

    PARTITIONS = 0
    ROWS = 1
    VALIDATION = 2


def draw_seed(random_state: Any) -> int:
    """Return the seed of a training: one number, also where `random_state` is None."""
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


@dataclass(frozen=True)
class TrainingOrder:
    """Which rows are seen when, and which are held back for validation.

    Parameters
    ----------
    seed : int
        From `draw_seed`.
    shuffle : bool, default=True
        Whether partitions, and the rows that are cut into batches, come in an order of chance.
    batch_size : int or None, default=None
        Rows of one call of `partial_fit`; None gives it a partition at a time.
    validation_fraction : float, default=0.0
        Share of each partition's rows that is held back.
    """

    seed: int
    shuffle: bool = True
    batch_size: int | None = None
    validation_fraction: float = 0.0

    def partitions(self, count: int, epoch: int) -> list[int]:
        """Return the partitions' numbers in the order of an epoch.

        Neighbours lie on one worker mostly, so they are taken in runs of about the square root
        of their number: the model travels once a run. Where runs begin, their order and the
        order inside each are drawn anew for each epoch.
        """
        if not self.shuffle:
            return list(range(count))
        random = self._random(_Draw.PARTITIONS, epoch)
        length = max(1, isqrt(count))
        begins = range(int(random.integers(length)), count, length)
        runs = np.split(np.arange(count), begins)
        shuffled = [random.permutation(runs[run]) for run in random.permutation(len(runs))]
        return [int(number) for run in shuffled for number in run]

    def split(self, rows: int, number: int) -> tuple[Rows, Rows]:
        """Return the rows of a partition that are trained on, and those that are held back.

        They are the same in every epoch. A partition of one row holds none back.
        """
        held_back = min(ceil(rows * self.validation_fraction), rows - 1)
        if held_back <= 0:
            return _ALL, slice(0, 0)
        order = self._random(_Draw.VALIDATION, number).permutation(rows)
        return np.sort(order[held_back:]), np.sort(order[:held_back])

    def check_holds_back(self, rows: Sequence[int]) -> None:
        """Raise ValueError where no partition has a row to hold back."""
        if self.validation_fraction > 0 and max(rows, default=0) < 2:
            raise ValueError(
                f"validation_fraction holds no rows back: n_samples={sum(rows)} in "
                f"{len(rows)} partitions, none of 2 rows"
            )

    def batches(self, rows: int, number: int, epoch: int) -> Iterator[Rows]:
        """Yield the rows of each call of `partial_fit` on a partition, in their order.

        Rows that come a partition at a time keep their order: estimators that care for it
        shuffle what they are given themselves.
        """
        if not rows:
            return
        trained, _ = self.split(rows, number)
        if self.batch_size is None:
            yield trained
            return
        kept = np.arange(rows)[trained]
        if self.shuffle:
            kept = self._random(_Draw.ROWS, epoch, number).permutation(kept)
        for begin in range(0, len(kept), self.batch_size):
            yield kept[begin : begin + self.batch_size]

    def _random(self, draw: _Draw, *numbers: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, draw, *numbers])


def take(values: Any, rows: Rows) -> Any:
    """Return these rows of an array or CSR matrix, itself where they are all, None of None."""
    return values if values is None or rows is _ALL else values[rows]


def partial_fit_calls(
    partitions: "Partitions", order: TrainingOrder, epochs: int = 1
) -> Iterator[tuple[Any, Any, Any]]:
    """Yield X, y and sample weights of each call of `partial_fit` that a training makes.

    The training of `Incremental` is, bit for bit,

        for X, y, sample_weight in partial_fit_calls(partitions, order, epochs):
            model.partial_fit(X, y, classes=classes, sample_weight=sample_weight)

    Parameters
    ----------
    partitions : Partitions
        The data; partitions are loaded one after another in this process.
    order : TrainingOrder
        The order; `Incremental` makes it of its own parameters.
    epochs : int, default=1
        Passes over the data.
    """
    load = getattr(partitions, "send", partitions.load)
    for epoch in range(epochs):
        for number in order.partitions(len(partitions.rows), epoch):
            block = load(number)
            for rows in order.batches(block.X.shape[0], number, epoch):
                yield take(block.X, rows), take(block.y, rows), take(block.weight, rows)
