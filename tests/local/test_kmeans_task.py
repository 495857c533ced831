"""The task `kmeans`: from a table to metrics, clusters of all rows, and a model."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from distributed import Client
from quiet_run import QuietRun
from sklearn import cluster as local
from sklearn.datasets import make_blobs
from sklearn.metrics import silhouette_score

from hpc_ml import make_job
from hpc_ml.data import inspect
from hpc_ml.errors import BadData, Stopped
from hpc_ml.tasks import kmeans
from tests.kmeans_rows import blobs

X = blobs()
COLUMNS = list("abcde")
TABLE = pd.DataFrame(X, columns=COLUMNS)
START = [list(map(float, row)) for row in X[:7]]


def write(folder: Path) -> str:
    path = folder / "rows.parquet"
    TABLE.to_parquet(path, index=False, row_group_size=300)
    return str(path)


def fit(client: Client, run: QuietRun, **keys: Any) -> dict[str, Any]:
    job = make_job("kmeans", **keys)
    source = kmeans.source(job)
    kmeans.check(job, inspect(source))
    return dict(kmeans.run(client, source, job.settings, run).metrics)


def read_labels(run: QuietRun) -> np.ndarray:
    parts = sorted(run.predictions_folder.iterdir())
    return np.concatenate([pd.read_parquet(part)["cluster"] for part in parts])


def test_clusters_are_scikit_learns(client: Client, tmp_path: Path) -> None:
    run = QuietRun(tmp_path)
    metrics = fit(client, run, data={"path": write(tmp_path)}, init=START, sample_rows=50)
    theirs = local.KMeans(7, init=START).fit(X)
    assert metrics == {
        "n_clusters": 7,
        "inertia": pytest.approx(theirs.inertia_),
        "n_iter": theirs.n_iter_,
        "silhouette": pytest.approx(silhouette_score(X, theirs.labels_)),
    }
    np.testing.assert_array_equal(read_labels(run), theirs.labels_)
    history = pd.read_csv(run.history_file)
    assert history["iteration"].tolist() == list(range(1, theirs.n_iter_ + 1))
    assert history["inertia"].iloc[-1] == pytest.approx(theirs.inertia_, rel=1e-3)
    sample = pd.read_csv(run.sample_file)
    np.testing.assert_array_equal(sample["cluster"], theirs.predict(sample[COLUMNS].to_numpy()))
    model = skops.io.load(run.model_folder / "model.skops", trusted=[])
    np.testing.assert_allclose(model.transform(TABLE), theirs.transform(X))


def test_the_number_of_clusters_is_chosen(client: Client, tmp_path: Path) -> None:
    run = QuietRun(tmp_path)
    centres = [[0, 0], [50, 0], [0, 50], [50, 50]]
    name = f"make_blobs(n_samples=600, centers={centres}, random_state=0)"
    metrics = fit(client, run, data={"name": name, "test_size": 0.2}, k="2:6", init="k-means||")
    assert metrics["n_clusters"] == 4
    assert list(metrics["silhouettes"]) == ["2", "3", "4", "5", "6"]
    assert metrics["silhouette"] == max(metrics["silhouettes"].values())
    assert metrics["test_inertia"] == pytest.approx(metrics["inertia"] / 4, rel=0.2)
    assert len(read_labels(run)) == 480


def test_small_batches(client: Client, tmp_path: Path) -> None:
    run = QuietRun(tmp_path)
    keys = {"data": {"path": write(tmp_path)}, "init": START}
    metrics = fit(client, run, minibatch=True, batch_size=100, labels=False, **keys)
    assert metrics["inertia"] < 1.1 * local.KMeans(7, init=START).fit(X).inertia_
    assert metrics["n_iter"] == 5
    assert not run.predictions_folder.exists()


def test_the_three_blobs_of_the_reference_job(client: Client, tmp_path: Path) -> None:
    run = QuietRun(tmp_path)
    metrics = fit(
        client, run, data={"name": "make_blobs(n_samples=30000, centers=3, random_state=0)"},
        n_clusters=3, init="k-means||", init_max_iter=2, oversampling_factor=10,
    )  # fmt: skip
    rows, _ = make_blobs(n_samples=30000, centers=3, random_state=0)
    theirs = local.KMeans(3, n_init=5, random_state=0).fit(rows)
    assert metrics["inertia"] == pytest.approx(theirs.inertia_, rel=1e-3)
    sizes = sorted(np.bincount(read_labels(run)))
    assert sizes == pytest.approx(sorted(np.bincount(theirs.labels_)), rel=0.01)


class Impatient(QuietRun):
    """Stops a run after some iterations."""

    left = 3

    def progress(self, done: int, total: int, unit: str) -> None:
        if unit == "iterations":
            self.left -= 1
            if not self.left:
                raise Stopped("stopped")


def test_a_run_that_was_stopped_goes_on(client: Client, tmp_path: Path) -> None:
    keys = {"data": {"path": write(tmp_path)}, "n_clusters": 7, "silhouette_sample": 0}
    for folder in ("whole", "stopped"):
        (tmp_path / folder).mkdir()
    whole, stopped = QuietRun(tmp_path / "whole"), Impatient(tmp_path / "stopped")
    expected = fit(client, whole, **keys)
    with pytest.raises(Stopped):
        fit(client, stopped, **keys)
    assert fit(client, stopped, **keys) == expected
    assert -stopped.left < expected["n_iter"]
    assert stopped.history_file.read_bytes() == whole.history_file.read_bytes()
    np.testing.assert_array_equal(read_labels(stopped), read_labels(whole))


def test_warnings_are_told_and_bad_values_refused(client: Client, tmp_path: Path) -> None:
    run = QuietRun(tmp_path)
    few = pd.DataFrame({"a": [0.0, 1.0, 5.0] * 20})
    few.to_csv(tmp_path / "few.csv", index=False)
    fit(client, run, data={"path": str(tmp_path / "few.csv")}, n_clusters=5)
    assert [line for line in run.told if "distinct clusters (3)" in line]
    (few * 1e160).to_csv(tmp_path / "huge.csv", index=False)
    with pytest.raises(BadData, match="too large for their squares"):
        fit(client, run, data={"path": str(tmp_path / "huge.csv")}, n_clusters=2)
