"""Logistic and Poisson regression on rows in partitions, set against scikit-learn's own."""

import numpy as np
import pytest
from linear_rows import WORDS, assert_same, cut, rows_of
from sklearn import linear_model
from sklearn.exceptions import ConvergenceWarning

from hpc_ml import estimators


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"class_weight": "balanced", "C": 0.1},
        {"class_weight": {"fig": 3.0}, "fit_intercept": False},
        {"C": np.inf},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_logistic_regression(client, kind, settings, n_classes) -> None:
    X, y, weight = rows_of(kind, n_classes)
    labels = WORDS[y]
    if n_classes == 2 and "fig" in (settings.get("class_weight") or ()):
        settings = settings | {"class_weight": {"apple": 3.0}}
    theirs = linear_model.LogisticRegression(**settings, tol=1e-8, max_iter=1000)
    theirs.fit(X, labels, weight)
    ours = estimators.LogisticRegression(**settings, tol=1e-8, max_iter=1000)
    ours.fit(cut(X, labels, weight))
    assert list(ours.classes_) == list(theirs.classes_)
    assert_same(ours, theirs, X)
    assert ours.n_iter_ == pytest.approx(theirs.n_iter_, rel=0.2)
    assert ours.score(X, labels) == pytest.approx(theirs.score(X, labels), abs=1e-6)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.4])
def test_logistic_regression_with_absolute_values(client, l1_ratio, n_classes) -> None:
    X, y, weight = rows_of("dense", n_classes)
    settings = {"C": 0.02, "l1_ratio": l1_ratio, "tol": 1e-8}
    theirs = linear_model.LogisticRegression(**settings, solver="saga", max_iter=20_000)
    theirs.fit(X, y, weight)
    ours = estimators.LogisticRegression(**settings, max_iter=1000).fit(X, y, weight)
    assert_same(ours, theirs, X, 1e-5)
    assert np.array_equal(ours.coef_ == 0, theirs.coef_ == 0)


@pytest.mark.parametrize(
    ("labels", "order"),
    [
        (np.array([True, False]), None),
        (np.array([7, -3, 5]), None),
        (np.array(["b", "ä", "a"], dtype=object), "sorted"),
    ],
    ids=["bool", "unsorted numbers", "a class a partition"],
)
def test_labels_of_any_type(client, labels, order) -> None:
    X, y, _ = rows_of("dense", len(labels))
    rows = np.argsort(y, kind="stable") if order else np.arange(len(y))
    X, named = X[rows], labels[y[rows]]
    ours = estimators.LogisticRegression().fit(cut(X, named, bounds=[0, 0, 400, 400, 900, 1500]))
    theirs = linear_model.LogisticRegression().fit(X, named)
    assert ours.classes_.dtype == theirs.classes_.dtype
    assert np.array_equal(ours.predict(X), theirs.predict(X))
    assert_same(ours, theirs, X)


def test_poisson(client) -> None:
    X, _, weight = rows_of("dense")
    y = np.random.default_rng(1).poisson(np.exp(X[:, 0] / 3))
    for settings in ({}, {"alpha": 0, "fit_intercept": False}):
        theirs = linear_model.PoissonRegressor(**settings, tol=1e-7, max_iter=500)
        theirs.fit(X, y, weight)
        ours = estimators.PoissonRegressor(**settings, tol=1e-7, max_iter=500).fit(X, y, weight)
        assert_same(ours, theirs, X, 1e-5)
        assert ours.score(X, y) == pytest.approx(theirs.score(X, y), abs=1e-6)
    with pytest.raises(ValueError, match="out of the valid range"):
        ours.fit(X, y - 1)
    with pytest.raises(ValueError, match="all values of y are 0"):
        ours.fit(X, 0 * y)


def test_going_on_from_earlier_coefficients(client) -> None:
    X, y, _ = rows_of("dense", 3)
    for name in ("LogisticRegression", "PoissonRegressor", "Lasso"):
        model = getattr(estimators, name)(warm_start=True).fit(X, y)
        before = model.coef_
        model.fit(X, y)
        assert np.all(model.n_iter_ <= 1)
        assert np.allclose(model.coef_, before, atol=1e-3)


def test_a_fit_that_does_not_converge_warns(client) -> None:
    X, y, _ = rows_of("dense")
    with pytest.warns(ConvergenceWarning, match="failed to converge"):
        model = estimators.LogisticRegression(max_iter=2).fit(X, y)
    assert len(model.history_) == 2
    with pytest.warns(ConvergenceWarning):
        estimators.Lasso(max_iter=1, alpha=1e-3, tol=1e-9).fit(X, y)


@pytest.mark.parametrize(
    ("settings", "y", "message"),
    [
        ({"solver": "saga"}, [0, 1], "'lbfgs' finds the same minimum"),
        ({"dual": True}, [0, 1], "liblinear"),
        ({"C": -1}, [0, 1], "must be a float in the range"),
        ({}, [1, 1], "contains only one class"),
        ({}, [0.5, 0.7], "Unknown label type"),
    ],
)
def test_what_is_refused(client, settings, y, message) -> None:
    X = np.arange(8.0).reshape(4, 2)
    for rows in ((X, np.repeat(y, 2)), (cut(X, np.repeat(y, 2), n_partitions=2),)):
        with pytest.raises(ValueError, match=message):
            estimators.LogisticRegression(**settings).fit(*rows)


def test_values_whose_sum_overflows_are_refused(client) -> None:
    with pytest.raises(ValueError, match="scale the columns"):
        estimators.LogisticRegression().fit(np.full((100, 1), 1e307), np.arange(100) == 0)
