"""Our forests against scikit-learn's on the same two cores, side by side in one run.

    python benchmarks/forest.py            seven pairs: 100 trees on 50,000 rows of 20 columns
    python benchmarks/forest.py --quick    two pairs on 5,000, to see that it works

All sides start from the same file of float64, with 2 workers of 1 thread against 2 threads.
`wall_s` is the fit on rows that are in memory, and `ratio` that by scikit-learn's in the same
round; `load_s`, which reading the rows takes before it, is shown apart, and counted in by
`whole_s`. `score` is accuracy or R2 on as many other rows; that of hpc-ml is scikit-learn's own,
except by partition, where a tree sees a part of the rows. dask-ml has no forest. Run it on a
machine that does nothing else.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar
from unittest.mock import patch

import joblib
import numpy as np
from distributed import Client
from frame import CORES, Bench, Work, make_parser, open_bench, read_words
from growth import ONE_WORKER
from sides import Fit, RowsInFile, Side, hold, judge_once, time_fit
from sklearn import ensemble
from sklearn.datasets import make_classification, make_regression

from hpc_ml import estimators
from hpc_ml.estimators.partitions import Block

BASE = "scikit-learn, n_jobs=2"


@dataclass(frozen=True)
class Rows(RowsInFile):
    """The target lies in the last column; behind the rows lie as many to judge by."""

    n_partitions: ClassVar[int] = 10

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
class Task:
    """A forest, and the rows that it is grown from."""

    name: str
    settings: Mapping[str, Any]
    rows: Rows


def make_works(bench: Bench) -> list[Work]:
    """Write the rows of all works, and return these: the main one first, others, smaller."""
    n_rows, n_trees = bench.words.rows, bench.words.trees
    few = n_rows // 10
    classes = make_classification(2 * n_rows, 20, n_informative=10, flip_y=0.05, random_state=0)
    numbers = make_regression(2 * n_rows, 20, n_informative=10, noise=10.0, random_state=0)

    def work(family: str, name: str, table: tuple[Any, Any], rows: int) -> Work:
        path = bench.folder / f"{name}-{rows}.npy"
        np.save(path, np.column_stack(table)[: 2 * rows])
        task = Task(name, {"n_estimators": n_trees, "random_state": 0}, Rows(path, rows, 20))
        title = f"{family}, {n_trees} trees, {rows:,} x 20"
        return Work(title, family, rows, BASE, partial(find_sides, bench, task))

    forest = ("random forest, 2 classes", "RandomForestClassifier", classes)
    extra_trees = ("extra trees, numbers", "ExtraTreesRegressor", numbers)
    return [work(*forest, n_rows), work(*forest, few), work(*extra_trees, n_rows)]


@contextmanager
def prepare_ours(task: Task, client: Client) -> Iterator[Fit]:
    with hold(task.rows, client) as collective:
        yield lambda: getattr(estimators, task.name)(**task.settings).fit(collective)


@contextmanager
def prepare_by_partition(task: Task, client: Client) -> Iterator[Fit]:
    # As if the rows did not fit into a worker.
    with (
        patch("hpc_ml.estimators.forest.fits_each_worker", return_value=False),
        prepare_ours(task, client) as fit,
    ):
        yield fit


@contextmanager
def prepare_scikit_learn(task: Task) -> Iterator[Fit]:
    X, y, _, _ = task.rows.read()
    yield lambda: getattr(ensemble, task.name)(n_jobs=CORES, **task.settings).fit(X, y)


@contextmanager
def prepare_joblib(task: Task, client: Client) -> Iterator[Fit]:
    X, y, _, _ = task.rows.read()

    def fit() -> Any:
        with joblib.parallel_config("dask", n_jobs=CORES, client=client, scatter=[X, y]):
            return getattr(ensemble, task.name)(n_jobs=CORES, **task.settings).fit(X, y)

    yield fit


def find_sides(bench: Bench, task: Task, stack: ExitStack) -> dict[str, Side]:
    """Return all sides of a forest."""

    def judge(model: Any) -> dict[str, float]:
        _, _, X, y = task.rows.read()
        return {"score": float(model.score(X, y))}

    def side(prepare: Any, *more: Any, extra: bool = False) -> Side:
        return Side(time_fit(partial(prepare, task, *more), judge_once(judge)), extra)

    return {
        "hpc-ml, all rows": side(prepare_ours, bench.client),
        "hpc-ml, by partition": side(prepare_by_partition, bench.client, extra=True),
        BASE: side(prepare_scikit_learn),
        ONE_WORKER: side(prepare_ours, bench.one, extra=True),
        "joblib on Dask": side(prepare_joblib, bench.client, extra=True),
    }


def main() -> None:
    parser = make_parser(__doc__, "forest")
    parser.add_argument("--rows", type=int, default=50_000, help="rows to learn from")
    parser.add_argument("--trees", type=int, default=100, help="trees of a forest")
    with open_bench(read_words(parser, rows=5_000)) as bench:
        bench.run(make_works(bench))


if __name__ == "__main__":
    main()
