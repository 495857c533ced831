"""The task sgd: the bits of partial_fit on the job's own rows, its files, and going on."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from distributed import Client
from quiet_run import QuietRun
from sklearn.linear_model import SGDClassifier

from hpc_ml import make_job
from hpc_ml.data import inspect
from hpc_ml.errors import BadData, Stopped
from hpc_ml.estimators.incremental_order import TrainingOrder, draw_seed, partial_fit_calls
from hpc_ml.tasks import sgd
from hpc_ml.tasks.registry import TaskResult
from hpc_ml.tasks.rows import open_rows
from tests.conftest import Command, json_of

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "sgd.yaml"


def run_task(client: Client, run: Any, data: dict[str, Any], **settings: Any) -> TaskResult:
    job = make_job("sgd", data=data, **settings)
    source = sgd.source(job)
    sgd.check(job, inspect(source))
    return sgd.run(client, source, job.settings, run)


def load(folder: Path) -> Any:
    path = folder / "model" / "model.skops"
    return skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))


def test_the_example_is_the_same_sequence_of_partial_fit(
    hpc_ml: Command, tmp_path: Path, client: Client
) -> None:
    run = json_of(hpc_ml("run", "sgd", "--job", EXAMPLE, "--json"))
    assert run["metrics"]["test_accuracy"] == pytest.approx(0.959, abs=5e-4)
    assert run["metrics"]["samples"] == 3 * 160_000
    with open(run["artefacts"]["history"], newline="") as file:
        history = list(csv.DictReader(file))
    assert [row["partial_fit_calls"] for row in history] == ["32", "64", "96"]

    job = make_job(
        "sgd",
        data={"name": "make_classification(n_samples=200000, n_features=20, random_state=0)",
              "partition_size": "1 MiB"},
        estimator="SGDClassifier",
    )  # fmt: skip
    local = SGDClassifier(loss="log_loss", random_state=0)
    with open_rows(None, sgd.source(job), QuietRun(tmp_path)) as rows:
        partitions, order = rows.collective.partitions, TrainingOrder(draw_seed(0))
        for X, y, _ in partial_fit_calls(partitions, order, epochs=3):
            local.partial_fit(X, y, classes=[0, 1])
    model = load(Path(run["dir"]))
    assert np.array_equal(model.coef_, local.coef_)
    assert np.array_equal(model.intercept_, local.intercept_)


class Stopping(QuietRun):
    """A run that is stopped after some visits."""

    left = 3

    def progress(self, done: int, total: int, unit: str) -> None:
        self.left -= 1

    def check(self) -> None:
        if self.left <= 0:
            raise Stopped("stopped")


@pytest.fixture
def people(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "age": rng.integers(18, 80, size=4000),
            "city": rng.choice(["Oslo", "Rome", "Lima"], size=4000),
            "weight": rng.uniform(0.5, 2, size=4000),
        }
    )
    score = table["age"] / 20 + (table["city"] == "Rome") + rng.normal(scale=0.3, size=4000)
    table["buys"] = np.where(score > 3, "yes", "no")
    folder = tmp_path / "people"
    folder.mkdir()
    for number in range(8):
        part = table[500 * number : 500 * (number + 1)]
        part.to_parquet(folder / f"{number}.parquet", index=False)
    return folder


def test_a_stopped_run_goes_on_to_the_same_result(
    client: Client, tmp_path: Path, people: Path
) -> None:
    data = {"path": str(people), "target": "buys", "weight": "weight"}
    words: dict[str, Any] = {"epochs": 9, "early_stopping": True, "train_scores": True}
    (tmp_path / "whole").mkdir()
    (tmp_path / "stopped").mkdir()
    whole = run_task(client, QuietRun(tmp_path / "whole"), data, **words)
    assert whole.metrics["test_accuracy"] > 0.85

    run, stops, result = Stopping(tmp_path / "stopped"), 0, None
    while result is None:
        try:
            result = run_task(client, run, data, **words)
        except Stopped:
            stops += 1
            run.left = 3
    assert stops >= 2
    assert result.metrics == whole.metrics
    one, other = load(tmp_path / "whole"), load(tmp_path / "stopped")
    assert np.array_equal(one[-1].coef_, other[-1].coef_)
    rows = pd.read_parquet(people)
    assert set(one.predict(rows.drop(columns=["buys", "weight"]))) == {"yes", "no"}


def test_texts_by_the_default(client: Client, tmp_path: Path) -> None:
    words = np.array([["good", "fine", "best"], ["bad", "poor", "worst"]])
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, size=300)
    bodies = [" ".join(rng.choice(words[label], size=4)) for label in labels]
    pd.DataFrame({"body": bodies, "label": labels}).to_csv(tmp_path / "texts.csv", index=False)
    data = {"path": str(tmp_path / "texts.csv"), "text": "body", "target": "label"}
    result = run_task(client, QuietRun(tmp_path), data)
    assert result.metrics["test_accuracy"] == 1.0
    assert load(tmp_path).predict(["a good one", "a poor one"]).tolist() == [0, 1]


def test_clusters(client: Client, tmp_path: Path) -> None:
    result = run_task(
        client, QuietRun(tmp_path), {"name": "make_blobs(n_samples=900, random_state=0)"},
        estimator="MiniBatchKMeans", params={"n_clusters": 3}, validation_fraction=0.2,
    )  # fmt: skip
    assert result.metrics["validation_score"] < 0  # scikit-learn's: minus the inertia
    assert load(tmp_path).cluster_centers_.shape == (3, 2)


def test_values_that_an_estimator_does_not_take_are_said(client: Client, tmp_path: Path) -> None:
    data = {"name": "make_classification(n_samples=200, random_state=0)"}
    with pytest.raises(BadData, match=r"Negative values .*; take another estimator"):
        run_task(client, QuietRun(tmp_path), data, estimator="MultinomialNB")
