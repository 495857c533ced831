"""What all linear models on rows in partitions do alike."""

import warnings

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from linear_rows import WORDS, Listener, assert_same, cut, rows_of
from sklearn import linear_model
from sklearn.utils.estimator_checks import check_estimator

from hpc_ml import estimators
from hpc_ml.estimators import surroundings
from hpc_ml.estimators.here import HereCollective

CLASSES = ("ElasticNet", "Lasso", "LinearRegression", "LogisticRegression", "PoissonRegressor",
           "Ridge")  # fmt: skip


def test_float32_stays_float32(client) -> None:
    X, y, weight = rows_of("dense", 3, np.float32)
    for settings in ({}, {"fit_intercept": False}):
        theirs = linear_model.LogisticRegression(**settings).fit(X, y, weight)
        assert_same(estimators.LogisticRegression(**settings).fit(X, y, weight), theirs, X, 1e-4)
    for name in ("LinearRegression", "Ridge", "Lasso", "ElasticNet"):
        theirs = getattr(linear_model, name)().fit(X, y, weight)
        assert_same(getattr(estimators, name)().fit(X, y, weight), theirs, X, 1e-4)


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

    with pytest.raises(ValueError, match="1d array"):
        estimators.Ridge().fit(blocks, da.from_array(X[:, :2], chunks=(chunks[0], (2,))))


@pytest.mark.parametrize("name", CLASSES)
def test_scikit_learns_own_checks(name) -> None:
    # scikit-learn's own Ridge fails this one too: n_iter_ is None.
    expected = {"check_non_transformer_estimators_n_iter": "None"} if name == "Ridge" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_estimator(
            getattr(estimators, name)(), expected_failed_checks=expected, on_fail="raise"
        )


def test_partitions_hold_their_own_targets() -> None:
    X, y, weight = rows_of("dense")
    with pytest.raises(ValueError, match="leave y and weights out"):
        estimators.Ridge().fit(cut(X, y), sample_weight=weight)


def test_what_is_kept_of_another_start_is_not_used() -> None:
    X, y, _ = rows_of("dense", 3)
    partitions = cut(X, y)
    with surroundings(None, Listener()):
        model = estimators.PoissonRegressor(warm_start=True).fit(partitions)
        assert model.n_iter_ > 1
        assert model.fit(partitions).n_iter_ <= 1
