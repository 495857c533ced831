"""Each search gives what scikit-learn's gives, in every number but the times."""

import numpy as np
import pandas as pd
import pytest
from cv_results import assert_same_results, fit_both
from scipy import sparse, stats
from sklearn import model_selection
from sklearn.compose import make_column_transformer
from sklearn.datasets import make_classification, make_regression
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.metrics import accuracy_score, f1_score, make_scorer
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit, TimeSeriesSplit
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from hpc_ml import estimators

pytestmark = pytest.mark.usefixtures("client")


@pytest.fixture(scope="module")
def table():
    return make_classification(n_samples=200, n_features=8, n_classes=3, n_informative=4,
                               random_state=0)  # fmt: skip


def test_the_reference_search_finds_the_published_best():
    X, y = make_classification(n_samples=1000, random_state=0)
    grid = {
        "C": [0.001, 0.01, 0.1, 0.5, 1, 2, 5, 10],
        "kernel": ["rbf", "poly", "sigmoid"],
        "shrinking": [True, False],
    }
    ours, _ = fit_both("GridSearchCV", SVC(gamma="auto", random_state=0), grid, cv=3, X=X, y=y)
    assert len(ours.cv_results_["params"]) == 48
    assert ours.best_params_ == {"C": 1, "kernel": "rbf", "shrinking": True}
    assert ours.best_score_ == pytest.approx(0.948997, abs=1e-6)
    assert ours.failures_ == []


@pytest.mark.parametrize("refit", ["accuracy", False, lambda results: 1])
def test_several_metrics(table, refit):
    X, y = table
    scoring = {"accuracy": "accuracy", "f1": make_scorer(f1_score, average="macro")}
    ours, theirs = fit_both(
        "GridSearchCV", DecisionTreeClassifier(random_state=0), {"max_depth": [1, 3, None]},
        scoring=scoring, refit=refit, cv=4, return_train_score=True, X=X, y=y,
    )  # fmt: skip
    if refit == "accuracy":
        assert ours.score(X, y) == theirs.score(X, y)


def test_refit_by_a_callable_on_one_metric(table):
    X, y = table
    ours, _ = fit_both(
        "GridSearchCV", SVC(), {"C": [1, 2, 3]}, refit=lambda results: 2, cv=3, X=X, y=y
    )
    assert ours.best_params_ == {"C": 3}
    assert not hasattr(ours, "best_score_")


def test_random_search_with_distributions(table):
    X, y = table
    fit_both(
        "RandomizedSearchCV", SVC(), {"C": stats.loguniform(0.1, 10), "kernel": ["rbf", "linear"]},
        n_iter=7, random_state=3, cv=3, X=X, y=y,
    )  # fmt: skip


@pytest.mark.parametrize("resource", ["n_samples", "max_iter"])
def test_halving_of_a_grid(table, resource):
    X, y = table
    bounds = {} if resource == "n_samples" else {"max_resources": 90, "min_resources": 10}
    ours, theirs = fit_both(
        "HalvingGridSearchCV", SGDClassifier(random_state=0, tol=None),
        {"alpha": [1e-4, 1e-3, 1e-2, 1e-1], "penalty": ["l1", "l2"]},
        resource=resource, cv=3, random_state=0, **bounds, X=X, y=y,
    )  # fmt: skip
    assert ours.n_resources_ == theirs.n_resources_
    assert ours.n_candidates_ == theirs.n_candidates_


def test_halving_of_drawn_candidates(table):
    X, y = table
    ours, theirs = fit_both(
        "HalvingRandomSearchCV", SVC(), {"C": stats.loguniform(0.1, 10)},
        n_candidates=9, cv=3, random_state=1, X=X, y=y,
    )  # fmt: skip
    assert ours.n_resources_ == theirs.n_resources_


def test_sparse_rows_and_text_labels(table):
    X, y = table
    labels = np.array(["low", "mid", "high"])[y]
    ours, theirs = fit_both(
        "GridSearchCV", SVC(), {"C": [1, 2], "kernel": ["linear", "rbf"]}, cv=3,
        X=sparse.csr_array(np.where(X > 0, X, 0)), y=labels,
    )  # fmt: skip
    assert ours.classes_.tolist() == theirs.classes_.tolist() == ["high", "low", "mid"]


