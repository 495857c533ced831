"""Hyperband and successive halving: the same result on any number of workers, here too."""

import math
from typing import Any

import numpy as np
import pytest
from distributed import Client
from scipy.stats import loguniform
from sklearn.base import clone
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline
from test_incremental import LABELS, TEXTS, StopAfter, X, assert_same_bits, parts

from hpc_ml.errors import Stopped
from hpc_ml.estimators import HyperbandSearchCV, SuccessiveHalvingSearchCV, surroundings

SPACE = {"alpha": loguniform(1e-6, 1e-1), "penalty": ["l1", "l2"]}
SEARCH = HyperbandSearchCV(
    SGDClassifier(random_state=0), SPACE, max_iter=9, validation_fraction=0.3, random_state=4
)


def numbers_of(search: Any) -> dict[str, Any]:
    """Return all that a search found, but times."""
    results = {key: value for key, value in search.cv_results_.items() if "_time" not in key}
    return {key: np.ma.getdata(value).tolist() if key != "params" else value
            for key, value in results.items()}  # fmt: skip


def assert_same_search(one: Any, other: Any) -> None:
    assert numbers_of(one) == numbers_of(other)
    assert one.history_ == other.history_
    assert_same_bits(one.best_estimator_, other.best_estimator_)


@pytest.fixture(scope="module")
def found() -> Any:
    """Return the search as it ends in this process alone."""
    with surroundings(None):
        return clone(SEARCH).fit(parts(X, LABELS))


def test_results_are_told_as_scikit_learn_does(found: Any) -> None:
    results = found.cv_results_
    brackets = results["bracket"].tolist()
    assert [brackets.count(bracket) for bracket in range(3)] == [9, 5, 3]
    calls = results["partial_fit_calls"].tolist()
    assert [calls.count(count) for count in (1, 3, 9)] == [6, 6, 5]
    assert results["mean_test_score"][found.best_index_] == found.best_score_
    assert results["rank_test_score"][found.best_index_] == 1
    assert found.best_params_ == results["params"][found.best_index_]
    assert results["param_alpha"][0] == results["params"][0]["alpha"]
    assert found.best_score_ == max(results["mean_test_score"])
    assert found.n_iter_ == results["partial_fit_calls"][found.best_index_]
    assert found.predict(X[:5]).shape == (5,)


def test_only_the_best_of_a_rung_go_on(found: Any) -> None:
    for bracket, rung, room in ((0, 0, 3), (0, 1, 1), (1, 0, 1)):
        scores = {
            entry["candidate"]: entry["score"]
            for entry in found.history_
            if (entry["bracket"], entry["rung"]) == (bracket, rung)
        }
        promoted = {
            entry["candidate"]
            for entry in found.history_
            if (entry["bracket"], entry["rung"]) == (bracket, rung + 1)
        }
        best = sorted(scores, key=lambda one: (-scores[one], one))[:room]
        assert promoted == set(best)


def test_two_workers_find_the_same(client: Client, found: Any) -> None:
    with surroundings(client):
        assert_same_search(clone(SEARCH).fit(parts(X, LABELS)), found)


def test_an_interrupted_search_goes_on_to_the_same_end(client: Client, found: Any) -> None:
    search, checkpoint, interruptions = clone(SEARCH), StopAfter(2), 0
    with surroundings(client, checkpoint):
        while not hasattr(search, "cv_results_"):
            try:
                search.fit(parts(X, LABELS))
            except Stopped:
                interruptions += 1
                checkpoint.steps = 3
                np.random.random(5)  # as another process has another global state
    assert interruptions >= 2
    assert_same_search(search, found)


def test_a_candidate_is_trained_as_the_same_calls_would(found: Any) -> None:
    """The model of a candidate follows from its parameters, the order and where it begins."""
    results = found.cv_results_
    count, number = len(results["params"]), found.best_index_
    data = parts(X, LABELS)
    order = found.order_
    start = number * len(data.rows) // count
    model = SGDClassifier(random_state=0, **results["params"][number])
    for call in range(results["partial_fit_calls"][number]):
        epoch, place = divmod(start + call, len(data.rows))
        partition = order.partitions(len(data.rows), epoch)[place]
        block = data.send(partition)
        trained, _ = order.split(len(block), partition)
        model.partial_fit(block.X[trained], block.y[trained], classes=np.unique(LABELS))
    assert_same_bits(found.best_estimator_, model)


def test_halving_of_a_text_pipeline(client: Client) -> None:
    pipeline = make_pipeline(HashingVectorizer(n_features=64), SGDClassifier(random_state=0))
    search = SuccessiveHalvingSearchCV(
        pipeline, {"sgdclassifier__alpha": [1e-5, 1e-4, 1e-3, 1e-2]}, n_candidates=9, max_iter=6,
        factor=2, random_state=0,
    )  # fmt: skip
    with surroundings(client):
        search.fit(parts(TEXTS, LABELS))
    assert len(search.cv_results_["params"]) == 4  # there are no more
    assert search.best_score_ == 1.0
    assert search.predict(["low words of 3"]).tolist() == ["low"]


def test_a_candidate_that_fails_does_not_stop_the_rest() -> None:
    space = {"penalty": ["l2", "l3"]}
    search = HyperbandSearchCV(SGDClassifier(random_state=0), space, max_iter=2, factor=2)
    search.fit(parts(X, LABELS))
    failed = {one["candidate"] for one in search.failures_}
    penalties = search.cv_results_["param_penalty"]
    assert {penalties[number] for number in failed} == {"l3"}
    assert all(math.isnan(search.cv_results_["mean_test_score"][one]) for one in failed)
    assert search.best_params_ == {"penalty": "l2"}
    with pytest.raises(ValueError, match="all candidates failed, the first with InvalidParameter"):
        clone(search).set_params(param_distributions={"penalty": ["l3"]}).fit(X, LABELS)


def test_parameters_of_shared_steps_are_refused() -> None:
    pipeline = make_pipeline(HashingVectorizer(), SGDClassifier())
    search = HyperbandSearchCV(pipeline, {"hashingvectorizer__n_features": [8, 16]}, max_iter=3)
    with pytest.raises(ValueError, match="only parameters of the last step"):
        search.fit(parts(TEXTS, LABELS))
