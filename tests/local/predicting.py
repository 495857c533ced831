"""Models that a task has kept, and the predictions of the task predict by them."""

import numpy as np
import pandas as pd
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegressionCV

import hpc_ml
from hpc_ml.api import check
from hpc_ml.data.source import DataSource
from hpc_ml.spec.data import Data
from hpc_ml.tasks import predict
from hpc_ml.tasks.models import keep_model
from hpc_ml.tasks.rows import open_rows
from tests.local.moody import Notebook


class Run(Notebook):
    """A run in a folder of its own."""

    def __init__(self, folder, **options):
        super().__init__(**options)
        folder.mkdir(exist_ok=True)
        self.seed = 0
        self.model_folder = folder / "model"
        self.predictions_folder = folder / "predictions"


def train(folder, estimator, data, *, stratify=True, supervised=True):
    """Fit an estimator on the rows of a source as a task does; return its model folder."""
    source = DataSource(Data.model_validate(data), stratify=stratify, supervised=supervised)
    run = Run(folder)
    with open_rows(None, source, run) as rows:
        blocks = rows.collective.map(as_it_is)
        X = np.concatenate([block.X for block in blocks])
        y = np.concatenate([block.y for block in blocks]) if supervised else None
        fitted = estimator.fit(X, y)
        keep_model(run, rows, fitted, task="linear", parameters={}, metrics={"test_accuracy": 1.0})
    return run.model_folder


def as_it_is(block, state, memory):
    return block


def predict_all(client, folder, model, data, run=None, **keys):
    """Run the task; return its metrics and all predictions."""
    job = hpc_ml.make_job("predict", model=str(model), data=data, **keys)
    check(job)
    run = run or Run(folder)
    result = predict.run(client, predict.source(job), job.settings, run)
    parts = sorted(run.predictions_folder.iterdir())
    assert [path.name for path in parts] == [f"part-{n:05d}.parquet" for n in range(len(parts))]
    return result.metrics, pd.concat(map(pd.read_parquet, parts), ignore_index=True)


def make_blobs_and_model(folder):
    """Write 1,000 rows, and the same rows a hundred times; return a model and the large table.

    The model has learned from the 1,000.
    """
    X, y = make_blobs(1000, 5, centers=3, cluster_std=4.0, random_state=0)
    frame = pd.DataFrame(X.astype(np.float32), columns=list("abcde"))
    frame["label"] = np.array(["red", "green", "blue"])[y]
    frame.to_parquet(folder / "small.parquet", index=False)
    large = frame.sample(100_000, replace=True, random_state=1)
    large.insert(0, "id", np.arange(len(large)))
    large.to_parquet(folder / "large.parquet", index=False)
    estimator = LogisticRegressionCV(
        Cs=3, cv=3, l1_ratios=(0,), scoring="accuracy", use_legacy_attributes=False
    )
    model = train(folder / "run", estimator, {"path": str(folder / "small.parquet")})
    return model, large
