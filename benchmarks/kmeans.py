"""Our K-means against others on the same two cores, side by side in one run.

    python benchmarks/kmeans.py            seven pairs over 1 million rows
    python benchmarks/kmeans.py --quick    two pairs over 40,000, to see that it works

Three questions: what an iteration of Lloyd's algorithm takes on large data (`wall_s` is one
iteration, the difference of a long and a short fit from the same centres), what it takes on tiny
data in 2, 20 and 100 chunks, and what a whole fit takes that begins with reading Parquet and
choosing centres. `inertia` is the true one, measured after the clock has stopped. Run it on a
machine that does nothing else.
"""

import argparse
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
from distributed import Client, LocalCluster, wait
from pairs import compare, run_in_turns, show, write
from rich.console import Console
from sklearn import cluster as local

from hpc_ml.data.source import DataSource
from hpc_ml.estimators import KMeans
from hpc_ml.estimators.inputs import opened
from hpc_ml.estimators.partitions import Block
from hpc_ml.schedulers.dask_settings import configuration
from hpc_ml.spec.data import Data
from hpc_ml.tasks.rows import open_rows

CORES = 2
OURS = "hpc-ml"
BASE = "scikit-learn, 2 threads"
DASK_ML = "dask-ml"
SHORT, LONG, QUICK = 2, 12, 4
REPEATS_OF_TINY = 20

Measure = Callable[[], Mapping[str, float]]


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
        return self.n_rows < 10_000

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
        return {"wall_s": (took_s(longest) - took_s(SHORT)) / (longest - SHORT)}

    return measure


def iteration_sides(rows: Rows, longest: int, stack: ExitStack) -> dict[str, Measure]:
    """Return the sides of one iteration, all from the same centres, on data that are there."""
    whole = rows.whole()
    start = whole[: rows.n_clusters].copy()
    collective = stack.enter_context(opened(rows))
    words = {"n_clusters": rows.n_clusters, "init": start, "tol": 0}

    def check(model: Any, iterations: int) -> None:
        if model.n_iter_ < iterations:
            raise SystemExit(f"{rows.title}: converged after {model.n_iter_} iterations")

    def ours(iterations: int) -> None:
        check(KMeans(**words, max_iter=iterations).fit(collective), iterations)

    def theirs(iterations: int) -> None:
        check(local.KMeans(**words, n_init=1, max_iter=iterations).fit(whole), iterations)

    repeats = REPEATS_OF_TINY if rows.is_tiny else 1
    sides = {OURS: per_iteration(ours, longest, repeats), BASE: per_iteration(theirs, longest)}
    if rows.is_tiny:
        del sides[BASE]  # what it takes there is lost in the clock
    with suppress(ImportError):
        from dask_ml.cluster import KMeans as DaskMlKMeans

        array = rows.on_dask()

        def dask_mls(iterations: int) -> None:
            DaskMlKMeans(**words, max_iter=iterations).fit(array)

        sides[DASK_ML] = per_iteration(dask_mls, longest)
    return sides


def write_table(rows: Rows, folder: Path) -> None:
    """Write the rows as Parquet, a file for each chunk."""
    names = [f"x{number}" for number in range(rows.n_features)]
    for number in range(rows.n_chunks):
        frame = pd.DataFrame(rows.chunk(number), columns=names)
        frame.to_parquet(folder / f"{number:03d}.parquet", index=False)


class QuietRun:
    """What `open_rows` needs of a run."""

    seed = 0

    def check(self) -> None:
        pass

    def tell(self, message: str) -> None:
        pass

    def kept_state(self, name: str) -> None:
        return None

    def keep_state(self, name: str, make: Callable[[], bytes]) -> None:
        pass

    def progress(self, done: int, total: int, unit: str) -> None:
        pass


def whole_fit(fit: Callable[[], tuple[float, Any]], judge: Callable[[Any], float]) -> Measure:
    """Return a measure of a fit that tells when loading has ended, and of the true inertia."""

    def measure() -> dict[str, float]:
        start_s = time.perf_counter()
        loaded_s, model = fit()
        end_s = time.perf_counter()
        return {
            "wall_s": end_s - start_s,
            "loading_s": loaded_s - start_s,
            "inertia": judge(model) / 1e6,
            "n_iter": float(model.n_iter_),
        }

    return measure


