"""Our forests against scikit-learn's on the same two cores, side by side in one run.

    python benchmarks/forest.py            seven pairs: 100 trees on 50,000 rows of 20 columns
    python benchmarks/forest.py --quick    two pairs on 5,000, to see that it works

All sides start from the same file of float64, with 2 workers of 1 thread against 2 threads.
`wall_s` is the fit on rows that are in memory, and `ratio` that by scikit-learn's in the same
round; `load_s`, which reading the rows takes before it, is shown apart. `score` is accuracy or R2
on as many other rows; that of hpc-ml is scikit-learn's own, except by partition, where a tree
sees a part of the rows. dask-ml has no forest. Run it on a machine that does nothing else.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import dask
import joblib
import numpy as np
from distributed import Client, LocalCluster
from pairs import compare, run_in_turns, show, write
from rich.console import Console
from sklearn import ensemble
from sklearn.datasets import make_classification, make_regression

from hpc_ml import estimators
from hpc_ml.estimators.collective import Collective
from hpc_ml.estimators.partitions import Block
from hpc_ml.schedulers.dask_settings import configuration

CORES = 2
PARTITIONS = 10
BASE = "scikit-learn, n_jobs=2"

Fit = Callable[[], Any]


@dataclass(frozen=True)
class Rows:
    """Rows in a file, and the same as partitions of them that workers read."""

    path: Path
    n_rows: int
    n_features: int

    @property
    def key(self) -> str:
        return str(self.path)

    @property
    def bounds(self) -> list[int]:
        return [self.n_rows * number // PARTITIONS for number in range(PARTITIONS + 1)]

    @property
    def rows(self) -> tuple[int, ...]:
        return tuple(int(rows) for rows in np.diff(self.bounds))

    @property
    def bytes_each(self) -> tuple[int, ...]:
        return tuple(8 * rows * (self.n_features + 1) for rows in self.rows)

    def load(self, number: int) -> Block:
        first, last = self.bounds[number : number + 2]
        table = np.load(self.path, mmap_mode="r")[first:last]
        return Block(np.ascontiguousarray(table[:, :-1]), np.array(table[:, -1]))

    def read(self) -> tuple[Any, Any, Any, Any]:
        """Return X and y to learn from, and as many others."""
        table = np.load(self.path)
        X, y = np.ascontiguousarray(table[:, :-1]), table[:, -1]
        return X[: self.n_rows], y[: self.n_rows], X[self.n_rows :], y[self.n_rows :]


@dataclass(frozen=True)
class Work:
    """A forest, and the rows that it is grown from."""

    title: str
    name: str
    settings: Mapping[str, Any]
    rows: Rows


def make_works(folder: Path, n_rows: int, n_trees: int) -> list[Work]:
    """Write the rows of all works, and return these."""
    classes = make_classification(2 * n_rows, 20, n_informative=10, flip_y=0.05, random_state=0)
    numbers = make_regression(2 * n_rows, 20, n_informative=10, noise=10.0, random_state=0)

    def save(name: str, table: tuple[Any, Any]) -> Rows:
        np.save(folder / f"{name}.npy", np.column_stack(table))
        return Rows(folder / f"{name}.npy", n_rows, 20)

    settings = {"n_estimators": n_trees, "random_state": 0}
    size = f"{n_trees} trees, {n_rows:,} x 20"
    return [
        Work(f"random forest, 2 classes, {size}", "RandomForestClassifier", settings,
             save("classes", classes)),
        Work(f"extra trees, numbers, {size}", "ExtraTreesRegressor", settings,
             save("numbers", numbers)),
    ]  # fmt: skip


@contextmanager
def prepare_ours(work: Work, client: Client) -> Iterator[Fit]:
    with Collective(work.rows, client) as collective:
        collective.map(touch)
        yield lambda: getattr(estimators, work.name)(**work.settings).fit(collective)


def touch(block: Block, state: None, memory: dict[str, Any]) -> None:
    """Do nothing with a partition, which is read for that."""


@contextmanager
def prepare_by_partition(work: Work, client: Client) -> Iterator[Fit]:
    # As if the rows did not fit into a worker.
    with (
        patch("hpc_ml.estimators.forest.fits_each_worker", return_value=False),
        prepare_ours(work, client) as fit,
    ):
        yield fit


@contextmanager
def prepare_scikit_learn(work: Work, client: Client) -> Iterator[Fit]:
    X, y, _, _ = work.rows.read()
    yield lambda: getattr(ensemble, work.name)(n_jobs=CORES, **work.settings).fit(X, y)


@contextmanager
def prepare_joblib(work: Work, client: Client) -> Iterator[Fit]:
    X, y, _, _ = work.rows.read()

    def fit() -> Any:
        with joblib.parallel_config("dask", n_jobs=CORES, client=client, scatter=[X, y]):
            return getattr(ensemble, work.name)(n_jobs=CORES, **work.settings).fit(X, y)

    yield fit


SIDES = {
    "hpc-ml, all rows": prepare_ours,
    "hpc-ml, by partition": prepare_by_partition,
    BASE: prepare_scikit_learn,
    "joblib on Dask": prepare_joblib,
}


def run_work(work: Work, client: Client, pairs: int, sides: list[str], console: Console) -> Any:
    """Measure all sides on one work, after each has fitted it once."""
    console.print(f"[bold]{work.title}[/bold]")
    _, _, X_test, y_test = work.rows.read()
    scores: dict[str, float] = {}

    def run(side: str) -> Callable[[], dict[str, float]]:
        def fit() -> dict[str, float]:
            started = time.perf_counter()
            with SIDES[side](work, client) as fit_loaded:
                loaded = time.perf_counter()
                model = fit_loaded()
                ended = time.perf_counter()
            if side not in scores:
                scores[side] = float(model.score(X_test, y_test))
            return {"wall_s": ended - loaded, "load_s": loaded - started, "score": scores[side]}

        return fit

    turns = {side: run(side) for side in sides}
    for turn in turns.values():
        turn()
    measured = run_in_turns(turns, pairs, console)
    summary = compare(measured, BASE)
    show(f"{work.title}: median (quartiles) of {pairs}", summary, console)
    return {"rounds": measured, "summary": summary}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=7, help="rounds of each side")
    parser.add_argument("--rows", type=int, default=50_000, help="rows to learn from")
    parser.add_argument("--trees", type=int, default=100, help="trees of a forest")
    parser.add_argument("--two", action="store_true", help="hpc-ml and scikit-learn alone")
    parser.add_argument("--quick", action="store_true", help="two rounds of 5,000 rows")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/forest.json"))
    words = parser.parse_args()
    if words.quick:
        words.pairs, words.rows = 2, 5_000
    console = Console()
    if os.getloadavg()[0] > 0.5:
        console.print("[yellow]This machine is busy: the numbers will not mean much.[/yellow]")
    sides = ["hpc-ml, all rows", BASE] if words.two else list(SIDES)
    with (
        tempfile.TemporaryDirectory() as folder,
        # The settings of hpc-ml's own clusters; all sides on Dask profit.
        dask.config.set(configuration()),
        LocalCluster(
            n_workers=CORES, threads_per_worker=1, host="127.0.0.1", dashboard_address=":0"
        ) as cluster,
        Client(cluster) as client,
    ):
        works = make_works(Path(folder), words.rows, words.trees)
        results = {
            work.title: run_work(work, client, words.pairs, sides, console) for work in works
        }
    write(words.out, results)
    console.print(f"Every round is in {words.out}.")


if __name__ == "__main__":
    main()
