"""Our XGBoost and LightGBM against the libraries themselves on the same two cores, in one run.

    python benchmarks/boosting.py            seven pairs of 500,000 and of 50,000 rows x 50
    python benchmarks/boosting.py --quick    two pairs of 20,000 and 5,000, to see that it works

Each side reads Parquet and trains 50 rounds. `ratio` is of the whole wall time to that of the
library on 2 threads, `fit_s` is without the reading, `auc` is of rows that no side has seen, taken
after the clock has stopped. hpc-ml says in which workers it trains: on two workers of one host it
may take one, which then has the threads of both, so that the library on 2 threads is its match;
a single worker of 1 thread is also set beside the library on 1 thread (`matched ratio`). Run it on
a machine that does nothing else.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import dask.dataframe as dd
import lightgbm
import numpy as np
import pandas as pd
import xgboost
from distributed import Client, wait
from frame import CORES, Bench, Work, make_parser, open_bench, read_words
from growth import ONE_WORKER
from lightgbm import dask as lightgbm_dask
from sides import Fit, QuietRun, Side, time_fit
from sklearn.metrics import roc_auc_score
from xgboost import dask as xgboost_dask

from hpc_ml import estimators
from hpc_ml.data.source import DataSource
from hpc_ml.spec.data import Data
from hpc_ml.tasks.rows import open_rows

FEATURES = 50
FILES = 20
ROUNDS = 50

Make = Callable[..., Any]


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

    def judge(self, model: Any) -> dict[str, float]:
        X, y = make_rows(50_000, 1000)
        if isinstance(model, xgboost.Booster):
            found = model.inplace_predict(X)
        else:
            fitted = model.local_estimator() if hasattr(model, "layout") else model
            found = fitted.predict_proba(X)[:, 1]
        return {"auc": float(roc_auc_score(y, found))}


def make_rows(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((rows, FEATURES)).astype(np.float32)
    signal = X[:, 0] + X[:, 1] * X[:, 2] + np.sin(3 * X[:, 3]) + X[:, 4:10].sum(axis=1) / 2
    return X, (signal + rng.standard_normal(rows) > 0).astype(np.int64)


@contextmanager
def prepare_ours(
    make: Make, table: Table, client: Client, bench: Bench, layout: str = "auto"
) -> Iterator[Fit]:
    run: Any = QuietRun(bench.tell_once)
    with open_rows(client, table.source, run) as rows, estimators.surroundings(client, run):
        yield lambda: make(n_estimators=ROUNDS, layout=layout).fit(rows.collective)


@contextmanager
def prepare_locally(make: Make, table: Table, threads: int) -> Iterator[Fit]:
    frame = pd.read_parquet(table.folder)
    X, y = frame.drop(columns="y").to_numpy(), frame["y"].to_numpy()
    yield lambda: make(n_estimators=ROUNDS, n_jobs=threads).fit(X, y)


@contextmanager
def prepare_on_dask(make: Make, table: Table) -> Iterator[Fit]:
    frame = dd.read_parquet(table.folder).repartition(npartitions=CORES)
    X, y = (part.persist() for part in (frame.drop(columns="y"), frame["y"]))
    wait([X, y])

    def fit() -> Any:
        model = make(n_estimators=ROUNDS).fit(X.to_dask_array(lengths=True), y)
        return model.to_local() if hasattr(model, "to_local") else model.get_booster()

    yield fit


LIBRARIES: dict[str, tuple[Make, Make, Make]] = {
    "xgboost": (estimators.XGBClassifier, xgboost.XGBClassifier, xgboost_dask.DaskXGBClassifier),
    "lightgbm": (
        estimators.LGBMClassifier,
        partial(lightgbm.LGBMClassifier, verbosity=-1),
        partial(lightgbm_dask.DaskLGBMClassifier, verbosity=-1),
    ),
}


def find_sides(bench: Bench, library: str, table: Table, stack: ExitStack) -> dict[str, Side]:
    """Return the sides of one library on one table."""
    ours, theirs, on_dask = LIBRARIES[library]

    def side(prepare: Any, *more: Any, extra: bool = False) -> Side:
        return Side(time_fit(partial(prepare, *more), table.judge, from_files=True), extra)

    return {
        "hpc-ml": side(prepare_ours, ours, table, bench.client, bench),
        "hpc-ml, layout all": side(prepare_ours, ours, table, bench.client, bench, "all"),
        name_of(library, CORES): side(prepare_locally, theirs, table, CORES),
        ONE_WORKER: side(prepare_ours, ours, table, bench.one, bench),
        name_of(library, 1): side(prepare_locally, theirs, table, 1),
        f"{library} on Dask": side(prepare_on_dask, on_dask, table, extra=True),
    }


def name_of(library: str, threads: int) -> str:
    return f"{library}, {threads} thread{'s' if threads > 1 else ''}"


def make_works(bench: Bench) -> Iterator[Work]:
    """Write the tables, and return both libraries on each."""
    for rows in bench.words.rows:
        table = Table(bench.folder / str(rows), rows)
        table.write()
        for library in bench.words.library or LIBRARIES:
            yield Work(
                f"{library}, {rows:,} x {FEATURES}, {ROUNDS} rounds",
                library,
                rows,
                name_of(library, CORES),
                partial(find_sides, bench, library, table),
                matched={ONE_WORKER: name_of(library, 1)},
            )


def main() -> None:
    parser = make_parser(__doc__, "boosting")
    parser.add_argument("--rows", type=int, nargs="+", default=[500_000, 50_000])
    parser.add_argument("--library", choices=list(LIBRARIES), action="append")
    with open_bench(read_words(parser, rows=[20_000, 5_000])) as bench:
        bench.run(list(make_works(bench)))


if __name__ == "__main__":
    main()
