"""Predictions over partitions on the workers: those of the model on all rows at once."""

import os
import signal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from distributed import Client
from pyarrow import parquet as pq
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import f1_score, log_loss
from sklearn.pipeline import make_pipeline
from worker_processes import start_cluster
from xgboost import XGBClassifier

from hpc_ml.errors import BadData, BadRun, Stopped
from hpc_ml.tasks.models import load_model
from tests.conftest import json_of
from tests.local.predicting import Run, make_blobs_and_model, predict_all, train


@pytest.fixture(autouse=True)
def small_partitions(monkeypatch):
    """Cut also small data into several partitions."""
    monkeypatch.setattr("hpc_ml.data.pieces._SMALLEST_BYTES", 8 * 1024)


@pytest.fixture(scope="module")
def blobs(tmp_path_factory):
    """The folder of a small and a large table, a model of the small one, and the large one."""
    folder = tmp_path_factory.mktemp("blobs")
    return folder, *make_blobs_and_model(folder)


def test_a_table_a_hundred_times_larger_is_predicted_as_at_once(client, tmp_path, blobs):
    folder, model, large = blobs
    at_once = load_model(model).estimator
    X = large[list("abcde")].to_numpy()

    metrics, found = predict_all(
        client, tmp_path / "run", model, {"path": str(folder / "large.parquet")},
        output=["label", "probability", "decision"], carry=["id"],
        scoring=["accuracy", "f1_macro", "neg_log_loss"],
    )  # fmt: skip

    assert list(found.columns) == [
        "id", "prediction", *(f"{kind}_{label}" for kind in ("probability", "decision")
                              for label in ("blue", "green", "red")),
    ]  # fmt: skip
    np.testing.assert_array_equal(found["id"], large["id"])
    np.testing.assert_array_equal(found["prediction"], at_once.predict(X))
    probabilities = found.filter(like="probability").to_numpy()
    np.testing.assert_allclose(probabilities, at_once.predict_proba(X), rtol=1e-6)
    assert metrics["rows"] == 100_000
    assert metrics["files"] > 1
    assert metrics["test_accuracy"] == pytest.approx(at_once.score(X, large["label"]), rel=1e-12)
    expected = f1_score(large["label"], at_once.predict(X), average="macro")
    assert metrics["test_f1_macro"] == pytest.approx(expected, rel=1e-12)
    expected = -log_loss(large["label"], at_once.predict_proba(X))
    assert metrics["test_neg_log_loss"] == pytest.approx(expected, rel=1e-6)


def write_visits(path, rows=3000):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "visitor": np.arange(rows),
            "age": rng.integers(18, 80, rows).astype(float),
            "city": rng.choice(["Oslo", "Rome", "007"], rows),
            "member": rng.random(rows) > 0.5,
            "seen": pd.Timestamp("2026-11-20") + pd.to_timedelta(rng.integers(0, 10**6, rows), "s"),
        }
    )
    frame["buys"] = (frame["age"] > 40) & (frame["city"] != "Rome")
    frame.loc[frame.index % 50 == 3, "age"] = np.nan
    frame.to_csv(path, index=False)
    return frame


def test_the_preparation_is_applied_as_it_was_fitted(client, tmp_path):
    frame = write_visits(tmp_path / "visits.csv")
    words = {
        "path": str(tmp_path / "visits.csv"), "target": "buys", "drop": ["visitor"],
        "rename": {"city": "town"}, "dates": {"seen": ["hour"]}, "missing": "impute",
        "scale": "standard",
    }  # fmt: skip
    model = train(tmp_path / "trained", LogisticRegression(), words)
    loaded = load_model(model)
    later = write_visits(tmp_path / "later.csv").drop(columns="buys")
    later.to_csv(tmp_path / "later.csv", index=False)

    metrics, found = predict_all(
        client, tmp_path / "run", model, {"path": str(tmp_path / "later.csv")},
        carry=["seen", "town"], output=["label", "probability"],
    )  # fmt: skip

    assert metrics["files"] > 1
    assert not [name for name in metrics if name.startswith("test_")]
    raw = pd.read_csv(tmp_path / "later.csv", parse_dates=["seen"], dtype={"city": str})
    expected = loaded.estimator.predict(loaded.preparation.transform(raw))
    assert found["prediction"].dtype == bool
    np.testing.assert_array_equal(found["prediction"], expected)
    np.testing.assert_array_equal(found["town"], raw["city"])
    assert (found["prediction"] == frame["buys"]).mean() > 0.8


