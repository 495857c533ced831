"""Our linear models against others on the same two cores, side by side in one run.

    python benchmarks/linear.py            seven pairs on 500,000 rows of 50 columns
    python benchmarks/linear.py --quick    two pairs on 20,000, to see that it works

All sides start from the same file of float64, with 2 workers of 1 thread against 2 threads.
`wall_s` is the fit on rows that are in memory, and `ratio` that by scikit-learn's in the same
round; `load_s`, which reading the rows takes before it, is shown apart. `gap` is how far the
objective is above the lowest that any side reaches, `accuracy` (or R2) that of the fitted rows.
dask-ml's penalty hits the intercept too. Run it on a machine that does nothing else.
"""

import argparse
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
from distributed import Client, LocalCluster, wait
from pairs import compare, run_in_turns, show, write
from rich.console import Console
from sklearn import linear_model
from sklearn.datasets import make_classification
from sklearn.metrics import log_loss
from threadpoolctl import threadpool_limits

from hpc_ml import estimators
from hpc_ml.estimators.collective import Collective
from hpc_ml.estimators.partitions import Block
from hpc_ml.schedulers.dask_settings import configuration

CORES = 2
PARTITIONS = 20
BASE = "scikit-learn, 2 threads"
ACCURACY_ROWS = 100_000

Fit = Callable[[Any], Any]


