"""What a partition knows of its labels from the last iteration of Lloyd's algorithm.

It only saves distances: labels are always those of scikit-learn's kernel, so that nothing that
comes out tells what was remembered.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.cluster._k_means_common import CHUNK_SIZE

from hpc_ml.estimators.lloyd_bounds import Bounds, Ground, Movement, is_settled, measure
from hpc_ml.estimators.lloyd_rows import Chunk, assign, take
from hpc_ml.estimators.partitions import Block

# Bounds begin when no more than this share of rows would be measured anew. They end when it is
# more than the other, and are not tried again for some iterations.
_BEGINNING = 0.2
_ENDING = 0.6
_PAUSE = 10
# One of so many rows tells the share.
_PROBES = 256

Rows = np.ndarray | range


class Track:
    """The labels of a partition by the last centres of one run and, while they pay, bounds.

    Parameters
    ----------
    block : Block
        Dense rows.
    offset : ndarray of shape (n_features,) or None
        What is subtracted from them.
    """

    def __init__(self, block: Block, offset: np.ndarray | None) -> None:
        self._block, self._offset = block, offset
        self._centres, self._labels = np.empty((0, 0)), np.empty(0)
        self._bounds: Bounds | None = None
        self._pause = 0

    def is_of(self, block: Block, offset: np.ndarray | None) -> bool:
        """Return whether these are the rows."""
        return self._block is block and np.array_equal(self._offset, offset)  # type: ignore[arg-type]

    def note(self, centres: np.ndarray, labels: np.ndarray) -> None:
        """Take the labels of all rows by some centres; they must not be changed later."""
        self._centres, self._labels = centres, labels

    def find_labels(self, centres: np.ndarray) -> np.ndarray | None:
        """Return the labels by the next centres, or None where the kernel finds them as soon."""
        if self._centres.shape != centres.shape:
            self._bounds = None
            return None
        ground, movement = Ground(centres), Movement.between(self._centres, centres)
        rows = self._rows_to_measure(ground, movement)
        return None if rows is None else self._assign(rows, ground)

    def _rows_to_measure(self, ground: Ground, movement: Movement) -> Rows | None:
        """Return the rows that bounds do not settle, or None where bounds do not pay."""
        n_rows = len(self._block)
        if self._pause:
            self._pause -= 1
            return None
        if self._bounds is None:
            if self._share_after(ground, movement) > _BEGINNING:
                return None
            self._bounds = Bounds(n_rows, ground.dtype)
            return range(n_rows)
        self._bounds.move(self._labels, movement)
        rows = self._bounds.unsettled(ground)
        if len(rows) > _ENDING * n_rows:
            self._end_bounds()
            return None
        return rows

    def _end_bounds(self) -> None:
        self._bounds, self._pause = None, _PAUSE

    def _share_after(self, ground: Ground, movement: Movement) -> float:
        """Return the share of rows that bounds would leave after another such movement."""
        probes = np.arange(0, len(self._block), _PROBES)
        left = 0
        for rows in _blocks(probes, ground.block_rows):
            X = take(self._block, self._offset, rows)
            found = measure(X, self._labels[rows], ground)
            upper = found.upper + movement.own[found.labels]
            lower = found.lower - movement.others[found.labels]
            left += int(np.count_nonzero(~is_settled(upper, lower, ground)))
            left += CHUNK_SIZE * int(np.count_nonzero(found.unsure))
        return left / len(probes)

    def _assign(self, rows: Rows, ground: Ground) -> np.ndarray:
        """Return all labels, of which only those of `rows` may be new."""
        assert self._bounds is not None
        labels, unsure = self._labels.copy(), np.zeros(len(self._labels), bool)
        for some in _blocks(rows, ground.block_rows):
            where = slice(some.start, some.stop) if isinstance(some, range) else some
            found = measure(take(self._block, self._offset, where), labels[where], ground)
            labels[where], unsure[where] = found.labels, found.unsure
            self._bounds.put(where, found)
        chunks = np.zeros(-(-len(labels) // CHUNK_SIZE), bool)
        chunks[np.flatnonzero(unsure) // CHUNK_SIZE] = True
        self._assign_whole_chunks(np.flatnonzero(chunks), labels, ground)
        return labels

    def _assign_whole_chunks(self, numbers: np.ndarray, labels: np.ndarray, ground: Ground) -> None:
        """Have the kernel find the labels of some of its chunks.

        Its last bits may depend on where in a chunk a row is, so that it gets no less.
        """
        if not len(numbers):
            return
        if len(numbers) * CHUNK_SIZE > _ENDING * len(labels):
            self._end_bounds()
        rows = (numbers[:, None] * CHUNK_SIZE + np.arange(CHUNK_SIZE)).ravel()
        rows = rows[rows < len(labels)]
        X = take(self._block, self._offset, rows)
        labels[rows] = assign(Chunk(0, X, np.ones(len(X), X.dtype)), ground.centres)


def _blocks(rows: Any, step: int) -> Iterator[Any]:
    for first in range(0, len(rows), step):
        yield rows[first : first + step]
