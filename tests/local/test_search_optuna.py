"""A search guided by Optuna learns from its scores, and is the same whenever it is repeated."""

import numpy as np
import pytest
from moody import Moody, Notebook, fit_hearing
from scipy import stats
from sklearn.datasets import make_classification
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_score
from sklearn.svm import SVC

from hpc_ml.errors import Stopped
from hpc_ml.estimators import TPESearchCV, surroundings

X, y = make_classification(n_samples=150, n_informative=6, random_state=0)
SPACE = {"C": stats.loguniform(1e-4, 1e4), "gamma": stats.loguniform(1e-5, 1e2)}
GUIDED = {"cv": 3, "random_state": 0}


@pytest.mark.usefixtures("client")
def test_later_candidates_are_better_than_the_first():
    search = TPESearchCV(SVC(), SPACE, n_iter=30, **GUIDED).fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    assert len(scores) == 30
    assert scores[-10:].mean() > scores[:10].mean() + 0.05
    assert search.best_score_ == scores.max()
    assert search.best_score_ == cross_val_score(SVC(**search.best_params_), X, y, cv=3).mean()
    assert search.best_estimator_.score(X, y) > 0.9


@pytest.mark.usefixtures("client")
def test_every_kind_of_value():
    space = {
        "alpha": stats.uniform(0.5, 2.0),
        "fit_intercept": [True, False],
        "solver": ["svd", "cholesky"],
        "max_iter": stats.randint(5, 9),
        "tol": stats.expon(scale=1e-3),
    }
    search = TPESearchCV(Ridge(), space, n_iter=12, **GUIDED).fit(X, X[:, 0])
    for candidate in search.cv_results_["params"]:
        assert 0.5 <= candidate["alpha"] <= 2.5
        assert candidate["max_iter"] in range(5, 9)
        assert type(candidate["max_iter"]) is int
        assert candidate["tol"] > 0
        assert candidate["solver"] in ("svd", "cholesky")


@pytest.mark.usefixtures("client")
def test_several_spaces_and_metrics():
    spaces = [
        {"kernel": ["linear"], "C": stats.loguniform(0.01, 10)},
        {"kernel": ["rbf"], "gamma": stats.loguniform(0.001, 1)},
    ]
    search = TPESearchCV(SVC(), spaces, n_iter=10, scoring=["accuracy", "f1"], refit="f1", **GUIDED)
    search.fit(X, y)
    assert {frozenset(one) for one in search.cv_results_["params"]} == {
        frozenset({"kernel", "C"}), frozenset({"kernel", "gamma"}),
    }  # fmt: skip
    assert search.best_index_ == search.cv_results_["mean_test_f1"].argmax()
    with pytest.raises(ValueError, match="refit must name the one that guides"):
        search.set_params(refit=False).fit(X, y)


def test_a_candidate_that_comes_up_again_is_not_fitted_again(client):
    notebook = Notebook()
    with surroundings(client, notebook):
        search = TPESearchCV(SVC(), {"kernel": ["linear", "rbf"]}, n_iter=12, **GUIDED).fit(X, y)
    assert notebook.steps[0] == (0, 36, "fits")
    assert notebook.steps[-1] == (6, 6, "fits")
    assert sorted(one["kernel"] for one in search.cv_results_["params"]) == ["linear", "rbf"]


def test_resumed_it_tries_the_same_candidates(client):
    search = TPESearchCV(SVC(), SPACE, n_iter=12, trials_at_once=3, **GUIDED)
    stopped, whole = Notebook(stop_after=14, error=Stopped("told to")), Notebook()
    with surroundings(client, whole):
        search.fit(X, y)
    expected = search.cv_results_
    with surroundings(client, stopped), pytest.raises(Stopped):
        search.fit(X, y)
    resumed = Notebook(units=stopped.units)
    with surroundings(client, resumed):
        search.fit(X, y)
    assert len(resumed.recorded) == 36 - len(stopped.recorded)
    assert search.cv_results_["params"] == expected["params"]
    np.testing.assert_array_equal(
        search.cv_results_["mean_test_score"], expected["mean_test_score"]
    )


def test_failed_candidates_and_idle_workers_are_told(client):
    notebook = Notebook()
    search = TPESearchCV(
        Moody(), {"mood": ["calm", "angry"], "level": [0, 1]}, n_iter=6, trials_at_once=1,
        cv=[(range(100), range(100, 150))], random_state=0,
    )  # fmt: skip
    with surroundings(client, notebook):
        heard = fit_hearing(search, X, y)
    assert any("fits failed" in one for one in heard)
    assert search.best_params_["mood"] == "calm"
    assert any("trials_at_once=2 keeps all workers busy" in one for one in notebook.heard)