def test_table_with_column_transformer(table):
    X, y = table
    frame = pd.DataFrame(X, columns=[f"x{number}" for number in range(8)])
    frame["kind"] = np.where(X[:, 0] > 0, "up", "down")
    columns = make_column_transformer(
        (OneHotEncoder(), ["kind"]), (StandardScaler(), [f"x{number}" for number in range(8)])
    )
    ours, theirs = fit_both(
        "GridSearchCV", make_pipeline(columns, LogisticRegression()),
        {"logisticregression__C": [0.1, 1, 10]}, cv=3, X=frame, y=pd.Series(y),
    )  # fmt: skip
    assert ours.feature_names_in_.tolist() == theirs.feature_names_in_.tolist()


def test_sample_weights_reach_fit_and_scorer(table):
    X, y = table
    weights = np.linspace(0.1, 3, len(y))
    fit_both(
        "GridSearchCV", LogisticRegression(), {"C": [0.01, 1]}, cv=3, scoring="accuracy",
        fit_params={"sample_weight": weights}, X=X, y=y,
    )  # fmt: skip
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    fit_both(
        "GridSearchCV", pipeline, {"logisticregression__C": [0.01, 1]}, cv=3,
        fit_params={"logisticregression__sample_weight": weights}, X=X, y=y,
    )  # fmt: skip


def test_groups_are_kept_together(table):
    X, y = table
    fit_both(
        "GridSearchCV", SVC(), {"C": [1, 2]}, cv=GroupKFold(4),
        fit_params={"groups": np.arange(len(y)) % 10}, X=X, y=y,
    )  # fmt: skip


@pytest.mark.parametrize(
    "cv",
    [KFold(3, shuffle=True, random_state=1), ShuffleSplit(2, random_state=0), TimeSeriesSplit(3)],
    ids=["KFold", "ShuffleSplit", "TimeSeriesSplit"],
)
def test_splitters(table, cv):
    X, y = table
    fit_both("GridSearchCV", SVC(), {"C": [1, 2]}, cv=cv, X=X, y=y)


def test_splitter_with_a_random_state_of_its_own(table):
    X, y = table
    results = [
        module.GridSearchCV(
            SVC(), {"C": [1, 2]}, cv=KFold(3, shuffle=True, random_state=np.random.RandomState(5))
        ).fit(X, y)
        for module in (estimators, model_selection)
    ]
    assert_same_results(*results)


def test_folds_given_as_lists(table):
    X, y = table
    folds = [(list(range(100)), list(range(100, 200))), (list(range(100, 200)), list(range(100)))]
    fit_both("GridSearchCV", SVC(), {"C": [1, 2]}, cv=folds, X=X, y=y)


def test_precomputed_kernel(table):
    X, y = table
    fit_both("GridSearchCV", SVC(kernel="precomputed"), {"C": [1, 2]}, cv=3, X=X @ X.T, y=y)


def test_regression_with_several_targets():
    X, y = make_regression(n_samples=100, n_features=5, n_targets=2, noise=1, random_state=0)
    fit_both("GridSearchCV", Ridge(), {"alpha": [0.1, 1]}, cv=3, X=np.asfortranarray(X), y=y)


def test_without_target(table):
    fit_both("GridSearchCV", KernelDensity(), {"bandwidth": [0.5, 1, 2]}, cv=3, X=table[0])


def test_metadata_routing(table):
    from sklearn import config_context

    X, y = table
    weights = np.linspace(0.1, 3, len(y))
    with config_context(enable_metadata_routing=True):
        estimator = LogisticRegression().set_fit_request(sample_weight=True)
        scorer = make_scorer(accuracy_score).set_score_request(sample_weight=True)
        fit_both(
            "GridSearchCV", estimator, {"C": [0.01, 1]}, cv=GroupKFold(3), scoring=scorer,
            fit_params={"sample_weight": weights, "groups": np.arange(len(y)) % 7}, X=X, y=y,
        )  # fmt: skip
