"""The training data in one worker process, and what is derived from them and shared by fits.

One Dask task holds them, so that the scheduler can make them again when workers die and moves
them to each worker once. What is derived stays in the process that made it, and all goes when
the search lets the task's future go.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import cached_property
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from hpc_ml.errors import BadData
from hpc_ml.estimators.recipe import Recipe, unpack
from hpc_ml.estimators.worker_data import StandIn, WorkerData

_DERIVED_SHARE = 0.25


class _Arrays:
    """X and y; a class of its own because tuples cannot be referred to weakly."""

    def __init__(self, X: Any, y: Any) -> None:
        self.X = X
        self.y = y


_loading = threading.Lock()
_loaded: WeakValueDictionary[str, _Arrays] = WeakValueDictionary()


class Resident:
    """X, y and recipe of one search, as they lie in one worker process."""

    def __init__(self, X: Any, y: Any, packed_recipe: bytes) -> None:
        self._source: WorkerData | None = X.data if isinstance(X, StandIn) else None
        self._sent = None if self._source is not None else (X, y)
        self._packed_recipe = packed_recipe
        self._prepare()

    def _prepare(self) -> None:
        self._lock = threading.RLock()
        self._arrays: _Arrays | None = None
        self.derived = DerivedCache()
        self.unshareable: set[str] = set()

    def __getstate__(self) -> tuple[Any, ...]:
        return (self._source, self._sent, self._packed_recipe)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self._source, self._sent, self._packed_recipe = state
        self._prepare()

    def __sizeof__(self) -> int:
        from dask.sizeof import sizeof

        return object.__sizeof__(self) + len(self._packed_recipe) + int(sizeof(self._sent))

    @cached_property
    def recipe(self) -> Recipe:
        return unpack(self._packed_recipe, "the estimator")

    @cached_property
    def native_pools(self) -> Any:
        """The native thread pools of this process, once the estimator's libraries are loaded."""
        from threadpoolctl import ThreadpoolController

        assert self.recipe
        return ThreadpoolController()

    def arrays(self) -> tuple[Any, Any]:
        """Return X and y, read or aligned by the first who asks."""
        with self._lock:
            if self._arrays is None:
                if self._source is not None:
                    self._arrays = _load(self._source)
                else:
                    assert self._sent is not None
                    X, y = (align(part) for part in self._sent)
                    self._arrays = _Arrays(X, y)
                    self._sent = (X, y)
        return self._arrays.X, self._arrays.y


def _load(source: WorkerData) -> _Arrays:
    with _loading:
        arrays = _loaded.get(source.key)
        if arrays is None:
            X, y = source.load()
            found = X.shape[0] if hasattr(X, "shape") else len(X)
            if found != source.n_samples:
                raise BadData(
                    f"the training data have {found} rows here, not {source.n_samples}",
                    hint="they changed since the search began, or this worker sees other files",
                )
            arrays = _loaded[source.key] = _Arrays(X, y)
    return arrays


def align(data: Any) -> Any:
    """Return data in aligned, writable memory: what comes by network need not be, and is slow."""
    from scipy.sparse import issparse

    if isinstance(data, np.ndarray):
        return np.require(data, requirements=["A", "W"])
    if issparse(data):
        for name in ("data", "indices", "indptr", "row", "col"):
            if isinstance(getattr(data, name, None), np.ndarray):
                setattr(data, name, align(getattr(data, name)))
        return data
    if hasattr(data, "iloc"):
        return data.copy()
    return data


class DerivedCache:
    """What fits share, up to a part of the worker's memory; the least recently used goes first."""

    def __init__(self, limit_bytes: int | None = None) -> None:
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._makers: dict[Hashable, threading.Lock] = {}
        self._used_bytes = 0

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return the entry; where there is none, make it, in one thread only."""
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
                return self._entries[key][0]
            maker = self._makers.setdefault(key, threading.Lock())
        with maker:
            with self._lock:
                if key in self._entries:
                    return self._entries[key][0]
            value = make()
            with self._lock:
                self._keep(key, value)
                self._makers.pop(key, None)
        return value

    def _keep(self, key: Hashable, value: Any) -> None:
        from dask.sizeof import sizeof

        if self._limit_bytes is None:
            self._limit_bytes = int(_DERIVED_SHARE * _memory_bytes())
        size_bytes = int(sizeof(value))
        if key in self._entries or size_bytes > self._limit_bytes:
            return
        while self._used_bytes + size_bytes > self._limit_bytes:
            _, (_, freed_bytes) = self._entries.popitem(last=False)
            self._used_bytes -= freed_bytes
        self._entries[key] = (value, size_bytes)
        self._used_bytes += size_bytes


def _memory_bytes() -> int:
    from distributed import get_worker
    from distributed.system import MEMORY_LIMIT

    try:
        return get_worker().memory_manager.memory_limit or MEMORY_LIMIT
    except ValueError:
        return MEMORY_LIMIT
