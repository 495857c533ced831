"""Forests grown by workers are scikit-learn's, or are said not to be."""

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from distributed import Client
from forest_data import Diary, FatalRows, TestRows
from scipy import sparse
from sklearn import ensemble
from sklearn.datasets import make_classification, make_regression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.utils._test_common.instance_generator import _get_expected_failed_checks
from sklearn.utils.estimator_checks import check_estimator
from worker_processes import start_cluster

from hpc_ml import estimators
from hpc_ml.errors import BadJob, Stopped, TaskFailed
from hpc_ml.estimators import forest, forest_plan, forest_survey, surroundings
from hpc_ml.estimators.forest_growth import ForestPlan, Growth
from hpc_ml.estimators.forest_trees import ForestRecipe, TreePlan
from hpc_ml.estimators.here import HereCollective

KINDS = (
    "RandomForestClassifier",
    "RandomForestRegressor",
    "ExtraTreesClassifier",
    "ExtraTreesRegressor",
)


@pytest.fixture(scope="module")
def table():
    return make_classification(
        n_samples=300, n_features=6, n_informative=4, n_classes=3, random_state=0
    )


@pytest.fixture
def by_partition(monkeypatch):
    """As if the rows did not fit into a worker's memory."""
    monkeypatch.setattr(forest, "fits_each_worker", lambda collective: False)


def fit_both(kind, X, y, weights=None, **parameters):
    """Return our forest and scikit-learn's, whose trees and predictions are found equal."""
    fitted = [
        getattr(module, kind)(n_estimators=7, random_state=3, **parameters).fit(X, y, weights)
        for module in (estimators, ensemble)
    ]
    ours, theirs = fitted
    assert [tree.random_state for tree in ours] == [tree.random_state for tree in theirs]
    for name in ("predict", "predict_proba", "apply"):
        if hasattr(theirs, name):
            np.testing.assert_array_equal(getattr(ours, name)(X), getattr(theirs, name)(X))
    np.testing.assert_array_equal(ours.feature_importances_, theirs.feature_importances_)
    for name in ("oob_score_", "oob_decision_function_", "oob_prediction_", "classes_"):
        assert hasattr(ours, name) == hasattr(theirs, name), name
        if hasattr(theirs, name):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), name)
    return ours, theirs


@pytest.mark.parametrize(
    "parameters",
    [
        {"oob_score": True},
        {"class_weight": "balanced", "max_samples": 0.5, "oob_score": True},
        {"class_weight": "balanced_subsample", "max_depth": 3},
        {"class_weight": {"mid": 5.0}, "max_features": 2, "criterion": "entropy"},
    ],
    ids=["oob", "balanced", "subsample", "weights by label"],
)
@pytest.mark.usefixtures("client")
@pytest.mark.filterwarnings("ignore:Some inputs do not have OOB scores")
def test_classes_that_are_words(table, parameters):
    X, y = table
    labels = np.array(["low", "mid", "high"], dtype=object)[y]
    ours, _ = fit_both("RandomForestClassifier", X, labels, **parameters)
    assert ours.classes_.tolist() == ["high", "low", "mid"]


@pytest.mark.usefixtures("client")
@pytest.mark.filterwarnings("ignore:Some inputs do not have OOB scores")
def test_sample_weights(table):
    X, y = table
    weights = np.linspace(0.1, 3, len(y))
    fit_both("RandomForestClassifier", X, y, weights, oob_score=True)
    fit_both("ExtraTreesRegressor", X, y.astype(float), weights)


@pytest.mark.usefixtures("client")
@pytest.mark.filterwarnings("ignore:Some inputs do not have OOB scores")
def test_regression():
    X, y = make_regression(n_samples=300, n_features=5, noise=1.0, random_state=0)
    fit_both("RandomForestRegressor", X, y, oob_score=True, min_samples_leaf=3)
    fit_both("ExtraTreesRegressor", X, np.column_stack([y, -y]))


@pytest.mark.usefixtures("client")
def test_missing_values_and_named_columns(table):
    X, y = table
    frame = pd.DataFrame(np.where(X > 2, np.nan, X), columns=list("abcdef"))
    ours, theirs = fit_both("ExtraTreesClassifier", frame, y, bootstrap=True)
    assert ours.feature_names_in_.tolist() == theirs.feature_names_in_.tolist()


