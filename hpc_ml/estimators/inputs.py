"""What users hand to `fit` turned into partitions: arrays, sparse matrices, frames, Dask's own."""

import asyncio
import hashlib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from hpc_ml.estimators.collective import Collective
from hpc_ml.estimators.here import HereCollective
from hpc_ml.estimators.holder import align_block
from hpc_ml.estimators.partitions import Block, size_bytes
from hpc_ml.estimators.surroundings import current_client

if TYPE_CHECKING:
    from distributed import Client, Worker

# Many partitions even out the workers; too small ones cost more than their work.
_PARTITIONS = 32
_SMALLEST_BYTES = 2**20
_LARGEST_BYTES = 64 * 2**20
_ASK_AGAIN_S = 0.2

AnyCollective = Collective | HereCollective


def is_partitioned(X: Any) -> bool:
    """Return whether X is no array of this process: partitions, a collective, Dask's collection."""
    return isinstance(X, Collective | HereCollective) or hasattr(X, "load") or is_dask(X)


def is_dask(X: Any) -> bool:
    """Return whether X is a Dask array or frame."""
    return hasattr(X, "__dask_graph__") and hasattr(X, "to_delayed")


def learn_names(model: Any, X: Any) -> None:
    """Remember the columns of a frame of Dask's, as scikit-learn does of others."""
    names = list(getattr(X, "columns", ()))
    if names and all(isinstance(name, str) for name in names):
        model.feature_names_in_ = np.array(names, dtype=object)
    elif hasattr(model, "feature_names_in_"):
        del model.feature_names_in_


def compute_dask(*parts: Any) -> tuple[Any, ...]:
    """Return parts with Dask's collections computed, by the client's workers where there is one."""
    import dask

    collections = [part for part in parts if is_dask(part)]
    try:
        client = current_client()
    except ValueError:
        found = iter(dask.compute(*collections))
    else:
        found = iter(client.gather(client.compute(collections)))
    return tuple(next(found) if is_dask(part) else part for part in parts)


@contextmanager
def opened(
    X: Any, y: Any = None, *, sample_weight: Any = None, group: Any = None
) -> Iterator[AnyCollective]:
    """Let the block take steps over X: on the workers, or in this process without a client.

    Parameters
    ----------
    X : array, sparse matrix or DataFrame of n_samples rows, Dask array or DataFrame, Partitions, \
or an open Collective, which is left open
    y, sample_weight, group : of shape (n_samples,), optional
        In the form of X; not where partitions hold them already.
    """
    if isinstance(X, Collective | HereCollective):
        yield X
        return
    try:
        client = current_client()
    except ValueError:
        client = None
    if is_dask(X):
        if client is None:
            X, y, sample_weight, group = compute_dask(X, y, sample_weight, group)
        else:
            X = _of_dask(client, X, y, sample_weight, group)
    partitions = X if hasattr(X, "load") else ArrayPartitions(X, y, sample_weight, group)
    collective = HereCollective(partitions) if client is None else Collective(partitions, client)
    with collective:
        yield collective


