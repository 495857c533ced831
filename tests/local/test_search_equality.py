"""Each search gives what scikit-learn's gives, in every number but the times."""

import re
import warnings
from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
from cv_results import assert_same_best, assert_same_results
from moody import Notebook
from scipy import sparse, stats
from sklearn import model_selection
from sklearn.compose import make_column_transformer
from sklearn.datasets import make_classification, make_regression
from sklearn.decomposition import PCA
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.feature_selection import SelectKBest, f_classif, mutual_info_classif
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.metrics import accuracy_score, f1_score, make_scorer
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit, TimeSeriesSplit
from sklearn.neighbors import KernelDensity, KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import Normalizer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from hpc_ml import estimators

pytestmark = pytest.mark.usefixtures("client")


def fit_both(name, estimator, *args, fit_params=None, X, y=None, **kwargs):
    """Return our search and scikit-learn's, fitted on the same."""
    searches = []
    for module in (estimators, model_selection):
        search = getattr(module, name)(estimator, *args, **kwargs)
        searches.append(search.fit(deepcopy(X), y, **(fit_params or {})))
    assert_same_results(*searches)
    assert_same_best(*searches)
    return searches


@pytest.fixture(scope="module")
def table():
    return make_classification(n_samples=200, n_features=8, n_classes=3, n_informative=4,
                               random_state=0)  # fmt: skip


@pytest.fixture(scope="module")
def corpus():
    """240 short texts of two kinds, whose words overlap."""
    rng = np.random.default_rng(0)
    words = np.array([f"word{number}" for number in range(60)])
    y = np.repeat(["sports", "science"], 120)
    starts = np.where(y == "sports", 0, 20)
    texts = [" ".join(words[start + rng.integers(0, 40, size=15)]) for start in starts]
    order = rng.permutation(len(y))
    return [texts[number] for number in order], y[order]


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


@pytest.mark.parametrize("return_train_score", [False, True])
def test_text_pipeline_with_shared_steps(corpus, return_train_score):
    X, y = corpus
    pipeline = Pipeline(
        [
            ("vect", HashingVectorizer(n_features=2**12)),
            ("tfidf", TfidfTransformer()),
            ("clf", SGDClassifier(max_iter=1000, random_state=0)),
        ]
    )
    grid = {
        "tfidf__use_idf": [True, False],
        "tfidf__norm": ["l1", "l2"],
        "clf__alpha": [1e-5, 1e-6],
    }
    ours, _ = fit_both(
        "GridSearchCV", pipeline, grid, cv=3, refit=False,
        return_train_score=return_train_score, X=X, y=y,
    )  # fmt: skip
    assert len(ours.cv_results_["params"]) == 8
    assert not hasattr(ours, "best_estimator_")


@pytest.mark.parametrize(
    ("steps", "grid"),
    [
        ([StandardScaler(), PCA(random_state=0), SVC()],
         {"pca__n_components": [2, 4], "svc__C": [0.1, 1, 10]}),
        ([StandardScaler(copy=False), Normalizer(copy=False), KNeighborsClassifier()],
         {"kneighborsclassifier__n_neighbors": [1, 5], "normalizer__norm": ["l1", "l2"]}),
        ([StandardScaler(), SelectKBest(f_classif), SVC()],
         {"selectkbest": [SelectKBest(k=3), PCA(3, random_state=0), "passthrough"],
          "svc__C": [1, 2]}),
        ([StandardScaler().set_output(transform="pandas"), LogisticRegression()],
         {"logisticregression__C": [0.1, 1], "standardscaler__with_mean": [True, False]}),
        ([StandardScaler(), SVC()],
         [{"svc__C": [1, 2]}, {"svc__kernel": ["linear"], "svc__shrinking": [True, False]}]),
    ],
    ids=["nested", "in-place", "replaced", "table-out", "list-of-grids"],
)  # fmt: skip
def test_pipelines_with_shared_steps(table, steps, grid):
    X, y = table
    ours, theirs = fit_both(
        "GridSearchCV", make_pipeline(*steps), grid, cv=3, return_train_score=True, X=X, y=y
    )
    np.testing.assert_array_equal(ours.predict(X.copy()), theirs.predict(X.copy()))


def test_a_shared_step_is_fitted_once_for_each_fold_and_worker(client, table):
    X, y = table
    constant = np.hstack([X, np.ones((len(X), 1))])
    pipeline = make_pipeline(SelectKBest(f_classif, k=4), SVC())
    notebook = Notebook()
    search = estimators.GridSearchCV(pipeline, {"svc__C": list(range(1, 9))}, cv=3, refit=False)
    with warnings.catch_warnings(), estimators.surroundings(client, notebook):
        warnings.simplefilter("always")
        search.fit(constant, y)
    (told,) = (message for message in notebook.heard if "are constant" in message)
    fits = int(re.search(r"\((\d+) times\)", told)[1])
    assert 3 <= fits <= 6 < len(notebook.recorded) == 24
    assert not client.futures


def test_nothing_is_shared_where_chance_or_a_custom_scorer_looks(table):
    X, y = table

    def depth_and_accuracy(pipeline, X, y):
        return {"depth": len(pipeline.steps), "accuracy": accuracy_score(y, pipeline.predict(X))}

    pipeline = make_pipeline(StandardScaler(), SelectKBest(f_classif, k=4), SVC())
    ours, _ = fit_both(
        "GridSearchCV", pipeline, {"svc__C": [1, 2]}, cv=3, scoring=depth_and_accuracy,
        refit="accuracy", X=X, y=y,
    )  # fmt: skip
    assert set(ours.cv_results_["mean_test_depth"]) == {3}
    chance = make_pipeline(SelectKBest(mutual_info_classif, k=4), SVC())
    assert estimators.GridSearchCV(chance, {"svc__C": [1, 2]}, cv=3).fit(X, y).best_score_ > 0.5


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
