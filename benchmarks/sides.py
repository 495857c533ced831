"""What the sides of several benchmarks have in common: how one is timed, and its data."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import dask
import dask.array as da
from distributed import Client, wait
from memory import watch_memory
from pairs import Measure

from hpc_ml.estimators.collective import Collective
from hpc_ml.estimators.incremental_steps import touch
from hpc_ml.estimators.partitions import Partitions

Fit = Callable[[], Any]
Prepare = Callable[[], AbstractContextManager[Fit]]
Judge = Callable[[Any], Mapping[str, float]]

HAS_DASK_ML = find_spec("dask_ml") is not None


@dataclass(frozen=True)
class Side:
    """One way to do the work.

    An extra one is left out by `--two`, and measured as often as `--slow-pairs` says. One that is
    not warm runs once before it is measured.
    """

    measure: Measure
    extra: bool = False
    is_warm: bool = False


def time_fit(prepare: Prepare, judge: Judge, *, from_files: bool = False) -> Measure:
    """Return a measure of a fit; what `judge` finds of its model comes after the clock.

    `prepare` loads the data and yields the fit. `wall_s` is the fit alone, with `load_s` apart and
    both as `whole_s`; or, `from_files`, both until everything is closed, with `load_s` and `fit_s`
    as its parts.
    """

    def measure() -> dict[str, float]:
        with watch_memory() as memory:
            started_s = time.perf_counter()
            with prepare() as fit:
                loaded_s = time.perf_counter()
                model = fit()
                fitted_s = time.perf_counter()
            closed_s = time.perf_counter()
        load_s, fit_s = loaded_s - started_s, fitted_s - loaded_s
        if from_files:
            times = {"wall_s": closed_s - started_s, "load_s": load_s, "fit_s": fit_s}
        else:
            times = {"wall_s": fit_s, "load_s": load_s, "whole_s": load_s + fit_s}
        return {**times, **judge(model), **memory}

    return measure


def time_call(call: Callable[[], Any], judge: Judge) -> Measure:
    """Return a measure of a call; what `judge` finds of its answer comes after the clock."""

    def measure() -> dict[str, float]:
        with watch_memory() as memory:
            started_s = time.perf_counter()
            answer = call()
            wall_s = time.perf_counter() - started_s
        return {"wall_s": wall_s, **judge(answer), **memory}

    return measure


def judge_once(judge: Judge) -> Judge:
    """Return a judge that looks at the first model alone: the same fit gives the same again."""
    found: dict[str, float] = {}

    def judge_first(model: Any) -> Mapping[str, float]:
        if not found:
            found.update(judge(model))
        return found

    return judge_first


@dataclass(frozen=True)
class RowsInFile:
    """Rows of float64 in a file, cut evenly into partitions that workers read."""

    path: Path
    n_rows: int
    n_features: int

    n_partitions: ClassVar[int]

    @property
    def key(self) -> str:
        return str(self.path)

    @property
    def bounds(self) -> list[int]:
        count = self.n_partitions
        return [self.n_rows * number // count for number in range(count + 1)]

    @property
    def rows(self) -> tuple[int, ...]:
        return tuple(last - first for first, last in pairwise(self.bounds))

    @property
    def bytes_each(self) -> tuple[int, ...]:
        return tuple(8 * rows * self.n_features for rows in self.rows)


@contextmanager
def hold(partitions: Partitions, client: Client) -> Iterator[Collective]:
    """Open partitions on the workers of a client, and have them read."""
    with Collective(partitions, client) as collective:
        collective.map(touch)
        yield collective


def persist(partitions: Partitions) -> tuple[da.Array, da.Array]:
    """Return X and y as Dask arrays of which each chunk is a partition that a worker has read."""
    blocks = [dask.delayed(partitions.load)(number) for number in range(len(partitions.rows))]
    shapes = [(rows, partitions.n_features) for rows in partitions.rows]
    pairs = list(zip(blocks, shapes, strict=True))
    X = da.concatenate([da.from_delayed(block.X, shape, float) for block, shape in pairs])
    y = da.concatenate([da.from_delayed(block.y, shape[:1], int) for block, shape in pairs])
    X, y = dask.persist(X, y)
    wait([X, y])
    return X, y


class QuietRun:
    """What `open_rows` and a fit need of a run; it hears what they tell, and keeps nothing."""

    seed = 0

    def __init__(self, hear: Callable[[str], None] | None = None) -> None:
        self._hear = hear

    def check(self) -> None:
        pass

    def tell(self, message: str) -> None:
        if self._hear is not None:
            self._hear(message)

    def kept_state(self, name: str) -> None:
        return None

    def keep_state(self, name: str, make: Callable[[], bytes]) -> None:
        pass

    def progress(self, done: int, total: int, unit: str) -> None:
        pass
