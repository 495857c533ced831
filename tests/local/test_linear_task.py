"""The task `linear`: from a table to metrics, history and model."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from distributed import Client
from quiet_run import QuietRun
from sklearn import linear_model
from sklearn.model_selection import train_test_split

from hpc_ml import make_job
from hpc_ml.data import inspect
from hpc_ml.errors import BadData, BadInput, BadJob
from hpc_ml.tasks import linear
from tests.conftest import Command, json_of

REFERENCE_JOB = Path(__file__).parent.parent.parent / "examples" / "linear.yaml"
N_ROWS = 2000
COLUMNS = ["age", "income", "visits"]


def people(folder: Path) -> tuple[Path, pd.DataFrame]:
    """Write a table of people: whether they buy, how much, how often, and what each row weighs."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(N_ROWS, 3)), columns=COLUMNS)
    drawn = table["age"] - table["visits"] + rng.normal(size=N_ROWS)
    table["buys"] = np.where(drawn > 0.3, "yes", "no")
    table["spent"] = 3 * table["income"] + drawn
    table["count"] = rng.poisson(np.exp(table["age"] / 2))
    table["often"] = table["count"] > 1
    table["rating"] = np.digitize(drawn, [-1, 1]).astype(float)
    table["weight"] = rng.uniform(0.5, 2, N_ROWS)
    table.to_parquet(folder / "people.parquet", index=False, row_group_size=300)
    return folder / "people.parquet", table


def fit(client: Client, folder: Path, **keys):
    """Run the task, and return its metrics, its run and the rows that it saw."""
    path, table = people(folder)
    data = {"path": str(path), "columns": COLUMNS} | keys.pop("data")
    job = make_job("linear", data=data, **keys)
    source, run = linear.source(job), QuietRun(folder)
    linear.check(job, inspect(source))
    metrics = linear.run(client, source, job.settings, run).metrics
    stratify = table[data["target"]] if job.settings.estimator == "LogisticRegression" else None
    rows = train_test_split(np.arange(N_ROWS), test_size=0.2, random_state=0, stratify=stratify)
    return metrics, run, [table.iloc[part] for part in rows]


def test_a_classifier(client: Client, tmp_path: Path) -> None:
    metrics, run, (train, test) = fit(
        client, tmp_path, data={"target": "buys", "weight": "weight"},
        C=0.1, class_weight="balanced", tol=1e-6, scoring=["accuracy", "roc_auc"],
    )  # fmt: skip

    theirs = linear_model.LogisticRegression(C=0.1, class_weight="balanced", tol=1e-6)
    theirs.fit(train[COLUMNS], train["buys"], train["weight"])
    assert metrics["test_accuracy"] == pytest.approx(theirs.score(test[COLUMNS], test["buys"]))
    assert metrics["n_iter"] == theirs.n_iter_[0]
    model = skops.io.load(run.model_folder / "model.skops", trusted=[])
    assert np.array_equal(model.predict(test[COLUMNS]), theirs.predict(test[COLUMNS]))
    facts = json.loads((run.model_folder / "model.json").read_text())
    assert facts["classes"] == ["no", "yes"]
    assert facts["parameters"]["C"] == 0.1
    with run.history_file.open(newline="") as file:
        history = list(csv.DictReader(file))
    assert [int(row["iteration"]) for row in history] == list(range(1, metrics["n_iter"] + 1))
    assert float(history[-1]["loss"]) == metrics["loss"]
    assert float(history[-1]["gradient_norm"]) <= 1e-6


