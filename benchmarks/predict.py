"""Our predictions over Parquet against others on the same two cores, side by side in one run.

    python benchmarks/predict.py            seven pairs over 10 million rows of 20 float32
    python benchmarks/predict.py --quick    two pairs over 400,000, to see that it works

Every side reads the same file, predicts label and probabilities, and writes them as Parquet.
`ratio` is the wall time by that of plain pyarrow batches in two processes in the same round; what
reading alone takes there is shown apart. Run it on a machine that does nothing else.
"""

import argparse
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pyarrow as pa
from distributed import Client, LocalCluster
from pairs import compare, run_in_turns, show, write
from pyarrow import parquet as pq
from rich.console import Console
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from hpc_ml.data.source import DataSource
from hpc_ml.schedulers.dask_settings import configuration
from hpc_ml.spec.data import Data
from hpc_ml.tasks import predict
from hpc_ml.tasks.model_files import write_model_folder
from hpc_ml.tasks.predict_rows import predict_source
from hpc_ml.tasks.stored_models import load_model

CORES = 2
BASE = "pyarrow in 2 processes"
READING = "reading alone"
COLUMNS = tuple(f"x{number}" for number in range(20))
BATCH_ROWS = 65_536
TRAINED_ROWS = 100_000


@dataclass
class Run:
    """What the task sees of a run: a folder, and a checkpoint in memory."""

    predictions_folder: Path
    seed: int = 0
    units: dict[str, Any] = field(default_factory=dict)

    def finished(self) -> Mapping[str, Any]:
        return self.units

    def record(self, unit: str, value: Any) -> None:
        self.units[unit] = value

    def progress(self, done: int, total: int, unit: str) -> None:
        pass

    def tell(self, message: str) -> None:
        pass

    def check(self) -> None:
        pass


@dataclass(frozen=True)
class Work:
    """A table, a model, and where predictions go."""

    title: str
    table: Path
    estimator: Any
    model: Path
    out: Path


def write_rows(path: Path, rows: int) -> None:
    """Write standard normal numbers, a million rows at a time."""
    rng = np.random.default_rng(0)
    schema = pa.schema([(name, pa.float32()) for name in COLUMNS])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, 1_000_000):
            X = rng.standard_normal((min(1_000_000, rows - start), len(COLUMNS)), np.float32)
            writer.write_table(pa.table(list(X.T.copy()), names=list(COLUMNS)))


def fit_models() -> dict[str, Any]:
    """Return the models, fitted on rows of the same kind; the booster where it is installed."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((TRAINED_ROWS, len(COLUMNS)), np.float32)
    y = (X[:, 0] * X[:, 1] + X @ rng.standard_normal(len(COLUMNS)) > 0).astype(int)
    models: dict[str, Any] = {"logistic": LogisticRegression().fit(X, y)}
    with suppress(ImportError):
        from xgboost import XGBClassifier

        models["booster of 100 trees"] = XGBClassifier(n_estimators=100, n_jobs=1).fit(X, y)
    return models


def predict_ours(work: Work, client: Client) -> None:
    source = DataSource(Data(path=str(work.table)), supervised=False)
    settings = predict.Settings(model=str(work.model), output=("label", "probability"))
    rows = predict_source(source, load_model(work.model), scored=False)
    work.out.mkdir()
    predict.run(client, rows, settings, Run(work.out))


def predict_by_batches(work: Work, pool: ProcessPoolExecutor) -> None:
    work.out.mkdir()
    groups = np.array_split(np.arange(pq.read_metadata(work.table).num_row_groups), CORES)
    list(pool.map(predict_groups, [work] * CORES, groups, range(CORES)))


def predict_groups(work: Work, groups: np.ndarray, number: int) -> None:
    """Predict some row groups as one would by hand; labels come from the probabilities."""
    writer = None
    with threadpool_limits(limits=1):
        for batch in read_batches(work, groups):
            X = np.column_stack([column.to_numpy() for column in batch.columns])
            found = work.estimator.predict_proba(X)
            labels = work.estimator.classes_[found.argmax(axis=1)]
            table = pa.table(
                {"prediction": labels, "probability_0": found[:, 0], "probability_1": found[:, 1]}
            )
            writer = writer or pq.ParquetWriter(work.out / f"{number}.parquet", table.schema)
            writer.write_table(table)
    if writer is not None:
        writer.close()


def read_batches(work: Work, groups: np.ndarray) -> Any:
    return pq.ParquetFile(work.table).iter_batches(
        BATCH_ROWS, row_groups=list(groups), columns=list(COLUMNS), use_threads=False
    )


def read_only(work: Work, pool: ProcessPoolExecutor) -> None:
    groups = np.array_split(np.arange(pq.read_metadata(work.table).num_row_groups), CORES)
    list(pool.map(read_groups, [work] * CORES, groups))


def read_groups(work: Work, groups: np.ndarray) -> None:
    for batch in read_batches(work, groups):
        np.column_stack([column.to_numpy() for column in batch.columns])


def predict_dask_ml(work: Work) -> None:
    import dask.dataframe as dd
    from dask_ml.wrappers import ParallelPostFit

    rows = dd.read_parquet(work.table, columns=list(COLUMNS), split_row_groups=True).to_dask_array()
    model = ParallelPostFit(work.estimator)
    found = dd.from_dask_array(
        model.predict_proba(rows), columns=["probability_0", "probability_1"]
    )
    labels = dd.from_dask_array(model.predict(rows), columns="prediction")
    dd.concat([labels.to_frame(), found], axis=1).to_parquet(work.out, write_index=False)


def check_answers(work: Work) -> float:
    """Return the share of labels that are the model's own, of the rows at the start."""
    first = sorted(work.out.glob("*.parquet"))[0]
    found = pq.read_table(first).column("prediction").to_numpy()[:BATCH_ROWS]
    batch = next(pq.ParquetFile(work.table).iter_batches(BATCH_ROWS, columns=list(COLUMNS)))
    X = np.column_stack([column.to_numpy() for column in batch.columns])[: len(found)]
    return float((found == work.estimator.predict(X)).mean())


