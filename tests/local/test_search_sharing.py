"""Candidates whose pipelines begin alike share the steps, and get the results of their own."""

import re
import warnings

import numpy as np
import pytest
from cv_results import fit_both
from moody import Notebook
from sklearn.datasets import make_classification
from sklearn.decomposition import PCA
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.feature_selection import SelectKBest, f_classif, mutual_info_classif
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.metrics import accuracy_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.svm import SVC

from hpc_ml import estimators

pytestmark = pytest.mark.usefixtures("client")


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