class ArrayPartitions:
    """Arrays of this process, cut into partitions that the collective sends to workers."""

    def __init__(
        self,
        X: Any,
        y: Any = None,
        weight: Any = None,
        group: Any = None,
        partition_rows: int | None = None,
    ) -> None:
        self._parts = tuple(_as_rows(part) for part in (X, y, weight, group))
        n_rows = int(X.shape[0])
        if partition_rows is None:
            wanted = min(max(size_bytes(X) // _PARTITIONS, _SMALLEST_BYTES), _LARGEST_BYTES)
            partition_rows = max(1, n_rows * wanted // max(1, size_bytes(X)))
        count = max(1, -(-n_rows // partition_rows))
        self._bounds = [n_rows * number // count for number in range(count + 1)]
        self.rows = tuple(int(rows) for rows in np.diff(self._bounds))
        each = size_bytes(X) / max(1, n_rows)
        self.bytes_each = tuple(int(rows * each) for rows in self.rows)
        self.n_features = 1 if X.ndim == 1 else int(X.shape[1])
        self.key = f"arrays-{uuid.uuid4()}"

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_parts": None}

    def send(self, number: int) -> Block:
        """Return a partition, on the controller."""
        first, last = self._bounds[number], self._bounds[number + 1]
        X, y, weight, group = (None if part is None else part[first:last] for part in self._parts)
        return Block(X, y, weight, group)

    def load(self, number: int) -> Block:
        """Partitions of arrays are sent, never read."""
        raise RuntimeError(f"partition {number} has not been sent")


def _as_rows(part: Any) -> Any:
    if part is None:
        return None
    if hasattr(part, "tocsr"):
        return part.tocsr()
    return np.ascontiguousarray(np.asarray(part))


class DaskPartitions:
    """The chunks of a Dask collection, made by Dask's tasks and held by its workers."""

    def __init__(self, client: "Client", blocks: Any, measures: Any) -> None:
        self._futures = blocks  # alive as long as the partitions are
        self._keys = [future.key for future in blocks]
        self.rows = tuple(int(rows) for rows, _, _ in measures)
        self.bytes_each = tuple(int(size) for _, size, _ in measures)
        self.n_features = max((int(width) for _, _, width in measures), default=0)
        self.key = hashlib.sha256("".join(map(str, self._keys)).encode()).hexdigest()[:16]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_futures": None}

    def load(self, number: int) -> Block:
        """Take a chunk from this worker or from one that holds it; runs on a worker."""
        from distributed import get_worker
        from distributed.utils import sync

        worker = get_worker()
        block: Block = sync(worker.loop, _fetch, worker, self._keys[number])
        return align_block(replace(block))


async def _fetch(worker: "Worker", key: str) -> Any:
    """Return what Dask holds under a key; where a lost worker held it, Dask makes it again."""
    from distributed.utils_comm import gather_from_workers

    while True:
        if key in worker.data:
            return worker.data[key]
        holders = await worker.scheduler.who_has(keys=[key])
        if holders.get(key):
            found, *_ = await gather_from_workers(holders, rpc=worker.rpc)
            if key in found:
                return found[key]
        await asyncio.sleep(_ASK_AGAIN_S)


def _of_dask(client: "Client", X: Any, y: Any, weight: Any, group: Any) -> DaskPartitions:
    import dask
    from distributed import wait

    make = dask.delayed(make_block, pure=False)
    columns = [None if part is None else _chunks(part, X) for part in (X, y, weight, group)]
    count = len(columns[0] or ())
    for name, chunks in zip(("y", "sample_weight", "group"), columns[1:], strict=True):
        if chunks is not None and len(chunks) != count:
            raise ValueError(f"X has {count} chunks of rows and {name} has {len(chunks)}")
    rows = [
        make(*(None if chunks is None else chunks[number] for chunks in columns))
        for number in range(count)
    ]
    blocks = client.compute(rows)
    measured = client.map(measure_block, blocks, pure=False)
    wait(measured)
    return DaskPartitions(client, blocks, client.gather(measured))


def _chunks(part: Any, X: Any) -> list[Any]:
    """Return the delayed chunks of rows of a collection, or cut an array like X."""
    if not is_dask(part):
        if any(np.isnan(rows) for rows in getattr(X, "chunks", ((np.nan,),))[0]):
            raise ValueError("give y as a Dask collection too: X has chunks of unknown length")
        bounds = np.cumsum((0, *X.chunks[0]))
        return [np.asarray(part)[first:last] for first, last in pairwise(bounds)]
    if hasattr(part, "chunks"):
        if part.ndim == 2 and len(part.chunks[1]) > 1:
            part = part.rechunk({1: -1})
        return list(part.to_delayed().ravel())
    return list(part.to_delayed())


def make_block(X: Any, y: Any, weight: Any, group: Any) -> Block:
    """Return a checked block of a Dask collection's chunks; runs on a worker."""
    from sklearn.utils import check_array, check_consistent_length, column_or_1d

    check_consistent_length(X, y, weight, group)
    if X.shape[0]:
        X = check_array(X, accept_sparse="csr", dtype=[np.float64, np.float32], order="C")
    y, weight, group = (
        None if part is None else column_or_1d(np.asarray(part)) for part in (y, weight, group)
    )
    return Block(X, y, weight, group)


def measure_block(block: Block) -> tuple[int, int, int]:
    """Return rows, bytes and columns; runs on a worker."""
    return len(block), block.nbytes, block.X.shape[1]