def measure(side: Callable[[Work], None], work: Work) -> Callable[[], dict[str, float]]:
    """Return a run of a side into an empty folder."""

    def run() -> dict[str, float]:
        shutil.rmtree(work.out, ignore_errors=True)
        side(work)
        return {}

    return run


def find_sides(client: Client, pool: ProcessPoolExecutor) -> dict[str, Callable[[Work], None]]:
    """Return the sides that are installed here, ours first."""
    sides: dict[str, Callable[[Work], None]] = {
        "hpc-ml": lambda work: predict_ours(work, client),
        BASE: lambda work: predict_by_batches(work, pool),
        READING: lambda work: read_only(work, pool),
    }
    with suppress(ImportError):
        import dask_ml.wrappers  # noqa: F401

        sides["dask-ml ParallelPostFit"] = predict_dask_ml
    return sides


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=7, help="rounds of each side")
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows of the table")
    parser.add_argument("--quick", action="store_true", help="two rounds over 400,000 rows")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/predict.json"))
    words = parser.parse_args()
    if words.quick:
        words.pairs, words.rows = 2, 400_000
    console = Console()
    if os.getloadavg()[0] > 0.5:
        console.print("[yellow]This machine is busy: the numbers will not mean much.[/yellow]")
    warnings.simplefilter("ignore")
    results = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        dask.config.set(configuration()),
        LocalCluster(
            n_workers=CORES, threads_per_worker=1, host="127.0.0.1", dashboard_address=":0"
        ) as cluster,
        Client(cluster) as client,
        ProcessPoolExecutor(CORES, mp_context=get_context("spawn")) as pool,
    ):
        table = Path(folder) / "rows.parquet"
        write_rows(table, words.rows)
        sides = find_sides(client, pool)
        for title, estimator in fit_models().items():
            results[title] = run_model(title, estimator, table, sides, words.pairs, console)
    write(words.out, results)
    console.print(f"Every round is in {words.out}.")


def run_model(
    title: str,
    estimator: Any,
    table: Path,
    sides: Mapping[str, Callable[[Work], None]],
    pairs: int,
    console: Console,
) -> dict[str, Any]:
    """Measure all sides with one model, after each has run once and its answers are checked."""
    console.print(f"[bold]{title}[/bold]")
    work = Work(title, table, estimator, table.parent / title, table.parent / "predictions")
    facts = {
        "columns": [{"name": name, "kind": "numeric"} for name in COLUMNS],
        "classes": [0, 1],
        "data": {},
    }
    write_model_folder(work.model, estimator, None, facts)
    for name, side in sides.items():
        shutil.rmtree(work.out, ignore_errors=True)
        side(work)
        if name != READING:
            console.print(f"  {name}: {check_answers(work):.2%} of the labels are the model's own")
    measured = run_in_turns(
        {name: measure(side, work) for name, side in sides.items()}, pairs, console
    )
    summary = compare(measured, BASE)
    show(f"{title}: median (quartiles) of {pairs}", summary, console)
    return {"rounds": measured, "summary": summary}


if __name__ == "__main__":
    main()