def whole_sides(rows: Rows, folder: Path, client: Client) -> dict[str, Measure]:
    """Return the sides of a whole fit: read, choose centres, iterate."""
    write_table(rows, folder)
    sample = rows.whole()[:: max(1, rows.n_rows // 200_000)].astype(np.float64)

    def judge(model: Any) -> float:
        centres = np.asarray(model.cluster_centers_, np.float64)
        exact = local.KMeans(len(centres), init=centres, n_init=1, max_iter=1).fit(sample)
        exact.cluster_centers_ = centres
        return -exact.score(sample) * rows.n_rows / len(sample)

    def ours() -> tuple[float, Any]:
        source = DataSource(Data(path=str(folder)), supervised=False)
        with open_rows(client, source, QuietRun()) as opened_rows:
            loaded_s = time.perf_counter()
            return loaded_s, KMeans(rows.n_clusters, random_state=0).fit(opened_rows.collective)

    def theirs() -> tuple[float, Any]:
        X = pd.read_parquet(folder).to_numpy()
        loaded_s = time.perf_counter()
        return loaded_s, local.KMeans(rows.n_clusters, random_state=0).fit(X)

    sides = {OURS: whole_fit(ours, judge), BASE: whole_fit(theirs, judge)}
    with suppress(ImportError):
        from dask_ml.cluster import KMeans as DaskMlKMeans

        def dask_mls() -> tuple[float, Any]:
            frame = dd.read_parquet(folder)
            X = frame.to_dask_array(lengths=list(rows.rows)).persist()
            wait(X)
            loaded_s = time.perf_counter()
            return loaded_s, DaskMlKMeans(rows.n_clusters, random_state=0).fit(X)

        sides[DASK_ML] = whole_fit(dask_mls, judge)
    return sides


def run(
    title: str, sides: Mapping[str, Measure], base: str, pairs: int, console: Console
) -> dict[str, Any]:
    """Measure all sides, after each has run once."""
    console.print(f"[bold]{title}[/bold]")
    for measure in sides.values():
        measure()
    measured = run_in_turns(sides, pairs, console)
    summary = compare(measured, base if base in sides else OURS)
    show(f"{title}: median (quartiles) of {pairs}", summary, console)
    return {"rounds": measured, "summary": summary}


Make = Callable[[ExitStack], dict[str, Measure]]


def works(n_rows: int, longest: int, client: Client) -> Iterator[tuple[str, str, Make]]:
    """Yield title, base and maker of the sides of everything that is measured."""
    for n_features, n_clusters in ((50, 50), (20, 10)):
        rows = Rows(n_rows, n_features, n_clusters)
        yield f"an iteration, {rows.title}", BASE, partial(iteration_sides, rows, longest)
    for n_chunks in (2, 20, 100):
        rows = Rows(2000, 2, 20, n_chunks, "float64")
        yield f"tiny, {rows.title}", DASK_ML, partial(iteration_sides, rows, longest)
    rows = Rows(n_rows, 20, 10)

    def whole(stack: ExitStack) -> dict[str, Measure]:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        return whole_sides(rows, folder, client)

    yield f"reading and fitting, {rows.title}", BASE, whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=7, help="rounds of each side")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the large data")
    parser.add_argument("--quick", action="store_true", help="two rounds of a few seconds")
    parser.add_argument("--two", action="store_true", help="hpc-ml and scikit-learn alone")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/kmeans.json"))
    words = parser.parse_args()
    longest = LONG
    if words.quick:
        words.pairs, words.rows, longest = 2, 40_000, QUICK
    console = Console()
    if os.getloadavg()[0] > 0.5:
        console.print("[yellow]This machine is busy: the numbers will not mean much.[/yellow]")
    # dask-ml warns of what scikit-learn has deprecated; that is no part of the comparison.
    warnings.simplefilter("ignore")
    results = {}
    with (
        # The settings of hpc-ml's own clusters; all sides on Dask profit.
        dask.config.set(configuration()),
        LocalCluster(
            n_workers=CORES, threads_per_worker=1, host="127.0.0.1", dashboard_address=":0"
        ) as cluster,
        Client(cluster) as client,
    ):
        for title, base, make_sides in works(words.rows, longest, client):
            with ExitStack() as stack:
                sides = make_sides(stack)
                if words.two:
                    sides.pop(DASK_ML, None)
                results[title] = run(title, sides, base, words.pairs, console)
    write(words.out, results)
    console.print(f"Every round is in {words.out}.")


if __name__ == "__main__":
    main()
