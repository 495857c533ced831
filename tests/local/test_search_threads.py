"""A model that a search fits starts no threads beside the worker's own."""

import pytest
from lightgbm import LGBMClassifier
from moody import Notebook
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier

from hpc_ml.estimators import GridSearchCV, surroundings
from hpc_ml.estimators.model_threads import limit_threads, thread_parameters

X, y = make_classification(n_samples=80, random_state=0)


@pytest.mark.parametrize(
    ("estimator", "candidate", "limited"),
    [
        (RandomForestClassifier(), {"max_depth": 2}, {"max_depth": 2}),
        (RandomForestClassifier(n_jobs=-1), {"max_depth": 2}, {"max_depth": 2, "n_jobs": 1}),
        (LGBMClassifier(), {}, {"n_jobs": 1}),
        (XGBClassifier(n_jobs=4), {"n_jobs": 3}, {"n_jobs": 1}),
        (
            make_pipeline(StandardScaler(), XGBClassifier()),
            {"xgbclassifier__max_depth": 1},
            {"xgbclassifier__max_depth": 1, "xgbclassifier__n_jobs": 1},
        ),
        (LogisticRegression(), {"n_jobs": None}, {"n_jobs": None}),
        (LogisticRegression(), {"wrong": 1}, {"wrong": 1}),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "fit") else str(value),
)
def test_parameters_of_one_thread(estimator, candidate, limited):
    assert limit_threads(estimator, thread_parameters(estimator), candidate, 1) == limited


def test_a_step_that_a_candidate_replaces_is_limited_too():
    pipeline, forest = make_pipeline(StandardScaler(), LogisticRegression()), LGBMClassifier()
    candidate = {"logisticregression": forest}
    found = limit_threads(pipeline, thread_parameters(pipeline), candidate, 1)
    assert found == {"logisticregression": forest, "logisticregression__n_jobs": 1}


class Counting(ClassifierMixin, BaseEstimator):
    """Scores with the number of threads that it was given."""

    def __init__(self, n_jobs=None, level=0):
        self.n_jobs = n_jobs
        self.level = level

    def fit(self, X, y):
        self.classes_ = sorted(set(y))
        self.threads_ = self.n_jobs
        return self

    def score(self, X, y):
        return -float(self.n_jobs)


def test_a_search_says_that_it_limits_threads(client):
    notebook = Notebook()
    search = GridSearchCV(Counting(n_jobs=8), {"level": [1, 2]}, cv=2)
    with surroundings(client, notebook):
        search.fit(X, y)
    assert search.best_score_ == -1
    assert search.best_estimator_.threads_ == 1
    assert search.best_estimator_.n_jobs == 8
    assert any(one.startswith("n_jobs=8 has no effect") for one in notebook.heard)