@dataclass(frozen=True)
class Rows:
    """Rows in a file, and the same as partitions of them that workers read."""

    path: Path
    target: Path
    n_rows: int
    n_features: int

    @property
    def key(self) -> str:
        return str(self.target)

    @property
    def bounds(self) -> list[int]:
        return [self.n_rows * number // PARTITIONS for number in range(PARTITIONS + 1)]

    @property
    def rows(self) -> tuple[int, ...]:
        return tuple(int(rows) for rows in np.diff(self.bounds))

    @property
    def bytes_each(self) -> tuple[int, ...]:
        return tuple(8 * rows * self.n_features for rows in self.rows)

    def load(self, number: int) -> Block:
        rows = slice(*self.bounds[number : number + 2])
        return Block(*(np.array(part[rows]) for part in self.read("r")))

    def read(self, mmap_mode: str | None = None) -> tuple[Any, Any]:
        return np.load(self.path, mmap_mode), np.load(self.target, mmap_mode)


@dataclass(frozen=True)
class Work:
    """A model, the rows that it is fitted on, and the loss by which fits are judged."""

    title: str
    name: str
    settings: Mapping[str, Any]
    rows: Rows
    dask_ml: str | None = None


def make_works(folder: Path, n_rows: int) -> list[Work]:
    """Write the rows of all works, and return these: the main one, smaller, and other models."""
    X, y = make_classification(n_rows, 50, n_informative=25, random_state=0)
    small = n_rows // 10
    sums = X @ X[0] + np.random.default_rng(0).normal(size=n_rows)
    halves = X[:, 0] > np.median(X[:, 0])
    counts = np.random.default_rng(0).poisson(np.exp(X[:, 0] / X[:, 0].std() / 3))

    def save(name: str, target: Any, rows: int = n_rows) -> Rows:
        for path, part in (("X", X), (name, target)):
            np.save(folder / f"{path}-{rows}.npy", np.ascontiguousarray(part[:rows]))
        return Rows(folder / f"X-{rows}.npy", folder / f"{name}-{rows}.npy", rows, X.shape[1])

    logistic = ("LogisticRegression", {"max_iter": 200})
    return [
        Work(f"logistic, {n_rows:,} x 50", *logistic, save("two", y), "LogisticRegression"),
        Work(f"logistic, {small:,} x 50", *logistic, save("two", y, small), "LogisticRegression"),
        Work(f"3 classes, {n_rows:,} x 50", *logistic, save("three", y + (halves & (y > 0)))),
        Work(f"Poisson, {n_rows:,} x 50", "PoissonRegressor", {}, save("counts", counts)),
        Work(f"least squares, {n_rows:,} x 50", "LinearRegression", {}, save("sums", sums)),
    ]


@contextmanager
def prepare_ours(work: Work, client: Client) -> Iterator[Fit]:
    with Collective(work.rows, client) as collective:
        collective.map(touch)
        yield lambda: getattr(estimators, work.name)(**work.settings).fit(collective)


def touch(block: Block, state: None, memory: dict[str, Any]) -> None:
    """Do nothing with a partition, which is read for that."""


@contextmanager
def prepare_scikit_learn(work: Work, client: Client) -> Iterator[Fit]:
    X, y = work.rows.read()
    with threadpool_limits(limits=CORES):
        yield lambda: getattr(linear_model, work.name)(**work.settings).fit(X, y)


@contextmanager
def prepare_dask_ml(work: Work, client: Client) -> Iterator[Fit]:
    from dask_ml import linear_model as dask_ml

    blocks = [dask.delayed(work.rows.load)(number) for number in range(PARTITIONS)]
    shapes = [(rows, work.rows.n_features) for rows in work.rows.rows]
    X = da.concatenate(
        [da.from_delayed(b.X, shape, float) for b, shape in zip(blocks, shapes, strict=True)]
    )
    y = da.concatenate(
        [da.from_delayed(b.y, shape[:1], int) for b, shape in zip(blocks, shapes, strict=True)]
    )
    X, y = dask.persist(X, y)
    wait([X, y])
    # tol and max_iter are scikit-learn's defaults; its own default solver is slower still.
    model = getattr(dask_ml, str(work.dask_ml))(solver="lbfgs", tol=1e-4, max_iter=200)
    yield lambda: model.fit(X, y)


SIDES = {"hpc-ml": prepare_ours, BASE: prepare_scikit_learn, "dask-ml": prepare_dask_ml}


def measure_objective(work: Work, model: Any, X: Any, y: Any) -> float:
    """Return the mean loss that all sides minimise, with its penalty."""
    coefficients = np.ravel(model.coef_)
    if work.name == "LogisticRegression":
        raw = X @ np.atleast_2d(model.coef_).T + np.ravel(model.intercept_)
        raw = np.column_stack((np.zeros(len(X)), raw)) if raw.shape[1] == 1 else raw
        shares = np.exp(raw - raw.max(axis=1, keepdims=True))
        loss = log_loss(y, shares / shares.sum(axis=1, keepdims=True))
        return float(loss + 0.5 * coefficients @ coefficients / len(y))
    raw = X @ coefficients + model.intercept_
    if work.name == "PoissonRegressor":
        return float(np.mean(np.exp(raw) - y * raw) + 0.5 * coefficients @ coefficients)
    return float(0.5 * np.mean((y - raw) ** 2))


def judge(work: Work, model: Any) -> dict[str, float]:
    """Return the quality of a fitted model."""
    X, y = work.rows.read()
    objective = measure_objective(work, model, X, y)
    rows = slice(0, ACCURACY_ROWS)
    found = np.asarray(model.predict(X[rows]), dtype=float)
    if work.name == "LogisticRegression":
        return {"objective": objective, "accuracy": float(np.mean(found == y[rows]))}
    rest = float(np.sum((y[rows] - found) ** 2) / np.sum((y[rows] - y[rows].mean()) ** 2))
    return {"objective": objective, "R2": 1 - rest}


def run_work(work: Work, client: Client, pairs: int, sides: list[str], console: Console) -> Any:
    """Measure all sides on one work, after each has fitted it once."""
    console.print(f"[bold]{work.title}[/bold]")
    quality: dict[str, dict[str, float]] = {}

    def run(side: str) -> Callable[[], dict[str, float]]:
        def fit() -> dict[str, float]:
            started = time.perf_counter()
            with SIDES[side](work, client) as fit_loaded:
                loaded = time.perf_counter()
                model = fit_loaded()
                ended = time.perf_counter()
            if side not in quality:
                quality[side] = judge(work, model)
            return {"wall_s": ended - loaded, "load_s": loaded - started}

        return fit

    turns = {side: run(side) for side in sides if side != "dask-ml" or work.dask_ml}
    for turn in turns.values():
        turn()
    measured = run_in_turns(turns, pairs, console)
    lowest = min(found["objective"] for found in quality.values())
    for side, rounds in measured.items():
        own = quality[side]
        more = {"gap": own["objective"] - lowest} | {k: own[k] for k in own if k != "objective"}
        for one in rounds:
            one.update(more)
    summary = compare(measured, BASE)
    show(f"{work.title}: median (quartiles) of {pairs}", summary, console)
    return {"rounds": measured, "summary": summary}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=7, help="rounds of each side")
    parser.add_argument("--rows", type=int, default=500_000, help="rows of the table")
    parser.add_argument("--two", action="store_true", help="hpc-ml and scikit-learn alone")
    parser.add_argument("--quick", action="store_true", help="two rounds of 20,000 rows")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/linear.json"))
    words = parser.parse_args()
    if words.quick:
        words.pairs, words.rows = 2, 20_000
    console = Console()
    if os.getloadavg()[0] > 0.5:
        console.print("[yellow]This machine is busy: the numbers will not mean much.[/yellow]")
    # dask-ml warns of what scikit-learn has deprecated; that is no part of the comparison.
    warnings.simplefilter("ignore")
    sides = [name for name in SIDES if name != "dask-ml"]
    with suppress(ImportError):
        import dask_ml.linear_model  # noqa: F401

        sides += [] if words.two else ["dask-ml"]
    with (
        tempfile.TemporaryDirectory() as folder,
        # The settings of hpc-ml's own clusters; all sides on Dask profit.
        dask.config.set(configuration()),
        LocalCluster(
            n_workers=CORES, threads_per_worker=1, host="127.0.0.1", dashboard_address=":0"
        ) as cluster,
        Client(cluster) as client,
    ):
        works = make_works(Path(folder), words.rows)
        results = {
            work.title: run_work(work, client, words.pairs, sides, console) for work in works
        }
    write(words.out, results)
    console.print(f"Every round is in {words.out}.")


if __name__ == "__main__":
    main()
