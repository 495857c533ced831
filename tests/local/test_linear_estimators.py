"""Linear models on rows in partitions, set against scikit-learn's own."""

import warnings
from contextlib import contextmanager

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn import linear_model
from sklearn.datasets import make_classification, make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import check_estimator

from hpc_ml import estimators
from hpc_ml.estimators import linear_regression, surroundings
from hpc_ml.estimators.here import HereCollective
from hpc_ml.estimators.inputs import ArrayPartitions
from hpc_ml.estimators.surroundings import NoCheckpoint

CLASSES = ("ElasticNet", "Lasso", "LinearRegression", "LogisticRegression", "PoissonRegressor",
           "Ridge")  # fmt: skip
WORDS = np.array(["pear", "apple", "fig"])


class Listener(NoCheckpoint):
    """Hears what is told, and keeps states; stops a run after so many of them."""

    def __init__(self, stop_after: int = -1) -> None:
        self.told: list[str] = []
        self.states: dict[str, bytes] = {}
        self._stop_after = stop_after

    def tell(self, message: str) -> None:
        self.told.append(message)

    def kept_state(self, name):
        return self.states.get(name)

    def keep_state(self, name, make) -> None:
        if self._stop_after == 0:
            raise KeyboardInterrupt
        self._stop_after -= 1
        self.states[name] = make()


@contextmanager
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def cut(X, y, weight=None, bounds=None, n_partitions=5):
    """Return partitions of arrays with these bounds."""
    partitions = ArrayPartitions(X, y, weight)
    ends = np.linspace(0, len(y), n_partitions + 1).astype(int) if bounds is None else bounds
    partitions._bounds = [int(end) for end in ends]
    partitions.rows = tuple(int(rows) for rows in np.diff(ends))
    partitions.bytes_each = tuple(8 * rows * X.shape[1] for rows in partitions.rows)
    return partitions


def rows_of(kind, n_classes=2, dtype=np.float64):
    """Return dense or sparse rows, their classes, and weights."""
    X, y = make_classification(
        1500, 20, n_informative=8, n_redundant=0, n_classes=n_classes, n_clusters_per_class=1,
        random_state=0,
    )  # fmt: skip
    weight = np.random.default_rng(0).uniform(0.2, 2, len(y))
    if kind == "sparse":
        X = sp.csr_array(np.where(np.abs(X) > 1, X, 0))
    return X.astype(dtype), y, weight


def assert_same(ours, theirs, X, tolerance=1e-6):
    scale = np.max(np.abs(theirs.coef_))
    assert ours.coef_.shape == theirs.coef_.shape
    assert ours.coef_.dtype == theirs.coef_.dtype
    assert np.shape(ours.intercept_) == np.shape(theirs.intercept_)
    assert np.max(np.abs(ours.coef_ - theirs.coef_)) <= tolerance * scale
    assert np.max(np.abs(ours.intercept_ - theirs.intercept_)) <= tolerance * max(scale, 1)
    local = ours.local_estimator()
    assert type(local) is type(theirs)
    assert np.array_equal(local.predict(X), ours.predict(X))


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


def test_float32_stays_float32(client) -> None:
    X, y, weight = rows_of("dense", 3, np.float32)
    for settings in ({}, {"fit_intercept": False}):
        theirs = linear_model.LogisticRegression(**settings).fit(X, y, weight)
        assert_same(estimators.LogisticRegression(**settings).fit(X, y, weight), theirs, X, 1e-4)
    for name in ("LinearRegression", "Ridge", "Lasso", "ElasticNet"):
        theirs = getattr(linear_model, name)().fit(X, y, weight)
        assert_same(getattr(estimators, name)().fit(X, y, weight), theirs, X, 1e-4)


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


@pytest.mark.parametrize("name", CLASSES)
def test_any_number_of_workers_gives_the_same_bits(client, name) -> None:
    X, y, weight = rows_of("dense", 3)
    partitions = cut(X, y, weight, n_partitions=7)
    two = getattr(estimators, name)().fit(partitions)
    with HereCollective(partitions) as here:
        one = getattr(estimators, name)().fit(here)
    assert np.array_equal(one.coef_, two.coef_)
    assert np.array_equal(one.intercept_, two.intercept_)


@pytest.mark.parametrize("name", ["LogisticRegression", "PoissonRegressor", "Ridge"])
def test_an_interrupted_fit_gives_the_same_bits(client, name) -> None:
    X, y, _ = rows_of("dense", 3)
    partitions = cut(X, y)
    expected = getattr(estimators, name)().fit(partitions)
    listener = Listener(stop_after=4 if name != "Ridge" else 1)
    with surroundings(client, listener):
        for _ in range(2):
            try:
                again = getattr(estimators, name)().fit(partitions)
            except KeyboardInterrupt:
                assert listener.states
                listener._stop_after = -1
    assert np.array_equal(again.coef_, expected.coef_)
    assert np.array_equal(again.intercept_, expected.intercept_)


def test_dask_collections(client) -> None:
    X, y, weight = rows_of("dense", 3)
    labels = WORDS[y]
    chunks = ((0, 700, 800), (20,))
    blocks = da.from_array(X, chunks=chunks)
    columns = [da.from_array(column, chunks=chunks[:1]) for column in (labels, weight)]
    ours = estimators.LogisticRegression().fit(blocks, columns[0], sample_weight=columns[1])
    assert_same(ours, linear_model.LogisticRegression().fit(X, labels, weight), X)
    assert np.array_equal(ours.predict(blocks).compute(), ours.predict(X))
    assert np.allclose(ours.predict_proba(blocks).compute(), ours.predict_proba(X))

    frame = pd.DataFrame(X, columns=[f"x{number}" for number in range(20)])
    frames = dd.from_pandas(frame, npartitions=3)
    ridge = estimators.Ridge().fit(frames, dd.from_pandas(pd.Series(weight), npartitions=3))
    assert list(ridge.feature_names_in_) == list(frame.columns)
    assert_same(ridge, linear_model.Ridge().fit(frame, weight), frame)
    assert np.allclose(ridge.predict(frames).compute(), ridge.predict(frame))


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


@pytest.mark.parametrize("name", CLASSES)
def test_scikit_learns_own_checks(name) -> None:
    # scikit-learn's own Ridge fails this one too: n_iter_ is None.
    expected = {"check_non_transformer_estimators_n_iter": "None"} if name == "Ridge" else {}
    with quiet():
        check_estimator(
            getattr(estimators, name)(), expected_failed_checks=expected, on_fail="raise"
        )
