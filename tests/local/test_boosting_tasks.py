"""The tasks xgboost and lightgbm: from the words of a job to metrics, files and a kept booster."""

import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from distributed import Client
from quiet_run import QuietRun

from hpc_ml import make_job
from hpc_ml.data import inspect
from hpc_ml.errors import BadJob
from hpc_ml.tasks import registry
from hpc_ml.tasks.stored_models import load_model
from tests.conftest import Command, json_of

both = pytest.mark.parametrize("task", ["xgboost", "lightgbm"])


@pytest.fixture(scope="module")
def visits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of what people bought in which shop: words, numbers, queries of 10 rows."""
    rng = np.random.default_rng(0)
    rows = 1500
    shop = rng.choice(["north", "south", "west"], size=rows)
    age, income = rng.integers(18, 90, rows), rng.lognormal(10, 1, rows)
    spent = age / 10 + 5 * (shop == "west") + rng.normal(scale=0.3, size=rows)
    path = tmp_path_factory.mktemp("visits") / "visits.parquet"
    pd.DataFrame(
        {
            "shop": shop, "age": age, "income": income, "spent": spent,
            "query": np.arange(rows) // 10,
            "relevance": np.digitize(spent, [4, 8, 11]), "mood": np.where(spent > 7, "glad", "sad"),
        }
    ).to_parquet(path, row_group_size=400)  # fmt: skip
    return path


def run_task(client: Client, folder: Path, task: str, data: dict[str, Any], **settings: Any) -> Any:
    module = registry.load(task)
    job = make_job(task, data=data, **settings)
    source = module.source(job)
    module.check(job, inspect(source))
    return module.run(client, source, job.settings, QuietRun(folder)).metrics


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@both
def test_words_are_told_apart_with_early_stopping(
    client: Client, visits: Path, tmp_path: Path, task: str
) -> None:
    data = {"path": str(visits), "target": "mood", "drop": ["spent", "relevance", "query"],
            "encode": "ordinal"}  # fmt: skip
    metrics = run_task(
        client, tmp_path, task, data, n_estimators=300, learning_rate=0.3,
        early_stopping_rounds=8, eval_metric=["logloss", "balanced_accuracy"],
        monotone_constraints={"age": -1}, scoring=["accuracy", "roc_auc"],
    )  # fmt: skip
    assert metrics["test_accuracy"] > 0.85
    assert metrics["test_roc_auc"] > 0.9
    history = read(tmp_path / "history.csv")
    assert len(history) == metrics["rounds"] < 300
    best = metrics["best_iteration"] - (task == "lightgbm")
    assert float(history[best]["validation_balanced_accuracy"]) == pytest.approx(
        metrics["validation_balanced_accuracy"]
    )
    importances = read(tmp_path / "importances.csv")
    assert {row["feature"] for row in importances} == {"shop", "age", "income"}
    assert sum(float(row["importance"]) for row in importances) == pytest.approx(1)
    facts = json.loads((tmp_path / "model" / "model.json").read_text())
    assert facts["classes"] == ["glad", "sad"]
    assert set(load_model(tmp_path / "model").estimator.classes_) == {"glad", "sad"}


@both
def test_numbers_are_predicted(client: Client, visits: Path, tmp_path: Path, task: str) -> None:
    data = {"path": str(visits), "target": "spent", "columns": ["age", "shop"]}
    metrics = run_task(client, tmp_path, task, data, watch_training=True, segment_rounds=30)
    assert metrics["test_r2"] > 0.7
    assert metrics["rounds"] == 100
    metric = "rmse" if task == "xgboost" else "l2"
    assert len(read(tmp_path / "history.csv")) == 100
    assert f"train_{metric}" in read(tmp_path / "history.csv")[0]


@both
def test_queries_are_ranked(client: Client, visits: Path, tmp_path: Path, task: str) -> None:
    data = {"path": str(visits), "target": "relevance", "group": "query",
            "columns": ["age", "shop"]}  # fmt: skip
    metrics = run_task(client, tmp_path, task, data, early_stopping_rounds=5, layout="all")
    assert 0.85 < metrics["test_ndcg"] <= 1


@both
@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"params": {"max_depht": 3}}, "no parameter 'max_depht'.*max_depth"),
        ({"params": {"objective": "nonsense"}}, "nonsense"),
        ({"params": {"n_jobs": 2}}, "n_jobs has no meaning here"),
        ({"params": {"learning_rate": 0.1}, "learning_rate": 0.2}, "given twice"),
        ({"eval_metric": "nonsense", "early_stopping_rounds": 3}, "nonsense|eval_metric"),
        ({"monotone_constraints": {"height": 1}}, "no column 'height'"),
        ({"predict": "ranking"}, "data.group"),
        ({"scoring": "r2"}, "r2 is a score of numbers"),
        ({"predict": "numbers"}, "target is text"),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)
def test_what_no_booster_can_do_is_refused(
    visits: Path, task: str, settings: dict[str, Any], problem: str, capfd: Any
) -> None:
    module = registry.load(task)
    job = make_job(
        task, data={"path": str(visits), "target": "mood", "columns": ["age", "income"]}, **settings
    )
    with pytest.raises(BadJob, match=problem) as raised:
        module.check(job, inspect(module.source(job)))
    assert "\n" not in str(raised.value)
    assert capfd.readouterr().out == ""  # stdout is the result's


@both
def test_a_missing_package_is_named(visits: Path, task: str, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, task, None)
    job = make_job(task, data={"path": str(visits), "target": "mood"})
    with pytest.raises(BadJob, match=r"pip install 'hpc-ml\[boosting\]'"):
        registry.load(task).source(job)


def test_gpus_are_refused_where_the_build_has_none(visits: Path) -> None:
    import xgboost

    if xgboost.build_info()["USE_CUDA"]:
        pytest.skip("this XGBoost is built with CUDA")
    module = registry.load("xgboost")
    job = make_job("xgboost", data={"path": str(visits), "target": "mood"}, resources={"gpus": 1})
    with pytest.raises(BadJob, match="without CUDA"):
        module.check(job, inspect(module.source(job)))


@both
def test_the_command_without_words_shows_an_example(hpc_ml: Command, task: str) -> None:
    run = json_of(hpc_ml("run", task, "--workers", 2, "--json"))
    assert run["state"] == "completed"
    assert run["metrics"]["test_accuracy"] > 0.9
    assert Path(run["artefacts"]["history"]).is_file()
