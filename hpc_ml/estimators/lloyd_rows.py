"""The rows of a partition in chunks, as scikit-learn's K-means kernels take them.

The offset is subtracted chunk by chunk, in a core's cache: that needs no second copy of the rows.
"""

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.cluster._k_means_common import CHUNK_SIZE
from sklearn.cluster._k_means_lloyd import lloyd_iter_chunked_dense, lloyd_iter_chunked_sparse

from hpc_ml.estimators.partitions import Block

# Rows less their offset stay in a core's cache; others only need an end to float32 sums.
_CACHED_BYTES = 2**21
_CHUNK_BYTES = 2**23
_OFFSETS = 2**15


@dataclass(frozen=True)
class Chunk:
    """Some rows of a partition, less the offset; `first` is the number of their first row."""

    first: int
    X: Any
    weight: np.ndarray

    def __len__(self) -> int:
        return len(self.weight)


def assign(chunk: Chunk, centres: np.ndarray) -> np.ndarray:
    """Return the number of the nearest centre of each row, int32."""
    labels = np.empty(len(chunk), np.int32)
    kernel = lloyd_iter_chunked_sparse if sp.issparse(chunk.X) else lloyd_iter_chunked_dense
    shift = np.empty(len(centres), centres.dtype)
    kernel(chunk.X, chunk.weight, centres, None, None, labels, shift, 1, update_centers=False)
    return labels


def take(block: Block, offset: np.ndarray | None, rows: np.ndarray | slice) -> np.ndarray:
    """Return some dense rows of a partition less the offset, with the bits they have in a chunk."""
    X: np.ndarray = block.X[rows] if isinstance(rows, slice) else block.X.take(rows, axis=0)
    return X if offset is None else X - offset


def chunks_of(block: Block, offset: np.ndarray | None) -> Iterator[Chunk]:
    """Yield the rows of a partition in chunks; what is yielded holds until the next one."""
    n_rows, n_features = block.X.shape
    if not n_rows:
        return
    if sp.issparse(block.X):
        yield Chunk(0, _with_short_indices(block.X), _weights(block, slice(0, n_rows)))
        return
    chunk_bytes = _CHUNK_BYTES if offset is None else _CACHED_BYTES
    fitting = chunk_bytes // (block.X.itemsize * n_features)
    chunk_rows = min(n_rows, max(CHUNK_SIZE, fitting // CHUNK_SIZE * CHUNK_SIZE))
    if offset is not None:
        shifted = _borrow((chunk_rows, n_features), block.X.dtype)
        offsets = np.tile(offset, (min(chunk_rows, max(1, _OFFSETS // n_features)), 1))
    for first in range(0, n_rows, chunk_rows):
        rows = slice(first, min(first + chunk_rows, n_rows))
        X = block.X[rows]
        if offset is not None:
            X = _subtract(X, offsets, out=shifted[: len(X)])
        yield Chunk(first, X, _weights(block, rows))


def _subtract(X: np.ndarray, offsets: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Subtract an offset that is there for many rows: one row against many is slow if short."""
    step = len(offsets)
    for first in range(0, len(X), step):
        part = X[first : first + step]
        np.subtract(part, offsets[: len(part)], out=out[first : first + step])
    return out


_lent = threading.local()


def _borrow(shape: tuple[int, int], dtype: Any) -> np.ndarray:
    """Return an array of any content, which the next borrower gets too.

    New memory for every partition would cost a good part of the work on it.
    """
    size_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    held = getattr(_lent, "bytes", None)
    if held is None or len(held) < size_bytes:
        held = _lent.bytes = np.empty(size_bytes, np.uint8)
    return held[:size_bytes].view(dtype).reshape(shape)


def _weights(block: Block, rows: slice) -> np.ndarray:
    if block.weight is None:
        return np.ones(rows.stop - rows.start, block.X.dtype)
    return np.ascontiguousarray(block.weight[rows], block.X.dtype)


def _with_short_indices(X: Any) -> Any:
    """Return the matrix with the 32-bit indices that the kernels take."""
    if X.indices.dtype == np.int32 and X.indptr.dtype == np.int32:
        return X
    if max(X.nnz, X.shape[1]) > np.iinfo(np.int32).max:
        raise ValueError("a sparse partition has more values than 32-bit indices can count")
    parts = X.data, X.indices.astype(np.int32), X.indptr.astype(np.int32)
    return sp.csr_matrix(parts, shape=X.shape)
