"""A search tunes what the other tasks fit, each worker one model: boosters, forests, clusters."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from distributed import Client
from quiet_run import QuietRun
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris, make_blobs
from sklearn.metrics import silhouette_score
from sklearn.model_selection import KFold

from hpc_ml import make_job
from hpc_ml.api import check
from hpc_ml.data import inspect
from hpc_ml.errors import BadData, BadJob
from hpc_ml.tasks import gridsearch
from hpc_ml.tasks.registry import TaskResult
from hpc_ml.tasks.stored_models import load_model

IRIS = {"name": "iris"}
BLOBS = {"name": "make_blobs(n_samples=300, centers=4, cluster_std=0.5, random_state=0)"}


def run_task(client: Client, run: Any, data: dict[str, Any], **settings: Any) -> TaskResult:
    job = make_job("gridsearch", data=data, **settings)
    source = gridsearch.source(job)
    gridsearch.check(job, inspect(source))
    return gridsearch.run(client, source, job.settings, run)


def scores_of(run: QuietRun) -> list[float]:
    with run.cv_results_file.open() as file:
        return [float(row["mean_test_score"]) for row in csv.DictReader(file)]


@pytest.fixture
def flowers(tmp_path: Path) -> dict[str, Any]:
    """Iris with the names of the species."""
    iris = load_iris(as_frame=True)
    table = iris.data.assign(species=iris.target_names[iris.target])
    table.to_csv(tmp_path / "flowers.csv", index=False)
    return {"path": str(tmp_path / "flowers.csv"), "target": "species"}


@pytest.mark.parametrize(
    ("estimator", "grid"),
    [
        ("XGBClassifier", {"max_depth": [1, 3]}),
        (["StandardScaler", "XGBClassifier"], {"xgbclassifier__max_depth": [1, 3]}),
        ("LGBMClassifier", {"num_leaves": [3, 8]}),
        ("RandomForestClassifier", {"max_features": [1, 3]}),
        ("SGDClassifier", {"alpha": [0.001, 0.1]}),
    ],
    ids=["xgboost", "xgboost in a pipeline", "lightgbm", "forest", "sgd"],
)
def test_classifiers_of_words(
    client: Client, tmp_path: Path, flowers: dict[str, Any], estimator: Any, grid: Any
) -> None:
    few = {} if "SGD" in str(estimator) else {"n_estimators": 5}
    prefix = "xgbclassifier__" if isinstance(estimator, list) else ""
    params = {prefix + name: value for name, value in few.items()}
    run = QuietRun(tmp_path)
    result = run_task(client, run, flowers, estimator=estimator, grid=grid, params=params, cv=3)
    assert result.metrics["failed_fits"] == 0
    assert result.metrics["test_accuracy"] > 0.75
    assert len(scores_of(run)) == 2
    model = load_model(run.model_folder)
    rows = pd.read_csv(flowers["path"])
    X = model.preparation.transform(rows.drop(columns="species"))
    X = np.asarray(X, dtype=float)
    assert (model.estimator.predict(X) == rows["species"]).mean() > 0.75


def test_clusters_by_silhouette(client: Client, tmp_path: Path) -> None:
    run = QuietRun(tmp_path)
    result = run_task(
        client, run, BLOBS, estimator="KMeans", params={"n_init": 3}, cv={"KFold": {"n_splits": 3}},
        grid={"n_clusters": [2, 3, 4, 5, 6]}, scoring=["silhouette", "neg_davies_bouldin"],
        refit="silhouette",
    )  # fmt: skip
    assert result.metrics["best_params"] == {"n_clusters": 4}
    X, _ = make_blobs(n_samples=300, centers=4, cluster_std=0.5, random_state=0)
    expected = [
        silhouette_score(
            X[test], KMeans(4, n_init=3, random_state=0).fit(X[train]).predict(X[test])
        )
        for train, test in KFold(3).split(X)
    ]
    assert result.metrics["best_score"] == pytest.approx(np.mean(expected))
    assert result.metrics["train_silhouette"] == pytest.approx(
        result.metrics["best_score"], abs=0.1
    )
    assert load_model(run.model_folder).estimator.n_clusters == 4


def test_clusters_that_cannot_predict_and_labels_that_are_known(
    client: Client, tmp_path: Path, flowers: dict[str, Any]
) -> None:
    result = run_task(
        client, QuietRun(tmp_path), BLOBS, estimator="AgglomerativeClustering",
        grid={"n_clusters": [3, 4]}, scoring="calinski_harabasz", cv=2, refit=False,
    )  # fmt: skip
    assert result.metrics["best_params"] == {"n_clusters": 4}
    result = run_task(
        client, QuietRun(tmp_path), flowers, estimator="KMeans", grid={"n_clusters": [2, 3, 8]},
        scoring="adjusted_rand_score", cv={"StratifiedKFold": {"n_splits": 3}},
    )  # fmt: skip
    assert result.metrics["best_params"] == {"n_clusters": 3}
    assert result.metrics["test_adjusted_rand_score"] > 0.5


def test_optuna_by_name(client: Client, tmp_path: Path) -> None:
    run = QuietRun(tmp_path)
    settings = {
        "estimator": "SVC", "grid": {"C": {"loguniform": [0.01, 100]}, "kernel": ["linear", "rbf"]},
        "search": "optuna", "n_iter": 6, "cv": 2,
    }  # fmt: skip
    first = run_task(client, run, IRIS, **settings)
    assert first.metrics["candidates"] == 6
    scores = scores_of(run)
    assert run_task(client, QuietRun(tmp_path), IRIS, **settings).metrics == first.metrics
    assert scores_of(run) == scores


@pytest.mark.parametrize("search", ["hyperband", "incremental-halving"])
def test_models_that_are_trained_by_partition(client: Client, tmp_path: Path, search: str) -> None:
    run = QuietRun(tmp_path)
    data = {"name": "make_classification(n_samples=30000, random_state=0)",
            "partition_size": "1 MiB"}  # fmt: skip
    result = run_task(
        client, run, data, estimator="SGDClassifier", grid={"alpha": {"loguniform": [1e-5, 10]}},
        search=search, max_iter=9, **({"n_iter": 9} if "halving" in search else {}),
    )  # fmt: skip
    assert result.metrics["test_accuracy"] > 0.8
    assert result.metrics["candidates"] == len(scores_of(run))
    assert run.history_file.exists()
    assert load_model(run.model_folder).estimator.coef_.shape == (1, 20)


@pytest.mark.parametrize(
    ("data", "settings", "problem"),
    [
        (BLOBS, {"estimator": "KMeans", "grid": {"n_clusters": [2]}}, "KMeans needs a score"),
        (BLOBS, {"estimator": "KMeans", "grid": {"n_clusters": [2]}, "scoring": "accuracy"},
         "accuracy needs a target"),
        (IRIS, {"scoring": "silhouette"}, "silhouette is a score of clusters"),
        (IRIS, {"search": "hyperband"}, "SVC has no partial_fit"),
        (IRIS, {"search": "hyperband", "estimator": ["StandardScaler", "SGDClassifier"],
                "grid": {"standardscaler__with_mean": [True]}}, "only parameters of the last step"),
        (IRIS, {"search": "hyperband", "cv": 3}, "cv has no meaning with search: hyperband"),
        (IRIS, {"n_iter": 3}, "n_iter has no meaning with search: grid; it is a key of random"),
        (IRIS, {"search": "tpe", "scoring": ["accuracy", "f1_macro"], "refit": False},
         "guided by one scorer"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_does_not_fit_is_refused(
    data: dict[str, Any], settings: dict[str, Any], problem: str
) -> None:
    words = {"estimator": "SVC", "grid": {"C": [1]}} | settings
    with pytest.raises(BadJob, match=problem):
        check(make_job("gridsearch", data=data, **words))


def test_optuna_that_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpc_ml.tasks.search_checks.find_spec", lambda name: None)
    job = make_job("gridsearch", data=IRIS, estimator="SVC", grid={"C": [1]}, search="tpe")
    with pytest.raises(BadJob, match=r"needs Optuna.*pip install"):
        check(job)


def test_rows_that_do_not_fit_a_worker_are_refused(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpc_ml.tasks.search_runs._COPIES", 1e9)
    with pytest.raises(BadData, match=r"each worker holds all rows .* takes .* GiB"):
        run_task(client, QuietRun(tmp_path), IRIS, estimator="SVC", grid={"C": [1]})
