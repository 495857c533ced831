"""Our predictions over Parquet against others on the same two cores, side by side in one run.

    python benchmarks/predict.py            seven pairs over 10 million rows of 20 float32
    python benchmarks/predict.py --quick    two pairs over 400,000, to see that it works

Every side reads the same file, predicts label and probabilities, and writes them as Parquet.
`ratio` is the wall time by that of plain pyarrow batches in two processes in the same round; what
reading alone takes there is shown apart. `agreement` is the share of labels that are the model's
own. Run it on a machine that does nothing else.
"""

import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from distributed import Client
from frame import CORES, Bench, Work, make_parser, open_bench, read_words
from growth import ONE_WORKER
from pairs import Measure
from pyarrow import parquet as pq
from sides import HAS_DASK_ML, QuietRun, Side, time_call
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from hpc_ml.data.source import DataSource
from hpc_ml.spec.data import Data
from hpc_ml.tasks import predict
from hpc_ml.tasks.model_files import write_model_folder
from hpc_ml.tasks.predict_rows import predict_source
from hpc_ml.tasks.stored_models import load_model

BASE = "pyarrow in 2 processes"
READING = "reading alone"
COLUMNS = tuple(f"x{number}" for number in range(20))
BATCH_ROWS = 65_536
TRAINED_ROWS = 100_000


class KeepingRun(QuietRun):
    """What the task sees of a run: a folder, and a checkpoint in memory."""

    def __init__(self, predictions_folder: Path) -> None:
        super().__init__()
        self.predictions_folder = predictions_folder
        self._units: dict[str, Any] = {}

    def finished(self) -> Mapping[str, Any]:
        return self._units

    def record(self, unit: str, value: Any) -> None:
        self._units[unit] = value


@dataclass(frozen=True)
class Task:
    """A table, a model, and where predictions go."""

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


def predict_ours(task: Task, client: Client) -> None:
    source = DataSource(Data(path=str(task.table)), supervised=False)
    settings = predict.Settings(model=str(task.model), output=("label", "probability"))
    rows = predict_source(source, load_model(task.model), scored=False)
    task.out.mkdir()
    predict.run(client, rows, settings, KeepingRun(task.out))


def predict_by_batches(task: Task, pool: ProcessPoolExecutor) -> None:
    task.out.mkdir()
    groups = np.array_split(np.arange(pq.read_metadata(task.table).num_row_groups), CORES)
    list(pool.map(predict_groups, [task] * CORES, groups, range(CORES)))


def predict_groups(task: Task, groups: np.ndarray, number: int) -> None:
    """Predict some row groups as one would by hand; labels come from the probabilities."""
    writer = None
    with threadpool_limits(limits=1):
        for batch in read_batches(task, groups):
            X = np.column_stack([column.to_numpy() for column in batch.columns])
            found = task.estimator.predict_proba(X)
            labels = task.estimator.classes_[found.argmax(axis=1)]
            table = pa.table(
                {"prediction": labels, "probability_0": found[:, 0], "probability_1": found[:, 1]}
            )
            writer = writer or pq.ParquetWriter(task.out / f"{number}.parquet", table.schema)
            writer.write_table(table)
    if writer is not None:
        writer.close()


def read_batches(task: Task, groups: np.ndarray) -> Any:
    return pq.ParquetFile(task.table).iter_batches(
        BATCH_ROWS, row_groups=list(groups), columns=list(COLUMNS), use_threads=False
    )


def read_only(task: Task, pool: ProcessPoolExecutor) -> None:
    groups = np.array_split(np.arange(pq.read_metadata(task.table).num_row_groups), CORES)
    list(pool.map(read_groups, [task] * CORES, groups))


def read_groups(task: Task, groups: np.ndarray) -> None:
    for batch in read_batches(task, groups):
        np.column_stack([column.to_numpy() for column in batch.columns])


def predict_dask_ml(task: Task) -> None:
    import dask.dataframe as dd
    from dask_ml.wrappers import ParallelPostFit

    rows = dd.read_parquet(task.table, columns=list(COLUMNS), split_row_groups=True).to_dask_array()
    model = ParallelPostFit(task.estimator)
    found = dd.from_dask_array(
        model.predict_proba(rows), columns=["probability_0", "probability_1"]
    )
    labels = dd.from_dask_array(model.predict(rows), columns="prediction")
    dd.concat([labels.to_frame(), found], axis=1).to_parquet(task.out, write_index=False)


def judge(task: Task, answer: None) -> dict[str, float]:
    """Return the share of labels that are the model's own, of the rows at the start."""
    first = sorted(task.out.glob("*.parquet"))[0]
    found = pq.read_table(first).column("prediction").to_numpy()[:BATCH_ROWS]
    batch = next(pq.ParquetFile(task.table).iter_batches(BATCH_ROWS, columns=list(COLUMNS)))
    X = np.column_stack([column.to_numpy() for column in batch.columns])[: len(found)]
    return {"agreement": float((found == task.estimator.predict(X)).mean())}


def measure_into(task: Task, call: Callable[[], None], judge: Any) -> Measure:
    """Return a measure of a side that starts with an empty folder."""
    measure = time_call(call, judge)

    def run() -> Mapping[str, float]:
        shutil.rmtree(task.out, ignore_errors=True)
        return measure()

    return run


def find_sides(
    bench: Bench, pool: ProcessPoolExecutor, task: Task, stack: ExitStack
) -> dict[str, Side]:
    """Return the sides that are installed here, ours first."""

    def side(call: Any, *more: Any, extra: bool = False) -> Side:
        return Side(measure_into(task, partial(call, task, *more), partial(judge, task)), extra)

    sides = {
        "hpc-ml": side(predict_ours, bench.client),
        BASE: side(predict_by_batches, pool),
        READING: Side(measure_into(task, partial(read_only, task, pool), lambda answer: {})),
        ONE_WORKER: side(predict_ours, bench.one, extra=True),
    }
    if HAS_DASK_ML:
        sides["dask-ml ParallelPostFit"] = side(predict_dask_ml, extra=True)
    return sides


def make_works(bench: Bench, pool: ProcessPoolExecutor) -> list[Work]:
    """Write the tables and the models, and return each model on each table, the large one first."""
    rows, models = bench.words.rows, fit_models()
    works = []
    for n_rows, more in ((rows, ""), (rows // 10, f", {rows // 10:,} rows")):
        table = bench.folder / f"rows-{n_rows}.parquet"
        write_rows(table, n_rows)
        for name, estimator in models.items():
            folders = (bench.folder / f"{name}-{n_rows}", bench.folder / "predictions")
            task = Task(table, estimator, *folders)
            write_model(task)
            sides = partial(find_sides, bench, pool, task)
            works.append(Work(name + more, name, n_rows, BASE, sides))
    return works


def write_model(task: Task) -> None:
    facts = {
        "columns": [{"name": name, "kind": "numeric"} for name in COLUMNS],
        "classes": [0, 1],
        "data": {},
    }
    write_model_folder(task.model, task.estimator, None, facts)


def main() -> None:
    parser = make_parser(__doc__, "predict")
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows of the table")
    with (
        open_bench(read_words(parser, rows=400_000)) as bench,
        ProcessPoolExecutor(CORES, mp_context=get_context("spawn")) as pool,
    ):
        bench.run(make_works(bench, pool))


if __name__ == "__main__":
    main()
