"""Where a booster is trained: in one worker, in all of them, or from disk: pure.

One process that holds all rows is the fastest as far as it has threads for: it pays no messages.
Distributed training pays where it brings more cores than one host has, or more memory.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hpc_ml.errors import BadJob

Mode = Literal["one", "all", "disk"]

# What a worker may fill: Dask's nanny ends a worker at 95 % of its memory.
_MEMORY_SHARE = 0.85
# A worker with its libraries, and partitions in work: as one is read and what is made of it.
_BASE_BYTES = 400 * 2**20
_IN_WORK = 3
# Measured on 500,000 rows x 50 with 2 workers against 2 threads, and much the same for both
# libraries: seconds of one thread for a value as it is binned, and in each round; seconds that a
# distributed training takes to begin; and of a round's messages, for each doubling of the workers.
_BIN_S, _VALUE_S = 2e-7, 4e-9
_START_S = 1.5
_MESSAGE_S = 2e-3


@dataclass(frozen=True)
class Worker:
    """What is known of a worker.

    Attributes
    ----------
    host, process
        Workers of one process cannot train beside each other.
    threads
        Threads that Dask gives it.
    cores
        Cores that its process may use; those of the other workers of its host may be among them.
    memory_bytes
        Memory that it may fill.
    device
        Whether it has a GPU.
    """

    host: str
    process: str
    threads: int
    cores: int
    memory_bytes: float
    device: bool = False


@dataclass(frozen=True)
class Size:
    """What there is to train on, and what it takes.

    Attributes
    ----------
    rows : int
        Training rows, those that validate included.
    read_row_bytes
        Memory of a row as it is read.
    row_bytes
        Memory of a row as the library holds it, with all that it keeps of each row.
    disk_row_bytes
        The same where the values of the rows lie on disk; None where the library has no such way.
    block_bytes
        Memory of the largest partition as it is read.
    """

    rows: int
    n_features: int
    n_rounds: int
    read_row_bytes: float
    row_bytes: float
    disk_row_bytes: float | None
    block_bytes: int


@dataclass(frozen=True)
class Layout:
    """The workers that train, by rank, and the threads of each.

    `at_once` tells whether they may hold the rows as they are read beside what the library makes
    of them; else they read one partition after another, on each pass. `parts` are the partitions
    of each rank, where there are several; else the one has all. Several ranks may share a worker.
    """

    mode: Mode
    ranks: tuple[int, ...]
    threads: tuple[int, ...]
    at_once: bool
    parts: tuple[tuple[int, ...], ...] = ()


def choose_layout(
    workers: Sequence[Worker],
    held_rows: Sequence[int],
    size: Size,
    *,
    mode: str = "",
    most_threads: int | None = None,
    more_come: bool = False,
) -> Layout:
    """Return where to train.

    Parameters
    ----------
    workers : sequence of Worker
        By rank.
    held_rows : sequence of int
        Training rows of the partitions that each worker holds; one without any is left out.
    size : Size
        The data.
    mode : str
        What the user prefers, or the mode of an earlier part of this training; taken where it
        can be. With "all", also one worker alone trains as it would with others, so that the
        booster is the same on any number of them.
    most_threads : int, optional
        What the user allows a worker; default all that it may have.
    more_come : bool
        Whether more workers are to come: a single one does not train from disk then.

    Raises
    ------
    BadJob
        When memory does not suffice, before anything is read.
    """
    ranks = tuple(rank for rank, rows in enumerate(held_rows) if rows)
    fewest = 1 if mode == "all" else 2
    separate = len({workers[rank].process for rank in ranks}) == len(ranks) >= fewest
    best = max(range(len(workers)), key=lambda rank: (_threads_alone(workers, rank), -rank))
    alone = (_capped(_threads_alone(workers, best), most_threads),)
    if mode == "disk" and _fits_disk(workers[best], size):
        return Layout("disk", (best,), alone, at_once=False)
    fits_one = _fits(size.rows, workers[best], size)
    fits_all = separate and all(_fits(held_rows[rank], workers[rank], size) for rank in ranks)
    if fits_one and not (fits_all and _is_better_together(workers, ranks, alone[0], size, mode)):
        return Layout("one", (best,), alone, _fits(size.rows, workers[best], size, copies=2))
    if fits_all:
        at_once = all(_fits(held_rows[rank], workers[rank], size, copies=2) for rank in ranks)
        threads = tuple(_capped(workers[rank].threads, most_threads) for rank in ranks)
        return Layout("all", ranks, threads, at_once)
    if len(workers) == 1 and not more_come and _fits_disk(workers[0], size):
        return Layout("disk", (best,), alone, at_once=False)
    raise _too_large(workers, size)


def fix_parts(
    workers: Sequence[Worker],
    held: Sequence[Sequence[int]],
    parts: Sequence[tuple[int, ...]],
    rows: Sequence[int],
    size: Size,
    *,
    most_threads: int | None = None,
) -> Layout:
    """Return who trains on which of the fixed parts of the data: the same ranks on any workers.

    Workers have about as many ranks each, those whose partitions they hold before others.

    Parameters
    ----------
    workers : sequence of Worker
    held : sequence of sequence of int
        Partitions that each worker holds.
    parts : sequence of tuple of int
        Partitions of each rank.
    rows : sequence of int
        Training rows of each partition.
    size, most_threads
        See `choose_layout`.

    Raises
    ------
    BadJob
        When memory does not suffice, before anything is read.
    """
    ranks = _deal_parts(held, parts, rows)
    shares = Counter(ranks)
    own_rows: Counter[int] = Counter()
    for rank, worker in enumerate(ranks):
        own_rows[worker] += sum(rows[number] for number in parts[rank])
    if not all(_fits(own_rows[worker], workers[worker], size) for worker in shares):
        raise _too_large(workers, size)
    return Layout(
        "all",
        ranks,
        tuple(
            max(1, _capped(workers[worker].threads, most_threads) // shares[worker])
            for worker in ranks
        ),
        all(_fits(own_rows[worker], workers[worker], size, copies=2) for worker in shares),
        tuple(parts),
    )


def describe(layout: Layout, size: Size) -> str:
    """Return in words where is trained."""
    rows = f"{size.rows:,} rows x {size.n_features:,}"
    if layout.mode == "all":
        workers, ranks = len(set(layout.ranks)), len(layout.ranks)
        where = "one worker" if workers == 1 else f"{workers} workers at once"
        begun = "" if workers == ranks else f", in {ranks} parts as it was begun"
        return f"training on {rows} in {where}{begun}"
    threads = f"{layout.threads[0]} thread{'s' if layout.threads[0] > 1 else ''}"
    if layout.mode == "disk":
        return f"training on {rows} from disk in one worker, with {threads}"
    return f"training on {rows} in one worker, with {threads}: the fastest way"


def _deal_parts(
    held: Sequence[Sequence[int]], parts: Sequence[tuple[int, ...]], rows: Sequence[int]
) -> tuple[int, ...]:
    """Return the worker of each rank."""
    most = math.ceil(len(parts) / len(held))
    held_rows = {
        (rank, worker): sum(rows[number] for number in set(part) & set(held[worker]))
        for rank, part in enumerate(parts)
        for worker in range(len(held))
    }
    dealt: dict[int, int] = {}
    shares: Counter[int] = Counter()
    for rank, worker in sorted(held_rows, key=lambda pair: (-held_rows[pair], pair)):
        if rank not in dealt and shares[worker] < most:
            dealt[rank] = worker
            shares[worker] += 1
    return tuple(dealt[rank] for rank in range(len(parts)))


def _threads_alone(workers: Sequence[Worker], rank: int) -> int:
    """Return the threads of a worker that may use the cores of idle workers beside it."""
    own = workers[rank]
    beside = sum(worker.threads for worker in workers if worker.host == own.host)
    return max(1, own.threads, min(beside, own.cores))


def _capped(threads: int, most: int | None) -> int:
    return threads if most is None or most < 1 else min(threads, most)


def _fits(rows: int, worker: Worker, size: Size, copies: int = 0) -> bool:
    """Return whether a worker can hold rows, with so many copies of them as they are read."""
    beside = max(_IN_WORK * size.block_bytes, copies * rows * size.read_row_bytes)
    return rows * size.row_bytes + beside + _BASE_BYTES <= _MEMORY_SHARE * worker.memory_bytes


def _fits_disk(worker: Worker, size: Size) -> bool:
    return size.disk_row_bytes is not None and _disk_bytes(size) <= worker.memory_bytes


def _disk_bytes(size: Size) -> float:
    """Return the memory that one worker needs to train from disk."""
    kept_bytes = size.rows * (size.disk_row_bytes or 0)
    return (kept_bytes + _IN_WORK * size.block_bytes + _BASE_BYTES) / _MEMORY_SHARE


def _is_better_together(
    workers: Sequence[Worker], ranks: Sequence[int], threads_alone: int, size: Size, mode: str
) -> bool:
    if mode:
        return mode == "all"
    work_s = size.rows * size.n_features * (_BIN_S + size.n_rounds * _VALUE_S)
    # The slowest worker sets the pace.
    threads = len(ranks) * min(workers[rank].threads for rank in ranks)
    messages_s = size.n_rounds * _MESSAGE_S * math.log2(len(ranks))
    return work_s / threads + _START_S + messages_s < work_s / threads_alone


def _too_large(workers: Sequence[Worker], size: Size) -> BadJob:
    rows_bytes = size.rows * size.row_bytes
    each_bytes = _IN_WORK * size.block_bytes + _BASE_BYTES
    need_bytes = (rows_bytes + len(workers) * each_bytes) / _MEMORY_SHARE
    ways = "give more --memory or more --workers"
    if size.disk_row_bytes is not None:
        ways += f"; from disk, --workers 1 needs {_gib(_disk_bytes(size))}"
    return BadJob(
        f"training on {size.rows:,} rows x {size.n_features:,} needs {_gib(need_bytes)} of "
        f"memory, and the workers have {sum(one.memory_bytes for one in workers) / 2**30:.1f} GiB",
        where="resources",
        hint=ways,
    )


def _gib(size_bytes: float) -> str:
    """Return a size that suffices, to a tenth."""
    return f"{math.ceil(size_bytes / 2**30 * 10) / 10:.1f} GiB"
