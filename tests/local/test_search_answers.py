"""What goes into a search from outside, and answers that are long on their way."""

import dask.array as da
import dask.dataframe as dd
import pandas as pd
import pytest
from distributed import Client
from sklearn.datasets import make_classification
from sklearn.svm import SVC
from worker_processes import start_cluster

from hpc_ml.estimators import GridSearchCV, HalvingGridSearchCV, engine, surroundings

X, y = make_classification(n_samples=120, random_state=0)


@pytest.mark.usefixtures("client")
def test_answer_that_travels_longer_than_the_search_waits_between_two_looks(monkeypatch):
    monkeypatch.setattr(engine, "_TICK_S", 1e-5)
    search = GridSearchCV(SVC(), {"C": [1, 2, 3]}, cv=2).fit(X, y)
    assert search.best_params_["C"] == search.best_estimator_.C


@pytest.mark.usefixtures("client")
def test_dask_collections_are_searched_as_what_they_hold():
    words = {"estimator": SVC(), "param_grid": {"C": [0.1, 10]}, "cv": 2}
    expected = GridSearchCV(**words).fit(X, y).cv_results_["mean_test_score"]
    frame = pd.DataFrame(X).rename(columns="x{}".format)
    for rows, labels in (
        (da.from_array(X, chunks=(50, 20)), da.from_array(y, chunks=50)),
        (dd.from_pandas(frame, npartitions=3), dd.from_pandas(pd.Series(y), npartitions=3)),
    ):
        HalvingGridSearchCV(**words).fit(rows, labels)
        found = GridSearchCV(**words).fit(rows, labels).cv_results_["mean_test_score"]
        assert found.tolist() == expected.tolist()


@pytest.mark.usefixtures("client")
def test_dask_collections_are_computed_by_the_client_of_the_surroundings():
    with start_cluster(n_workers=1) as cluster, Client(cluster, set_as_default=False) as other:
        kept = other.persist([da.from_array(X, chunks=(50, 20)), da.from_array(y, chunks=50)])
        with surroundings(other):
            search = GridSearchCV(SVC(), {"C": [1, 2]}, cv=2).fit(*kept)
    assert search.best_score_ == GridSearchCV(SVC(), {"C": [1, 2]}, cv=2).fit(X, y).best_score_