@pytest.mark.usefixtures("client")
@pytest.mark.filterwarnings("ignore:Some inputs do not have OOB scores")
def test_sparse_rows(table):
    X, y = table
    fit_both("RandomForestClassifier", sparse.csr_array(np.where(X > 1, X, 0)), y, oob_score=True)


@pytest.mark.usefixtures("client")
def test_dask_arrays_in_and_out(table):
    X, y = table
    chunks = da.from_array(X, chunks=(80, 6)), da.from_array(y, chunks=80)
    ours = estimators.RandomForestClassifier(n_estimators=5, random_state=0).fit(*chunks)
    theirs = ensemble.RandomForestClassifier(n_estimators=5, random_state=0).fit(X, y)
    np.testing.assert_array_equal(ours.predict(chunks[0]).compute(), theirs.predict(X))
    np.testing.assert_array_equal(ours.predict_proba(chunks[0]).compute(), theirs.predict_proba(X))

    frame = dd.from_pandas(pd.DataFrame(X, columns=list("abcdef")), npartitions=3)
    named = dd.from_pandas(pd.Series(y), npartitions=3)
    ours.fit(frame, named)
    assert ours.feature_names_in_.tolist() == list("abcdef")
    np.testing.assert_array_equal(ours.predict(frame).compute(), theirs.predict(X))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        ours.fit(chunks[0], da.from_array(y[:-1], chunks=80))


@pytest.mark.usefixtures("client")
def test_warm_start_goes_on_with_the_next_seeds(table):
    X, y = table
    ours = estimators.RandomForestClassifier(n_estimators=3, random_state=1, warm_start=True)
    ours.fit(X, y).set_params(n_estimators=6).fit(X, y)
    theirs = ensemble.RandomForestClassifier(n_estimators=6, random_state=1).fit(X, y)
    np.testing.assert_array_equal(ours.predict_proba(X), theirs.predict_proba(X))


@pytest.mark.usefixtures("client")
def test_the_local_forest_is_scikit_learns(table):
    X, y = table
    ours = estimators.RandomForestClassifier(n_estimators=5, random_state=0).fit(X, y)
    local = ours.local_estimator()
    theirs = ensemble.RandomForestClassifier(n_estimators=5, random_state=0).fit(X, y)
    assert type(local) is ensemble.RandomForestClassifier
    np.testing.assert_array_equal(local.predict_proba(X), theirs.predict_proba(X))
    for found, expected in zip(local.estimators_samples_, theirs.estimators_samples_, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.usefixtures("client", "by_partition")
@pytest.mark.parametrize("parameters", [{}, {"class_weight": "balanced_subsample"}], ids=str)
def test_trees_of_partitions_predict_classes_that_some_partitions_lack(parameters):
    X, y = make_classification(n_samples=2000, n_features=6, n_informative=4, n_classes=3,
                               n_clusters_per_class=1, class_sep=2.0, random_state=0)  # fmt: skip
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=0)
    # Sorted by class, so that no partition has all of them.
    order = np.argsort(y_train, kind="stable")
    order[:50], order[-50:] = order[-50:].copy(), order[:50].copy()
    chunks = (da.from_array(X_train[order], chunks=(100, 6)),
              da.from_array(np.array(list("abc"))[y_train[order]], chunks=100))  # fmt: skip
    ours = estimators.RandomForestClassifier(
        n_estimators=45, oob_score=True, random_state=0, **parameters
    ).fit(*chunks)
    assert ours.classes_.tolist() == ["a", "b", "c"]
    score = balanced_accuracy_score(np.array(list("abc"))[y_test], ours.predict(X_test))
    assert score > 0.85


@pytest.mark.usefixtures("client", "by_partition")
def test_trees_of_partitions_estimate_their_own_score():
    X, y = make_regression(n_samples=4000, n_features=4, noise=5.0, random_state=0)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=0)
    chunks = da.from_array(X_train, chunks=(500, 4)), da.from_array(y_train, chunks=500)
    ours = estimators.RandomForestRegressor(n_estimators=40, oob_score=True, random_state=0)
    ours.fit(*chunks)
    assert ours.score(X_test, y_test) > 0.85
    assert ours.oob_score_ == pytest.approx(ours.score(X_test, y_test), abs=0.03)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_forest_whatever_the_workers(client, by_partition, kind):
    rows = TestRows()
    parameters = {"n_estimators": 9, "random_state": 0, "bootstrap": True, "oob_score": True}
    with surroundings(client):
        two = getattr(estimators, kind)(**parameters).fit(rows)
    one = getattr(estimators, kind)(**parameters).fit(HereCollective(rows))
    X, _ = rows.arrays
    np.testing.assert_array_equal(two.apply(X), one.apply(X))
    assert two.oob_score_ == one.oob_score_


