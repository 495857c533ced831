"""What a prediction writes, and which worker gets which partition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.ensemble import IsolationForest, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from hpc_ml.errors import BadJob
from hpc_ml.tasks.predict_dispatch import Ranges
from hpc_ml.tasks.predict_outputs import (
    as_columns,
    available_outputs,
    choose_outputs,
    respond_all,
    taken_names,
)
from hpc_ml.tasks.registry import load, settings_class

X = np.random.default_rng(0).normal(size=(60, 3))
LABELS = np.array(["b", "a", "c"])[np.digitize(X[:, 0], [-0.5, 0.5])]


@pytest.mark.parametrize(
    ("model", "y", "outputs"),
    [
        (LogisticRegression(), LABELS, ("label", "probability", "decision")),
        (SVC(), LABELS, ("label", "decision")),
        (make_pipeline(StandardScaler(), DecisionTreeClassifier()), LABELS,
         ("label", "probability", "leaf")),
        (RandomForestRegressor(2), X[:, 0], ("value", "leaf")),
        (make_pipeline(StandardScaler(), KMeans(2, n_init=1)), None, ("cluster", "distance")),
        (IsolationForest(n_estimators=2), None, ("label", "decision")),
    ],
    ids=["probabilities", "decisions", "tree", "numbers", "clusters", "outliers"],
)  # fmt: skip
def test_a_model_has_the_outputs_of_its_kind(model, y, outputs):
    model.fit(X, y)

    assert available_outputs(model) == outputs
    assert choose_outputs(model, (), "m") == outputs[:1]
    found = respond_all(model, outputs, X)
    columns = {}
    for word in outputs:
        made = as_columns(word, found[word], getattr(model, "classes_", None))
        columns |= made
        assert all(map(taken_names(outputs), made))
    assert {len(column) for column in columns.values()} == {60}
    np.testing.assert_array_equal(next(iter(columns.values())).to_numpy(False), model.predict(X))
    with pytest.raises(BadJob, match=f"has no value; it has {outputs[0]}|has no cluster"):
        choose_outputs(model, ("cluster" if "value" in outputs else "value",), "m")


def test_columns_are_named_by_class_and_keep_their_type():
    found = as_columns("probability", np.eye(3, dtype=np.float32), np.array(["b", "a", "c"]))
    assert list(found) == ["probability_b", "probability_a", "probability_c"]
    assert {str(column.type) for column in found.values()} == {"float"}
    labels = as_columns("label", np.array([True, False]), None)["prediction"]
    assert labels.to_pylist() == [True, False]
    leaves = as_columns("leaf", np.arange(6, dtype=np.int32).reshape(2, 3), None)["leaf"]
    assert leaves.to_pylist() == [[0, 1, 2], [3, 4, 5]]


@given(
    count=st.integers(0, 40),
    turns=st.lists(st.tuples(st.sampled_from("abcd"), st.sets(st.sampled_from("abcd")))),
    most=st.integers(1, 5),
)
def test_every_partition_is_taken_once_whoever_comes_and_goes(count, turns, most):
    ranges = Ranges(range(count))
    taken = []
    for worker, others in [*turns, *[("a", set())] * 2 * count]:
        taken += ranges.take(worker, {worker, *others}, most)
        assert len(ranges) == count - len(taken)
    assert sorted(taken) == list(range(count))
    assert not ranges


def test_workers_take_neighbours_and_then_from_who_has_most():
    ranges = Ranges(range(8))
    first = [ranges.take(worker, ["a", "b"], 1) for worker in "abababa"]
    assert first == [[0], [4], [1], [5], [2], [6], [3]]
    assert ranges.take("a", ["a", "b"], 1) == [7]
    assert ranges.take("b", ["a", "b"], 1) == []
    ranges.put_back([5, 6, 7])
    assert ranges.take("b", ["a", "b"], 2) == [5, 6]


def test_the_example_is_a_job():
    task = load("predict")
    settings = {key: value for key, value in task.EXAMPLE.items() if key != "data"}
    assert settings_class("predict").model_validate(settings).output == ("label", "probability")
