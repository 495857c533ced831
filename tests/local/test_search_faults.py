"""What a search does when a fit, a worker or the user's patience fails."""

import json
import warnings

import numpy as np
import pytest
from cv_results import assert_same_best, assert_same_results
from moody import Moody, Notebook, fit_hearing
from sklearn import model_selection
from sklearn.datasets import make_classification
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from hpc_ml.errors import BadJob, Stopped
from hpc_ml.estimators import GridSearchCV, HalvingGridSearchCV, surroundings

X, y = make_classification(n_samples=120, random_state=0)
GRID = {"C": [0.1, 1, 10], "kernel": ["linear", "rbf"]}


def fit_quietly(search, *args):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return search.fit(*args)


@pytest.mark.parametrize("scoring", [None, ["accuracy", "f1"]])
@pytest.mark.parametrize("mood", ["angry", "blind"])
@pytest.mark.usefixtures("client")
def test_failing_candidate_gets_the_error_score_and_its_reason(mood, scoring):
    grid = {"mood": ["calm", mood, "calm"], "level": [0, 1]}
    refit = "accuracy" if scoring else True
    args = Moody(), grid
    kwargs = {"cv": 3, "scoring": scoring, "refit": refit, "error_score": -1}
    kwargs["return_train_score"] = True
    ours, theirs = GridSearchCV(*args, **kwargs), model_selection.GridSearchCV(*args, **kwargs)
    heard = fit_hearing(ours, X, y)
    start = {
        "angry": "FitFailedWarning: 6 fits failed out of a total of 18.",
        "blind": "UserWarning: Scoring failed.",
    }
    assert any(message.startswith(start[mood]) for message in heard)
    fit_quietly(theirs, X, y)
    assert_same_results(ours, theirs)
    assert_same_best(ours, theirs)
    assert {failure["candidate"] for failure in ours.failures_} == {1, 4}
    assert {failure["fold"] for failure in ours.failures_} == {0, 1, 2}
    reason = ours.failures_[0]["reason"]
    assert (
        reason
        == {
            "angry": "ValueError: level 0 is too much",
            "blind": "RuntimeError: cannot see",
        }[mood]
    )
    assert "Traceback" in ours.failures_[0]["traceback"]


@pytest.mark.usefixtures("client")
def test_failing_shared_step_fails_each_of_its_candidates():
    pipeline = make_pipeline(StandardScaler(), SVC())
    grid = {"standardscaler__with_mean": [True, "wrong"], "svc__C": [1, 2]}
    ours, theirs = (
        GridSearchCV(pipeline, grid, cv=3),
        model_selection.GridSearchCV(pipeline, grid, cv=3),
    )
    assert fit_hearing(ours, X, y)[0].startswith(
        "FitFailedWarning: 6 fits failed out of a total of 12"
    )
    fit_quietly(theirs, X, y)
    assert_same_results(ours, theirs)
    assert [failure["candidate"] for failure in ours.failures_] == [2, 2, 2, 3, 3, 3]


@pytest.mark.usefixtures("client")
def test_all_fits_failed_is_an_error():
    with pytest.raises(ValueError, match="All the 4 fits failed"):
        GridSearchCV(Moody(), {"mood": ["angry"], "level": [1, 2]}, cv=2).fit(X, y)


@pytest.mark.usefixtures("client")
def test_error_score_raise_raises_what_the_fit_raised():
    notebook = Notebook()
    search = GridSearchCV(Moody(), {"mood": ["calm", "angry"]}, cv=2, error_score="raise")
    with pytest.raises(ValueError, match="level 0 is too much"), surroundings(checkpoint=notebook):
        search.fit(X, y)
    assert set(notebook.units) <= {"0/0/0", "0/0/1"}


@pytest.mark.usefixtures("client")
def test_parameter_that_the_estimator_lacks():
    with pytest.raises(ValueError, match="Invalid parameter 'depth' for estimator SVC"):
        GridSearchCV(SVC(), {"depth": [1]}, cv=2).fit(X, y)


@pytest.mark.usefixtures("client")
def test_parameter_that_cannot_travel_is_named():
    with pytest.raises(BadJob, match=r"parameters cannot be sent .* generator"):
        GridSearchCV(Moody(), {"level": [(n for n in "ab")]}, cv=2).fit(X, y)


def test_without_a_client():
    with pytest.raises(ValueError, match="No clients found"):
        GridSearchCV(SVC(), GRID).fit(X, y)