def test_rows_that_miss_a_value_are_refused_or_left_empty(client, tmp_path, blobs):
    _, model, large = blobs
    holed = large[:2000].drop(columns="id").reset_index(drop=True)
    holed.loc[700, "c"] = np.nan
    holed.loc[5, "label"] = None
    holed.to_parquet(tmp_path / "holed.parquet", index=False)
    data = {"path": str(tmp_path / "holed.parquet")}

    with pytest.raises(BadData, match=r"holed\.parquet, row 701: column 'c' misses a value"):
        predict_all(client, tmp_path / "refused", model, data)
    metrics, found = predict_all(client, tmp_path / "run", model, {**data, "missing": "drop"})

    assert metrics["rows_without_prediction"] == 1
    assert list(np.flatnonzero(found["prediction"].isna())) == [700]
    whole = holed.drop([5, 700])
    expected = load_model(model).estimator.score(whole[list("abcde")].to_numpy(), whole["label"])
    assert metrics["test_accuracy"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("estimator", "output", "names"),
    [
        (KMeans(2, n_init=1, random_state=0), ["cluster", "distance"],
         ["cluster", "distance_0", "distance_1"]),
        (LinearRegression(), [], ["prediction"]),
        (RandomForestClassifier(3), ["leaf", "label"], ["leaf", "prediction"]),
        (XGBClassifier(n_estimators=3), ["label", "probability", "leaf", "decision"],
         ["prediction", "probability_0", "probability_1", "leaf", "decision"]),
    ],
    ids=["clusters", "values", "leaves", "booster"],
)  # fmt: skip
def test_a_matrix_is_predicted_by_any_kind_of_model(client, tmp_path, estimator, output, names):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 3)).astype(np.float32)
    y = X[:, 0] if isinstance(estimator, LinearRegression) else (X[:, 0] > 0).astype(np.float32)
    np.save(tmp_path / "rows.npy", np.column_stack([X, y]))
    supervised = not isinstance(estimator, KMeans)
    data = {"path": str(tmp_path / "rows.npy")}
    words = data if supervised else {**data, "columns": ["0", "1", "2"]}
    model = train(
        tmp_path / "trained", clone(estimator), words, stratify=False, supervised=supervised
    )
    at_once = load_model(model).estimator

    metrics, found = predict_all(
        client, tmp_path / "run", model, {**data}, output=output,
        carry=["0"],
    )  # fmt: skip

    assert list(found.columns) == ["0", *names]
    np.testing.assert_array_equal(found["0"], X[:, 0])
    label = "cluster" if "cluster" in names else "prediction"
    np.testing.assert_array_equal(found[label], at_once.predict(X))
    if "leaf" in names:
        np.testing.assert_array_equal(np.stack(found["leaf"]), at_once.apply(X))
    if "decision" in names:
        np.testing.assert_array_equal(found["decision"], at_once.decision_function(X))
    assert (metrics["files"] > 1) and (("test_accuracy" in metrics) == hasattr(at_once, "classes_"))


def test_texts_are_predicted(client, tmp_path):
    words = np.array(["good fine", "bad poor"])[np.arange(40) % 2]
    frame = pd.DataFrame({"body": words, "label": np.arange(40) % 2 == 0, "id": np.arange(40)})
    frame.to_json(tmp_path / "reviews.jsonl", orient="records", lines=True)
    estimator = make_pipeline(HashingVectorizer(n_features=64), LogisticRegression())
    data = {"path": str(tmp_path / "reviews.jsonl")}
    model = train(tmp_path / "trained", estimator, {**data, "text": "body", "target": "label"})

    metrics, found = predict_all(client, tmp_path / "run", model, data, carry=["id"])

    np.testing.assert_array_equal(found["prediction"], frame["label"])
    assert metrics["test_accuracy"] == 1.0


