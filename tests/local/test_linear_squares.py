"""Least squares, ridge, lasso and elastic net on rows in partitions, set against scikit-learn's."""

import numpy as np
import pytest
from linear_rows import Listener, assert_same, cut, rows_of
from sklearn import linear_model
from sklearn.datasets import make_regression

from hpc_ml import estimators
from hpc_ml.estimators import linear_regression, surroundings


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("LinearRegression", {"tol": 1e-10}),
        ("LinearRegression", {"fit_intercept": False, "tol": 1e-10}),
        ("Ridge", {"alpha": 20.0, "tol": 1e-10}),
        ("Ridge", {"alpha": 20.0, "fit_intercept": False, "tol": 1e-10}),
        ("Lasso", {"alpha": 0.01, "tol": 1e-8}),
        ("ElasticNet", {"alpha": 0.02, "tol": 1e-8}),
    ],
    ids=str,
)
def test_squared_losses(client, kind, name, settings) -> None:
    X, _, weight = rows_of(kind)
    y = X @ np.linspace(-2, 3, 20) + 5 + np.random.default_rng(1).standard_normal(1500)
    theirs = getattr(linear_model, name)(**settings).fit(X, y, weight)
    ours = getattr(estimators, name)(**settings).fit(cut(X, y, weight))
    assert_same(ours, theirs, X)
    assert ours.score(X, y) == pytest.approx(theirs.score(X, y), abs=1e-9)


@pytest.mark.parametrize("name", ["LinearRegression", "Ridge"])
def test_coefficients_that_are_not_negative(client, name) -> None:
    X, y = make_regression(500, 10, noise=5, random_state=0)
    theirs = getattr(linear_model, name)(positive=True, tol=1e-12).fit(X, y)
    assert_same(getattr(estimators, name)(positive=True).fit(X, y), theirs, X)


def test_several_targets(client) -> None:
    X, y = make_regression(500, 10, n_targets=3, noise=5, random_state=0)
    for name, settings in (
        ("LinearRegression", {}),
        ("Ridge", {"alpha": [1, 5, 9]}),
        ("Lasso", {}),
    ):
        theirs = getattr(linear_model, name)(**settings).fit(X, y)
        assert_same(getattr(estimators, name)(**settings).fit(X, y), theirs, X)


@pytest.mark.parametrize(
    "change",
    [
        lambda X: np.column_stack((X, X[:, 0] - 2 * X[:, 1], np.full(len(X), 7.0), X[:, 3])),
        lambda X: np.column_stack((X, X[:, 0] + 1e-5 * X[:, 1] ** 2)),
        lambda X: X + 1e6,
        lambda X: X * 1e200,
        lambda X: X * 1e-200,
    ],
    ids=["collinear", "nearly collinear", "far from zero", "huge", "tiny"],
)
def test_columns_that_are_hard_to_square(client, change) -> None:
    X, y = make_regression(500, 10, noise=5, random_state=0)
    X = change(X)
    theirs = linear_model.LinearRegression().fit(X, y)
    with surroundings(client, Listener()):
        ours = estimators.LinearRegression().fit(X, y)
    assert ours.rank_ == theirs.rank_
    assert np.allclose(ours.singular_[: ours.rank_], theirs.singular_[: ours.rank_])
    assert np.allclose(
        ours.coef_, theirs.coef_, rtol=1e-5, atol=1e-6 * np.max(np.abs(theirs.coef_))
    )
    assert np.allclose(ours.predict(X), theirs.predict(X), rtol=1e-6, atol=1e-4)


def test_what_was_done_about_collinear_columns_is_told(client) -> None:
    X, y = make_regression(500, 5, random_state=0)
    listener = Listener()
    with surroundings(client, listener):
        estimators.LinearRegression().fit(np.column_stack((X, X[:, :1])), y)
    assert listener.told == [
        "columns are constant or collinear (rank 5 of 6): the coefficients of smallest norm are "
        "taken"
    ]


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize(
    ("name", "settings"),
    [("LinearRegression", {}), ("Ridge", {"alpha": 30.0}), ("Lasso", {"alpha": 0.05})],
)
def test_more_columns_than_can_be_multiplied(client, monkeypatch, kind, name, settings) -> None:
    X, _, weight = rows_of(kind)
    y = X @ np.linspace(-2, 3, 20) + 5
    theirs = getattr(linear_model, name)(**settings, tol=1e-9).fit(X, y, weight)
    monkeypatch.setattr(linear_regression, "MOST_COLUMNS", 10)
    listener = Listener()
    with surroundings(client, listener):
        ours = getattr(estimators, name)(**settings, tol=1e-9).fit(X, y, weight)
    assert_same(ours, theirs, X, 1e-5)
    assert listener.told[0].startswith("20 columns: solved by L-BFGS")


def test_fewer_rows_than_columns(client) -> None:
    X, y = make_regression(30, 200, random_state=0)
    for name in ("LinearRegression", "Ridge", "ElasticNet"):
        theirs = getattr(linear_model, name)().fit(X, y)
        assert_same(getattr(estimators, name)().fit(cut(X, y)), theirs, X, 1e-12)
