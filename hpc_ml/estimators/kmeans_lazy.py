"""Methods of a fitted model over the rows of Dask collections, chunk by chunk and lazily."""

from collections.abc import Callable
from typing import Any

import numpy as np


def map_rows(work: Callable[[Any], np.ndarray], X: Any, empty: np.ndarray) -> Any:
    """Return what `work` makes of each chunk of rows.

    Parameters
    ----------
    work : callable
        Takes rows and returns an array with as many.
    X : Dask array or DataFrame
        Chunks may be empty.
    empty : ndarray of shape (0,) or (0, n_columns)
        What `work` would return of no rows.

    Returns
    -------
    Dask array, or for a DataFrame a Dask Series or DataFrame with its index
    """
    if not hasattr(X, "chunks"):
        return X.map_partitions(_map_frame, work, empty, meta=_framed(empty, X._meta.index))
    X = X.rechunk({1: -1})
    if empty.ndim == 1:
        return X.map_blocks(_map_chunk, work, empty, drop_axis=1, meta=empty, dtype=empty.dtype)
    chunks = (X.chunks[0], (empty.shape[1],))
    return X.map_blocks(_map_chunk, work, empty, chunks=chunks, meta=empty, dtype=empty.dtype)


def _map_chunk(rows: Any, work: Callable[[Any], np.ndarray], empty: np.ndarray) -> np.ndarray:
    return work(rows) if rows.shape[0] else empty


def _map_frame(frame: Any, work: Callable[[Any], np.ndarray], empty: np.ndarray) -> Any:
    return _framed(work(frame) if len(frame) else empty, frame.index)


def _framed(values: np.ndarray, index: Any) -> Any:
    import pandas as pd

    make = pd.Series if values.ndim == 1 else pd.DataFrame
    return make(values, index=index)
