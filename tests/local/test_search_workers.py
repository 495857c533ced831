"""What a search does with workers that read the data, die, or share a process."""

from dataclasses import dataclass

import dask
import numpy as np
import pytest
from cv_results import assert_same_best, assert_same_results
from distributed import Client, LocalCluster
from moody import Moody, Notebook, fit_hearing
from sklearn import model_selection
from sklearn.datasets import make_classification
from sklearn.linear_model import SGDClassifier
from sklearn.svm import SVC
from worker_processes import start_cluster

from hpc_ml import estimators
from hpc_ml.errors import Stopped, TaskFailed
from hpc_ml.estimators import GridSearchCV, surroundings

X, y = make_classification(n_samples=120, random_state=0)
GRID = {"C": [0.1, 1, 10], "kernel": ["linear", "rbf"]}


@dataclass(frozen=True)
class GeneratedRows:
    """Rows that each worker makes for itself."""

    key: str
    n_samples: int

    def load(self):
        return X[: self.n_samples], y[: self.n_samples]


@pytest.mark.parametrize("kind", ["GridSearchCV", "HalvingGridSearchCV"])
@pytest.mark.usefixtures("client")
def test_data_that_the_workers_read(kind):
    kwargs = {"cv": 3} | ({"random_state": 0} if "Halving" in kind else {})
    expected = getattr(estimators, kind)(SVC(), GRID, **kwargs).fit(X[:100], y[:100])
    search = getattr(estimators, kind)(SVC(), GRID, **kwargs)
    search.fit(GeneratedRows("first 100", 100), y[:100])
    assert_same_results(search, expected)
    assert_same_best(search, expected)
    np.testing.assert_array_equal(search.predict(X), expected.predict(X))


@pytest.fixture
def frail_client():
    """Workers whose death is held against a task the second time, and that always come back."""
    settings = {
        "distributed.scheduler.allowed-failures": 1,
        "distributed.deploy.lost-worker-timeout": "1h",
    }
    with (
        dask.config.set(settings),
        start_cluster(n_workers=2) as cluster,
        Client(cluster) as client,
    ):
        yield client


def test_candidate_that_kills_its_worker(frail_client):
    notebook = Notebook()
    grid = {"mood": ["calm", "deadly"]}
    search = GridSearchCV(Moody(), grid, cv=2)
    with surroundings(frail_client, notebook):
        heard = fit_hearing(search, X, y)
    assert heard[0].startswith("FitFailedWarning: 2 fits failed out of a total of 4")
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [False, True]
    assert [failure["candidate"] for failure in search.failures_] == [1, 1]
    assert search.failures_[0]["reason"] == "its worker died 2 times while it ran alone"
    # Another cluster may have more memory: a resumed search tries these again.
    again = Notebook(notebook.units, stop_after=0, error=Stopped("seen enough"))
    with pytest.raises(Stopped), surroundings(frail_client, again):
        GridSearchCV(Moody(), grid, cv=2).fit(X, y)
    assert again.steps == [(2, 4, "fits")]


def test_worker_killer_under_error_score_raise(frail_client):
    search = GridSearchCV(Moody(), {"mood": ["deadly"]}, cv=2, error_score="raise")
    with pytest.raises(TaskFailed, match="its worker died 2 times"):
        search.fit(X, y)


def test_search_gives_up_when_every_fit_kills_its_worker(frail_client):
    notebook = Notebook()
    search = GridSearchCV(Moody("deadly"), {"level": list(range(100))}, cv=2)
    hopeless = pytest.raises(TaskFailed, match=r"no fit .* 6 batches .*--memory")
    with hopeless, surroundings(frail_client, notebook):
        search.fit(X, y)
    assert notebook.recorded == []


def test_worker_lost_in_the_middle_costs_nothing_but_time(cluster, client):
    """The data are made again by the scheduler when the worker that had them goes."""
    grid = {"alpha": list(np.logspace(-6, -1, 60)), "max_iter": [300]}
    estimator = SGDClassifier(random_state=0, tol=None)
    expected = model_selection.GridSearchCV(estimator, grid, cv=3).fit(X, y)

    class Killing(Notebook):
        def record(self, unit, value):
            super().record(unit, value)
            if len(self.recorded) == 10:
                cluster.sync(cluster.workers[0].kill)

    ours = GridSearchCV(estimator, grid, cv=3)
    with surroundings(client, Killing()):
        ours.fit(X, y)
    assert_same_results(ours, expected)


def test_threads_of_this_process():
    expected = model_selection.GridSearchCV(SVC(), GRID, cv=3).fit(X, y)
    with (
        LocalCluster(
            processes=False, n_workers=1, threads_per_worker=2, dashboard_address=":0"
        ) as cluster,
        Client(cluster),
    ):
        ours = GridSearchCV(SVC(), GRID, cv=3).fit(X, y)
    assert_same_results(ours, expected)