@pytest.mark.parametrize("halving", [False, True])
def test_resume_runs_only_what_is_missing(client, halving):
    def make():
        if halving:
            return HalvingGridSearchCV(SVC(), GRID, cv=3, random_state=0, factor=2)
        return GridSearchCV(SVC(), GRID, cv=3)

    whole, half = Notebook(), Notebook()
    with surroundings(client, whole):
        expected = make().fit(X, y)
    on_disk = json.loads(json.dumps(whole.units))
    half.units = dict(sorted(on_disk.items())[::2])
    kept = set(half.units)
    with surroundings(client, half):
        resumed = make().fit(X, y)
    assert_same_results(resumed, expected)
    assert_same_best(resumed, expected)
    assert sorted(half.recorded) == sorted(set(whole.units) - kept)
    assert half.steps[-1] == whole.steps[-1] == (len(whole.units), len(whole.units), "fits")
    # The times of a finished unit are its own, not those of a second fit.
    if not halving:
        again = Notebook(on_disk)
        with surroundings(client, again):
            repeated = make().fit(X, y)
        assert again.recorded == []
        for key, values in expected.cv_results_.items():
            if key.endswith("_time"):
                np.testing.assert_array_equal(repeated.cv_results_[key], values)


def test_units_of_other_parameters_or_rows_are_not_taken(client):
    first, other = Notebook(), None
    with surroundings(client, first):
        GridSearchCV(SVC(), {"C": [1, 2]}, cv=3, refit=False).fit(X, y)
    for grid, rows in (({"C": [1, 3]}, 120), ({"C": [1, 2]}, 90)):
        other = Notebook(first.units)
        with surroundings(client, other):
            GridSearchCV(SVC(), grid, cv=3, refit=False).fit(X[:rows], y[:rows])
        assert len(other.recorded) == (3 if rows == 120 else 6)


def test_not_a_number_survives_the_ledger(client):
    notebook = Notebook()
    with surroundings(client, notebook):
        fit_quietly(GridSearchCV(Moody(), {"mood": ["calm", "angry"]}, cv=2), X, y)
    text = json.dumps(notebook.units, allow_nan=False)
    resumed = GridSearchCV(Moody(), {"mood": ["calm", "angry"]}, cv=2)
    with surroundings(client, Notebook(json.loads(text))):
        fit_quietly(resumed, X, y)
    assert np.isnan(resumed.cv_results_["mean_test_score"]).tolist() == [False, True]


@pytest.mark.parametrize("error", [Stopped("told to stop"), KeyboardInterrupt()])
def test_stop_in_the_middle_keeps_what_is_finished_and_cancels_the_rest(client, error):
    notebook = Notebook(stop_after=3, error=error)
    with pytest.raises(type(error)), surroundings(client, notebook):
        GridSearchCV(SVC(), {"C": list(range(1, 500))}, cv=3).fit(X, y)
    assert 3 <= len(notebook.units) < 1400
    assert not client.futures


def test_stop_during_the_refit(client, tmp_path):
    notebook = Notebook(error=Stopped("told to stop"), sign=tmp_path / "begun")
    search = GridSearchCV(Moody("patient", folder=tmp_path), {"level": [len(X)]}, cv=2)
    with pytest.raises(Stopped), surroundings(client, notebook):
        search.fit(X, y)
    (tmp_path / "over").touch()
    assert sorted(notebook.units) == ["0/0/0", "0/0/1"]
    assert not client.futures


def test_warnings_of_fits_are_told_once_with_their_count(client):
    notebook = Notebook()
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        with surroundings(client, notebook):
            GridSearchCV(Moody("worried"), {"level": [1, 2, 3]}, cv=2).fit(X, y)
    assert notebook.heard == ["ConvergenceWarning (7 times): gap of 1.5 is wide"]


@pytest.mark.usefixtures("client")
def test_warnings_of_fits_are_warned_of_in_a_notebook():
    heard = fit_hearing(GridSearchCV(Moody("worried"), {"level": [1, 2]}, cv=2), X, y)
    assert heard == ["UserWarning: ConvergenceWarning (5 times): gap of 1.5 is wide"]


def test_warnings_that_the_user_ignores_or_forbids(client):
    notebook = Notebook()
    with surroundings(client, notebook):
        fit_quietly(GridSearchCV(Moody("worried"), {"level": [1, 2]}, cv=2), X, y)
    assert notebook.heard == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match="All the 4 fits failed"):
            GridSearchCV(Moody("worried"), {"level": [1, 2]}, cv=2).fit(X, y)