@pytest.mark.filterwarnings("ignore:Some inputs do not have OOB scores")
def test_a_stopped_fit_goes_on_with_the_trees_that_are_done(client, monkeypatch):
    monkeypatch.setattr(forest_plan, "_ORDER_S", 0.0)
    rows = TestRows()
    model = estimators.RandomForestClassifier(n_estimators=12, random_state=0, oob_score=True)
    diary = Diary(stop_after=4)
    with surroundings(client, diary), pytest.raises(Stopped):
        model.fit(rows)
    done = diary.steps[-1][0]
    assert 4 <= done < 12
    again = Diary()
    again.units, again.states = diary.units, diary.states
    with surroundings(client, again):
        model.fit(rows)
    assert again.steps[0] == (done, 12, "trees")
    assert again.steps[-1] == (12, 12, "trees")
    X, y = rows.arrays
    theirs = ensemble.RandomForestClassifier(n_estimators=12, random_state=0, oob_score=True)
    theirs.fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), theirs.predict_proba(X))
    assert model.oob_score_ == theirs.oob_score_


def test_trees_of_lost_workers_are_grown_by_others(tmp_path):
    rows = FatalRows(folder=tmp_path, key="fatal", fatal=1)
    with start_cluster(n_workers=2) as cluster, Client(cluster) as client, surroundings(client):
        found = estimators.ExtraTreesClassifier(n_estimators=6, random_state=0).fit(rows)
    theirs = ensemble.ExtraTreesClassifier(n_estimators=6, random_state=0).fit(*rows.arrays)
    X, _ = rows.arrays
    np.testing.assert_array_equal(found.predict_proba(X), theirs.predict_proba(X))
    assert len(list(tmp_path.iterdir())) == 1


def test_trees_that_kill_their_workers_end_the_fit():
    recipe = ForestRecipe(ensemble.ExtraTreesClassifier, {})
    with HereCollective(TestRows()) as collective:
        growth = Growth(collective, ForestPlan(recipe, [TreePlan(0), TreePlan(1)]))
        (place,) = collective.workers
        for _ in range(3):
            growth.lose(place, growth.next_order(place))
        with pytest.raises(TaskFailed, match="workers died 4 times while they grew the same trees"):
            growth.lose(place, growth.next_order(place))


def test_rows_that_do_not_fit_a_worker_are_told(client, monkeypatch):
    diary, rows = Diary(), TestRows()
    model = estimators.ExtraTreesClassifier(n_estimators=3, random_state=0)
    monkeypatch.setattr(forest_survey, "planned_bytes", lambda *args: 2**50)
    with surroundings(client, diary):
        model.fit(rows)
        assert any("each tree is grown from one or a few of 6 partitions" in one
                   for one in diary.heard)  # fmt: skip
        parts = model.apply(rows.arrays[0])
        monkeypatch.undo()
        np.testing.assert_array_equal(model.fit(rows).apply(rows.arrays[0]), parts)


def test_a_run_that_began_with_all_rows_does_not_go_on_without(client, monkeypatch):
    diary, rows = Diary(), TestRows()
    model = estimators.ExtraTreesClassifier(n_estimators=3, random_state=0)
    with surroundings(client, diary):
        model.fit(rows)
        monkeypatch.setattr(forest_survey, "planned_bytes", lambda *args: 2**50)
        with pytest.raises(BadJob, match="resume with more --memory"):
            model.fit(rows)


def test_what_cannot_be_asked_of_a_forest():
    X, y = TestRows().arrays
    with pytest.raises(ValueError, match="Out of bag estimation only available if bootstrap"):
        estimators.ExtraTreesClassifier(oob_score=True).fit(X, y)
    with pytest.raises(ValueError, match="n_estimators"):
        estimators.RandomForestClassifier(n_estimators=0).fit(X, y)


@pytest.mark.parametrize("kind", KINDS)
def test_scikit_learns_checks(kind):
    expected = _get_expected_failed_checks(getattr(ensemble, kind)(n_estimators=5))
    checked = check_estimator(
        getattr(estimators, kind)(n_estimators=5), expected_failed_checks=expected, on_skip=None
    )
    failed = {one["check_name"] for one in checked if one["status"] == "xfail"}
    assert failed <= set(expected)
