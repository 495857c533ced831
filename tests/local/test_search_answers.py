"""Answers of workers that are long on their way."""

import pytest
from sklearn.datasets import make_classification
from sklearn.svm import SVC

from hpc_ml.estimators import GridSearchCV, engine

X, y = make_classification(n_samples=120, random_state=0)


@pytest.mark.usefixtures("client")
def test_answer_that_travels_longer_than_the_search_waits_between_two_looks(monkeypatch):
    monkeypatch.setattr(engine, "_TICK_S", 1e-5)
    search = GridSearchCV(SVC(), {"C": [1, 2, 3]}, cv=2).fit(X, y)
    assert search.best_params_["C"] == search.best_estimator_.C
