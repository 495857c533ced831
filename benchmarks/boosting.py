"""Our XGBoost and LightGBM against the libraries themselves on the same two cores, in one run.

    python benchmarks/boosting.py            seven pairs of 500,000 and of 50,000 rows x 50
    python benchmarks/boosting.py --quick    two pairs of 20,000 and 5,000, to see that it works

Each side reads Parquet and trains 50 rounds. `ratio` is of the whole wall time, `fit_s` is without
the reading, `auc` is of rows that no side has seen, taken after the clock has stopped. Run it on a
machine that does nothing else.
"""

import argparse
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import dask
import dask.dataframe as dd
import lightgbm
import numpy as np
import pandas as pd
import xgboost
from distributed import Client, LocalCluster, wait
from lightgbm import dask as lightgbm_dask
from pairs import compare, run_in_turns, show, write
from rich.console import Console
from sklearn.metrics import roc_auc_score
from xgboost import dask as xgboost_dask

from hpc_ml import estimators
from hpc_ml.data.source import DataSource
from hpc_ml.schedulers.dask_settings import configuration
from hpc_ml.spec.data import Data
from hpc_ml.tasks.rows import open_rows

CORES = 2
FEATURES = 50
FILES = 20
ROUNDS = 50

Fit = Callable[[], tuple[float, Any]]


@dataclass(frozen=True)
class Table:
    """Two classes of rows in Parquet files, and rows to judge a model by."""

    folder: Path
    rows: int

    def write(self) -> None:
        """Write the files."""
        self.folder.mkdir()
        for number in range(FILES):
            X, y = make_rows(self.rows // FILES, number)
            frame = pd.DataFrame(X, columns=[f"x{n}" for n in range(FEATURES)]).assign(y=y)
            frame.to_parquet(self.folder / f"{number:03d}.parquet", index=False)

    @property
    def source(self) -> DataSource:
        return DataSource(Data(path=str(self.folder), target="y"), stratify=True)

    def judge(self, model: Any) -> float:
        X, y = make_rows(50_000, 1000)
        return float(roc_auc_score(y, np.asarray(model.predict_proba(X))[:, 1]))


def make_rows(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((rows, FEATURES)).astype(np.float32)
    signal = X[:, 0] + X[:, 1] * X[:, 2] + np.sin(3 * X[:, 3]) + X[:, 4:10].sum(axis=1) / 2
    return X, (signal + rng.standard_normal(rows) > 0).astype(np.int64)


class QuietRun:
    """What `open_rows` and a fit need of a run."""

    seed = 0

    def check(self) -> None:
        pass

    def tell(self, message: str) -> None:
        pass

    def kept_state(self, name: str) -> None:
        return None

    def keep_state(self, name: str, make: Callable[[], bytes]) -> None:
        make()

    def progress(self, done: int, total: int, unit: str) -> None:
        pass


def fit_ours(make: Callable[..., Any], table: Table, client: Client, layout: str) -> Fit:
    def fit() -> tuple[float, Any]:
        run: Any = QuietRun()
        with open_rows(client, table.source, run) as rows, estimators.surroundings(client, run):
            loaded_s = time.perf_counter()
            model = make(n_estimators=ROUNDS, layout=layout).fit(rows.collective)
        return loaded_s, model

    return fit


def fit_locally(make: Callable[..., Any], table: Table, threads: int) -> Fit:
    def fit() -> tuple[float, Any]:
        frame = pd.read_parquet(table.folder)
        X, y = frame.drop(columns="y").to_numpy(), frame["y"].to_numpy()
        loaded_s = time.perf_counter()
        return loaded_s, make(n_estimators=ROUNDS, n_jobs=threads).fit(X, y)

    return fit


def fit_on_dask(make: Callable[..., Any], table: Table, client: Client) -> Fit:
    def fit() -> tuple[float, Any]:
        frame = dd.read_parquet(table.folder).repartition(npartitions=CORES)
        X, y = (part.persist() for part in (frame.drop(columns="y"), frame["y"]))
        wait([X, y])
        loaded_s = time.perf_counter()
        model = make(n_estimators=ROUNDS).fit(X.to_dask_array(lengths=True), y)
        return loaded_s, model.to_local() if hasattr(model, "to_local") else model

    return fit


def measure(fit: Fit, table: Table) -> Callable[[], dict[str, float]]:
    """Return a run of a side that also tells what it took without reading, and how good it is."""

    def run() -> dict[str, float]:
        start_s = time.perf_counter()
        loaded_s, model = fit()
        end_s = time.perf_counter()
        return {
            "wall_s": end_s - start_s,
            "fit_s": end_s - loaded_s,
            "auc": table.judge(model.local_estimator() if hasattr(model, "layout") else model),
        }

    return run


def find_sides(
    library: str, table: Table, client: Client, *, on_dask: bool
) -> dict[str, Callable[[], Mapping[str, float]]]:
    """Return the sides of one library on one table; the library on 2 threads is the base."""
    ours, theirs, on_workers = {
        "xgboost": (
            estimators.XGBClassifier,
            xgboost.XGBClassifier,
            xgboost_dask.DaskXGBClassifier,
        ),
        "lightgbm": (
            estimators.LGBMClassifier,
            partial(lightgbm.LGBMClassifier, verbosity=-1),
            partial(lightgbm_dask.DaskLGBMClassifier, verbosity=-1),
        ),
    }[library]
    fits = {
        "hpc-ml": fit_ours(ours, table, client, "auto"),
        "hpc-ml, layout all": fit_ours(ours, table, client, "all"),
        base_of(library): fit_locally(theirs, table, CORES),
    }
    if on_dask:
        fits[f"{library} on Dask"] = fit_on_dask(on_workers, table, client)
    return {name: measure(fit, table) for name, fit in fits.items()}


def base_of(library: str) -> str:
    return f"{library}, {CORES} threads"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=7, help="rounds of each side")
    parser.add_argument("--rows", type=int, nargs="+", default=[500_000, 50_000])
    parser.add_argument("--library", choices=["xgboost", "lightgbm"], action="append")
    parser.add_argument("--two", action="store_true", help="without the libraries on Dask")
    parser.add_argument("--quick", action="store_true", help="two rounds of a few seconds")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/boosting.json"))
    words = parser.parse_args()
    if words.quick:
        words.pairs, words.rows = 2, [20_000, 5_000]
    console = Console()
    if os.getloadavg()[0] > 0.5:
        console.print("[yellow]This machine is busy: the numbers will not mean much.[/yellow]")
    warnings.simplefilter("ignore")
    results: dict[str, Any] = {}
    with (
        # The settings of hpc-ml's own clusters; all sides on Dask profit.
        dask.config.set(configuration()),
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(
            n_workers=CORES, threads_per_worker=1, host="127.0.0.1", dashboard_address=":0"
        ) as cluster,
        Client(cluster) as client,
    ):
        for rows in words.rows:
            table = Table(Path(folder) / str(rows), rows)
            table.write()
            for library in words.library or ("xgboost", "lightgbm"):
                title = f"{library}, {rows:,} x {FEATURES}, {ROUNDS} rounds"
                console.print(f"[bold]{title}[/bold]")
                sides = find_sides(library, table, client, on_dask=not words.two)
                for side in sides.values():
                    side()
                measured = run_in_turns(sides, words.pairs, console)
                summary = compare(measured, base_of(library))
                show(f"{title}: median (quartiles) of {words.pairs}", summary, console)
                results[title] = {"rounds": measured, "summary": summary}
    write(words.out, results)
    console.print(f"Every round is in {words.out}.")


if __name__ == "__main__":
    main()