def test_a_stopped_run_goes_on_with_what_is_missing(client, tmp_path, blobs):
    folder, model, _ = blobs
    data = {"path": str(folder / "large.parquet")}
    undisturbed, expected = predict_all(client, tmp_path / "whole", model, data)
    stopped = Run(tmp_path / "run", stop_after=3, error=Stopped("enough"))
    with pytest.raises(Stopped):
        predict_all(client, tmp_path / "run", model, data, stopped)
    assert 0 < len(stopped.recorded) - 1 < undisturbed["files"]
    first = tmp_path / "run" / "predictions" / "part-00000.parquet"
    first.unlink()

    resumed = Run(tmp_path / "run", units=stopped.units)
    metrics, found = predict_all(client, tmp_path / "run", model, data, resumed)

    assert metrics == undisturbed
    pd.testing.assert_frame_equal(found, expected)
    assert len(resumed.recorded) == undisturbed["files"] - (len(stopped.recorded) - 2)
    (model / "model.json").write_bytes((model / "model.json").read_bytes() + b"\n")
    with pytest.raises(BadRun, match="have changed since the run began"):
        predict_all(
            client, tmp_path / "run", model, data, Run(tmp_path / "run", units=resumed.units)
        )


class Robbed(Run):
    """A run that loses a worker after its second partition."""

    def record(self, unit, value):
        super().record(unit, value)
        if len(self.recorded) == 3:
            os.kill(self.worker, signal.SIGKILL)


def test_a_lost_worker_changes_nothing(tmp_path, blobs):
    folder, model, large = blobs
    data = {"path": str(folder / "large.parquet")}
    with start_cluster(n_workers=2) as cluster, Client(cluster) as client:
        run = Robbed(tmp_path / "run")
        run.worker = next(iter(client.run(os.getpid).values()))
        metrics, found = predict_all(client, tmp_path / "run", model, data, run)

    assert metrics["rows"] == len(large) == len(found)
    expected = load_model(model).estimator.predict(large[list("abcde")].to_numpy())
    np.testing.assert_array_equal(found["prediction"], expected)


def test_a_partition_without_a_whole_row_is_written_empty(client, tmp_path, blobs):
    _, model, large = blobs
    holed = large[:1500].drop(columns=["id", "label"]).reset_index(drop=True)
    holed.loc[:999, "e"] = np.nan
    holed.to_parquet(tmp_path / "holed.parquet", index=False)
    data = {"path": str(tmp_path / "holed.parquet"), "missing": "drop"}

    metrics, found = predict_all(
        client, tmp_path / "run", model, data, output=["label", "probability"]
    )

    assert metrics == {"rows": 1500, "files": 4, "rows_without_prediction": 1000}
    assert found[:1000].isna().all(axis=None)
    expected = load_model(model).estimator.predict(holed[1000:].to_numpy())
    np.testing.assert_array_equal(found["prediction"][1000:], expected)


def test_other_names_are_mapped_by_rename(client, tmp_path, blobs):
    _, model, large = blobs
    renamed = large[:50].rename(columns={"c": "sea"})
    renamed.to_parquet(tmp_path / "rows.parquet", index=False)
    data = {"path": str(tmp_path / "rows.parquet"), "rename": {"sea": "c"}}

    _, found = predict_all(client, tmp_path / "run", model, data)

    expected = load_model(model).estimator.predict(large[:50][list("abcde")].to_numpy())
    np.testing.assert_array_equal(found["prediction"], expected)


def test_a_file_of_a_model_predicts_one_row(client, tmp_path):
    table = pa.table({"x": pa.array([0.25]), "y": pa.array([1.5])})
    pq.write_table(table, tmp_path / "one.parquet")
    model = XGBClassifier(n_estimators=2).fit([[0, 1], [1, 0], [0.2, 2]], [0, 1, 0])
    model.get_booster().save_model(tmp_path / "booster.ubj")

    metrics, found = predict_all(
        client, tmp_path / "run", tmp_path / "booster.ubj", {"path": str(tmp_path / "one.parquet")}
    )

    assert metrics == {"rows": 1, "files": 1}
    np.testing.assert_array_equal(found["prediction"], model.predict([[0.25, 1.5]]))


def test_the_example_needs_no_words_and_its_model_can_be_named(hpc_ml, tmp_path):
    run = json_of(hpc_ml("run", "predict", "--json"))

    assert run["metrics"] == {"rows": 150, "files": 1, "test_accuracy": 0.96}
    found = pd.read_parquet(run["artefacts"]["predictions"])
    assert list(found.columns) == ["prediction", *(f"probability_{label}" for label in range(3))]
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    refused = hpc_ml("run", "predict", "--model", "last", "--data", "rows.csv")
    assert refused.returncode == 2
    assert "there is no column 'sepal length (cm)' and 3 more" in refused.stderr
    assert len(list((tmp_path / "runs").iterdir())) == 1
