"""Our K-means against others on the same two cores, side by side in one run.

    python benchmarks/kmeans.py            seven pairs over 1 million rows
    python benchmarks/kmeans.py --quick    two pairs over 40,000, to see that it works

Three questions: what an iteration of Lloyd's algorithm takes on large data (`wall_s` is one
iteration, the difference of a long and a short fit from the same centres), what it takes on tiny
data in 2, 20 and 100 chunks, and what a whole fit takes that begins with reading Parquet and
choosing centres. `inertia` is the true one, in millions, measured after the clock has stopped. Run
it on a machine that does nothing else.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
from distributed import Client, wait
from frame import Bench, Work, make_parser, open_bench, read_words
from growth import ONE_WORKER
from memory import watch_memory
from pairs import Measure
from sides import HAS_DASK_ML, Fit, QuietRun, Side, hold, time_fit
from sklearn import cluster as local

from hpc_ml.data.source import DataSource
from hpc_ml.estimators import KMeans
from hpc_ml.estimators.partitions import Block
from hpc_ml.spec.data import Data
from hpc_ml.tasks.rows import open_rows

OURS = "hpc-ml"
BASE = "scikit-learn, 2 threads"
DASK_ML = "dask-ml"
SHORT, LONG, QUICK = 2, 12, 4
REPEATS_OF_TINY = 20
TINY_ROWS = 2000


@dataclass(frozen=True)
class Rows:
    """Blobs that overlap, made chunk by chunk wherever they are needed, aligned there.

    They are partitions as `hpc_ml.estimators` takes them, and chunks of the other sides.
    """

    n_rows: int
    n_features: int
    n_clusters: int
    n_chunks: int = 20
    dtype: str = "float32"

    @property
    def title(self) -> str:
        return f"{self.n_rows:,} x {self.n_features}, k={self.n_clusters}, {self.n_chunks} chunks"

    @property
    def is_tiny(self) -> bool:
        return self.n_rows * self.n_features < 10_000

    @property
    def key(self) -> str:
        return repr(self)

    @property
    def rows(self) -> tuple[int, ...]:
        return (self.n_rows // self.n_chunks,) * self.n_chunks

    @property
    def bytes_each(self) -> tuple[int, ...]:
        width = self.n_features * np.dtype(self.dtype).itemsize
        return tuple(count * width for count in self.rows)

    def chunk(self, number: int) -> np.ndarray:
        centres = np.random.default_rng(0).uniform(-10, 10, (self.n_clusters, self.n_features))
        rng = np.random.default_rng([1, number])
        labels = rng.integers(self.n_clusters, size=self.rows[number])
        spread = 4 * rng.standard_normal((len(labels), self.n_features))
        return (centres[labels] + spread).astype(self.dtype)

    def load(self, number: int) -> Block:
        return Block(self.chunk(number))

    def whole(self) -> np.ndarray:
        return np.concatenate([self.chunk(number) for number in range(self.n_chunks)])

    def on_dask(self) -> da.Array:
        """Return the rows as a Dask array whose chunks the workers have made."""
        chunks = [
            da.from_delayed(dask.delayed(self.chunk)(number), (count, self.n_features), self.dtype)
            for number, count in enumerate(self.rows)
        ]
        array = da.concatenate(chunks).persist()
        wait(array)
        return array


def per_iteration(fit: Callable[[int], Any], longest: int, repeats: int = 1) -> Measure:
    """Return a measure of one iteration; `fit` takes the number of iterations to make."""

    def took_s(iterations: int) -> float:
        start_s = time.perf_counter()
        for _ in range(repeats):
            fit(iterations)
        return (time.perf_counter() - start_s) / repeats

    def measure() -> dict[str, float]:
        with watch_memory() as memory:
            wall_s = (took_s(longest) - took_s(SHORT)) / (longest - SHORT)
        return {"wall_s": wall_s, **memory}

    return measure


def iteration_sides(bench: Bench, rows: Rows, stack: ExitStack) -> dict[str, Side]:
    """Return the sides of one iteration, all from the same centres, on data that are there."""
    whole, longest = rows.whole(), bench.words.longest
    words = {"n_clusters": rows.n_clusters, "init": whole[: rows.n_clusters].copy(), "tol": 0}
    repeats = REPEATS_OF_TINY if rows.is_tiny else 1

    def check(model: Any, iterations: int) -> None:
        if model.n_iter_ < iterations:
            raise SystemExit(f"{rows.title}: converged after {model.n_iter_} iterations")

    def ours(client: Client) -> Measure:
        data = stack.enter_context(hold(rows, client))
        return per_iteration(
            lambda n: check(KMeans(**words, max_iter=n).fit(data), n), longest, repeats
        )

    def theirs(n: int) -> None:
        check(local.KMeans(**words, n_init=1, max_iter=n).fit(whole), n)

    sides = {OURS: Side(ours(bench.client))}
    if not rows.is_tiny:  # what it takes there is lost in the clock
        sides[BASE] = Side(per_iteration(theirs, longest))
    if bench.words.two:
        return sides
    if not rows.is_tiny:
        sides[ONE_WORKER] = Side(ours(bench.one), extra=True)
    if HAS_DASK_ML:
        from dask_ml.cluster import KMeans as DaskMlKMeans

        array = rows.on_dask()
        sides[DASK_ML] = Side(
            per_iteration(lambda n: DaskMlKMeans(**words, max_iter=n).fit(array), longest),
            extra=True,
        )
    return sides


def write_table(rows: Rows, folder: Path) -> None:
    """Write the rows as Parquet, a file for each chunk."""
    folder.mkdir()
    names = [f"x{number}" for number in range(rows.n_features)]
    for number in range(rows.n_chunks):
        frame = pd.DataFrame(rows.chunk(number), columns=names)
        frame.to_parquet(folder / f"{number:03d}.parquet", index=False)


@contextmanager
def prepare_ours(rows: Rows, folder: Path, client: Client) -> Iterator[Fit]:
    source = DataSource(Data(path=str(folder)), supervised=False)
    with open_rows(client, source, QuietRun()) as opened:
        yield lambda: KMeans(rows.n_clusters, random_state=0).fit(opened.collective)


@contextmanager
def prepare_scikit_learn(rows: Rows, folder: Path) -> Iterator[Fit]:
    X = pd.read_parquet(folder).to_numpy()
    yield lambda: local.KMeans(rows.n_clusters, random_state=0).fit(X)


@contextmanager
def prepare_dask_ml(rows: Rows, folder: Path) -> Iterator[Fit]:
    from dask_ml.cluster import KMeans as DaskMlKMeans

    X = dd.read_parquet(folder).to_dask_array(lengths=list(rows.rows)).persist()
    wait(X)
    yield lambda: DaskMlKMeans(rows.n_clusters, random_state=0).fit(X)


def whole_sides(bench: Bench, rows: Rows, stack: ExitStack) -> dict[str, Side]:
    """Return the sides of a whole fit: read, choose centres, iterate."""
    folder = bench.folder / str(rows.n_rows)
    write_table(rows, folder)
    sample = rows.whole()[:: max(1, rows.n_rows // 200_000)].astype(np.float64)

    def judge(model: Any) -> dict[str, float]:
        centres = np.asarray(model.cluster_centers_, np.float64)
        exact = local.KMeans(len(centres), init=centres, n_init=1, max_iter=1).fit(sample)
        exact.cluster_centers_ = centres
        inertia = -exact.score(sample) * rows.n_rows / len(sample)
        return {"inertia": inertia / 1e6, "n_iter": float(model.n_iter_)}

    def side(prepare: Any, *more: Any, extra: bool = False) -> Side:
        fit = partial(prepare, rows, folder, *more)
        return Side(time_fit(fit, judge, from_files=True), extra)

    sides = {OURS: side(prepare_ours, bench.client), BASE: side(prepare_scikit_learn)}
    sides[ONE_WORKER] = side(prepare_ours, bench.one, extra=True)
    if HAS_DASK_ML:
        sides[DASK_ML] = side(prepare_dask_ml, extra=True)
    return sides


def make_works(bench: Bench) -> list[Work]:
    """Return everything that is measured: the main work first."""
    n_rows = bench.words.rows
    few = n_rows // 10

    def iteration(rows: Rows) -> Work:
        sides = partial(iteration_sides, bench, rows)
        kind, base = ("tiny", DASK_ML) if rows.is_tiny else ("an iteration", BASE)
        chunks = f", {rows.n_chunks} chunks" if rows.is_tiny else ""
        family = f"{kind}, k={rows.n_clusters}{chunks}"
        return Work(f"{kind}, {rows.title}", family, rows.n_rows, base, sides)

    def whole(rows: Rows) -> Work:
        title, sides = f"reading and fitting, {rows.title}", partial(whole_sides, bench, rows)
        return Work(title, "reading and fitting", rows.n_rows, BASE, sides)

    return [
        iteration(Rows(n_rows, 50, 50)),
        iteration(Rows(few, 50, 50)),
        iteration(Rows(n_rows, 20, 10)),
        *(iteration(Rows(TINY_ROWS, 2, 20, n_chunks, "float64")) for n_chunks in (2, 20, 100)),
        whole(Rows(n_rows, 20, 10)),
        whole(Rows(few, 20, 10)),
    ]


def main() -> None:
    parser = make_parser(__doc__, "kmeans")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the large data")
    parser.set_defaults(longest=LONG)
    with open_bench(read_words(parser, rows=40_000, longest=QUICK)) as bench:
        bench.run(make_works(bench))


if __name__ == "__main__":
    main()
