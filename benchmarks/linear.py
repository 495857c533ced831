"""Our linear models against others on the same two cores, side by side in one run.

    python benchmarks/linear.py            seven pairs on 500,000 rows of 50 columns
    python benchmarks/linear.py --quick    two pairs on 20,000, to see that it works

All sides start from the same file of float64, with 2 workers of 1 thread against 2 threads.
`wall_s` is the fit on rows that are in memory, and `ratio` that by scikit-learn's in the same
round; `load_s`, which reading the rows takes before it, is shown apart, and counted in by
`whole_s`. `gap` is how far the objective is above the lowest that any side reaches, `accuracy` (or
R2) that of the fitted rows. dask-ml's penalty hits the intercept too. Run it on a machine that does
nothing else.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from distributed import Client
from frame import CORES, Bench, Work, make_parser, open_bench, read_words
from growth import ONE_WORKER
from pairs import Measured
from sides import HAS_DASK_ML, Fit, RowsInFile, Side, hold, judge_once, persist, time_fit
from sklearn import linear_model
from sklearn.datasets import make_classification
from sklearn.metrics import log_loss
from threadpoolctl import threadpool_limits

from hpc_ml import estimators
from hpc_ml.estimators.partitions import Block

BASE = "scikit-learn, 2 threads"
ACCURACY_ROWS = 100_000


@dataclass(frozen=True)
class Rows(RowsInFile):
    """The target of each work lies in a file of its own."""

    target: Path
    n_partitions: ClassVar[int] = 20

    @property
    def key(self) -> str:
        return str(self.target)

    def load(self, number: int) -> Block:
        rows = slice(*self.bounds[number : number + 2])
        return Block(*(np.array(part[rows]) for part in self.read("r")))

    def read(self, mmap_mode: str | None = None) -> tuple[Any, Any]:
        return np.load(self.path, mmap_mode), np.load(self.target, mmap_mode)


@dataclass(frozen=True)
class Task:
    """A model, the rows that it is fitted on, and whether the model is also dask-ml's."""

    name: str
    settings: Mapping[str, Any]
    rows: Rows
    on_dask: bool = False


def make_works(bench: Bench) -> list[Work]:
    """Write the rows of all works, and return these: the main one, smaller, and other models."""
    n_rows = bench.words.rows
    X, y = make_classification(n_rows, 50, n_informative=25, random_state=0)
    small = n_rows // 10
    sums = X @ X[0] + np.random.default_rng(0).normal(size=n_rows)
    halves = X[:, 0] > np.median(X[:, 0])
    counts = np.random.default_rng(0).poisson(np.exp(X[:, 0] / X[:, 0].std() / 3))

    def save(name: str, target: Any, rows: int = n_rows) -> Rows:
        for path, part in (("X", X), (name, target)):
            np.save(bench.folder / f"{path}-{rows}.npy", np.ascontiguousarray(part[:rows]))
        own, target_file = (bench.folder / f"{path}-{rows}.npy" for path in ("X", name))
        return Rows(own, rows, X.shape[1], target_file)

    def work(family: str, task: Task) -> Work:
        title = f"{family}, {task.rows.n_rows:,} x 50"
        sides = partial(find_sides, bench, task)
        return Work(title, family, task.rows.n_rows, BASE, sides, complete=add_gaps)

    logistic = ("LogisticRegression", {"max_iter": 200})
    return [
        work("logistic", Task(*logistic, save("two", y), on_dask=True)),
        work("logistic", Task(*logistic, save("two", y, small), on_dask=True)),
        work("3 classes", Task(*logistic, save("three", y + (halves & (y > 0))))),
        work("Poisson", Task("PoissonRegressor", {}, save("counts", counts))),
        work("least squares", Task("LinearRegression", {}, save("sums", sums))),
    ]


@contextmanager
def prepare_ours(task: Task, client: Client) -> Iterator[Fit]:
    with hold(task.rows, client) as collective:
        yield lambda: getattr(estimators, task.name)(**task.settings).fit(collective)


@contextmanager
def prepare_scikit_learn(task: Task) -> Iterator[Fit]:
    X, y = task.rows.read()
    with threadpool_limits(limits=CORES):
        yield lambda: getattr(linear_model, task.name)(**task.settings).fit(X, y)


@contextmanager
def prepare_dask_ml(task: Task) -> Iterator[Fit]:
    from dask_ml import linear_model as dask_ml

    X, y = persist(task.rows)
    # tol and max_iter are scikit-learn's defaults; its own default solver is slower still.
    model = getattr(dask_ml, task.name)(solver="lbfgs", tol=1e-4, max_iter=200)
    yield lambda: model.fit(X, y)


def find_sides(bench: Bench, task: Task, stack: ExitStack) -> dict[str, Side]:
    """Return all sides of a model; one worker and dask-ml where dask-ml has the model."""

    def side(prepare: Any, *more: Any, extra: bool = False) -> Side:
        judge_first = judge_once(partial(judge, task))
        return Side(time_fit(partial(prepare, task, *more), judge_first), extra)

    sides = {"hpc-ml": side(prepare_ours, bench.client), BASE: side(prepare_scikit_learn)}
    if task.on_dask:
        sides[ONE_WORKER] = side(prepare_ours, bench.one, extra=True)
        if HAS_DASK_ML:
            sides["dask-ml"] = side(prepare_dask_ml, extra=True)
    return sides


def measure_objective(task: Task, model: Any, X: Any, y: Any) -> float:
    """Return the mean loss that all sides minimise, with its penalty."""
    coefficients = np.ravel(model.coef_)
    if task.name == "LogisticRegression":
        raw = X @ np.atleast_2d(model.coef_).T + np.ravel(model.intercept_)
        raw = np.column_stack((np.zeros(len(X)), raw)) if raw.shape[1] == 1 else raw
        shares = np.exp(raw - raw.max(axis=1, keepdims=True))
        loss = log_loss(y, shares / shares.sum(axis=1, keepdims=True))
        return float(loss + 0.5 * coefficients @ coefficients / len(y))
    raw = X @ coefficients + model.intercept_
    if task.name == "PoissonRegressor":
        return float(np.mean(np.exp(raw) - y * raw) + 0.5 * coefficients @ coefficients)
    return float(0.5 * np.mean((y - raw) ** 2))


def judge(task: Task, model: Any) -> dict[str, float]:
    """Return the quality of a fitted model."""
    X, y = task.rows.read()
    objective = measure_objective(task, model, X, y)
    rows = slice(0, ACCURACY_ROWS)
    found = np.asarray(model.predict(X[rows]), dtype=float)
    if task.name == "LogisticRegression":
        return {"objective": objective, "accuracy": float(np.mean(found == y[rows]))}
    rest = float(np.sum((y[rows] - found) ** 2) / np.sum((y[rows] - y[rows].mean()) ** 2))
    return {"objective": objective, "R2": 1 - rest}


def add_gaps(measured: Measured) -> None:
    """Put the distance from the lowest objective of all in place of the objective."""
    rounds = [one for rounds in measured.values() for one in rounds]
    lowest = min(one["objective"] for one in rounds)
    for one in rounds:
        one["gap"] = one.pop("objective") - lowest


def main() -> None:
    parser = make_parser(__doc__, "linear")
    parser.add_argument("--rows", type=int, default=500_000, help="rows of the table")
    with open_bench(read_words(parser, rows=20_000)) as bench:
        bench.run(make_works(bench))


if __name__ == "__main__":
    main()