@pytest.mark.parametrize(
    ("name", "target", "params"),
    [
        ("LinearRegression", "spent", {}),
        ("Ridge", "spent", {"alpha": 5.0}),
        ("Lasso", "spent", {"alpha": 0.1, "fit_intercept": False}),
        ("ElasticNet", "spent", {"alpha": 0.1, "l1_ratio": 0.9}),
        ("PoissonRegressor", "count", {"alpha": 0.01}),
    ],
)
def test_a_regressor(client: Client, tmp_path: Path, name, target, params) -> None:
    metrics, run, (train, test) = fit(
        client, tmp_path, data={"target": target}, estimator=name, **params
    )

    theirs = getattr(linear_model, name)(**params).fit(train[COLUMNS], train[target])
    model = skops.io.load(run.model_folder / "model.skops", trusted=[])
    assert type(model[-1]) is type(theirs)
    assert np.allclose(model.predict(test[COLUMNS]), theirs.predict(test[COLUMNS]), rtol=1e-4)
    r2 = linear_model.LinearRegression.score(theirs, test[COLUMNS], test[target])
    assert metrics["test_r2"] == pytest.approx(r2, abs=1e-6)


@pytest.mark.parametrize(
    ("target", "weights"), [("buys", {"yes": 3}), ("often", {True: 3}), ("rating", {1: 3, 2: 0.5})]
)
def test_weights_of_classes_by_their_labels(client: Client, tmp_path: Path, target, weights):
    words = {str(label): weight for label, weight in weights.items()}
    _, run, (train, _) = fit(client, tmp_path, data={"target": target}, class_weight=words)
    theirs = linear_model.LogisticRegression(class_weight=weights)
    theirs.fit(train[COLUMNS], train[target])
    model = skops.io.load(run.model_folder / "model.skops", trusted=[])
    assert np.allclose(model[-1].coef_, theirs.coef_, rtol=1e-4, atol=1e-6)


def test_what_scikit_learn_warns_of_is_told_once(client: Client, tmp_path: Path) -> None:
    _, run, _ = fit(client, tmp_path, data={"target": "buys"}, max_iter=1)
    told = [message for message in run.told if "ConvergenceWarning" in message]
    assert len(told) == 1
    assert "raise max_iter (1)" in told[0]


@pytest.mark.parametrize(
    ("keys", "said", "kind"),
    [
        ({"alpha": 1}, "LogisticRegression has no parameter 'alpha'", BadJob),
        ({"params": {"gamma": 1}}, "no parameter 'gamma'", BadJob),
        ({"class_weight": {"maybe": 2}}, "'maybe' is no class of the target", BadJob),
        ({"C": 2, "params": {"C": 1}}, "C is given twice", BadJob),
        ({"params": {"max_iter": "many"}}, "'max_iter' parameter of LogisticRegression", BadJob),
        ({"params": {"solver": "saga"}}, "'lbfgs' finds the same minimum", BadJob),
        ({"estimator": "Ridge"}, "predicts numbers, and the target is text", BadJob),
        (
            {"estimator": "Ridge", "data": {"target": "spent", "text": "buys", "columns": None}},
            "data.text is none",
            BadJob,
        ),
        ({"scoring": "r2"}, "r2 is a score of numbers", BadJob),
        ({"data": {"target": "spent"}}, "take an estimator for regression", BadInput),
        (
            {"estimator": "PoissonRegressor", "data": {"target": "spent"}},
            "out of the valid range",
            BadData,
        ),
    ],
)
def test_what_is_refused(client: Client, tmp_path: Path, keys, said, kind) -> None:
    with pytest.raises(kind) as caught:
        fit(client, tmp_path, **({"data": {"target": "buys"}} | keys))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_example_needs_no_words(hpc_ml: Command) -> None:
    run = json_of(hpc_ml("run", "linear", "--json"))
    assert run["state"] == "completed"
    assert run["metrics"]["test_accuracy"] > 0.95
    assert {"model", "metrics", "history"} <= set(run["artefacts"])


def test_the_reference_job_gives_what_it_says(hpc_ml: Command) -> None:
    run = json_of(hpc_ml("run", "linear", "--job", REFERENCE_JOB, "--json"))
    assert run["metrics"]["test_accuracy"] == pytest.approx(0.861025, abs=1e-6)
