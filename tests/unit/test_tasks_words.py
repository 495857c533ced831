"""How a job words its estimator, grid and splitter."""

from typing import Any

import pytest

from hpc_ml.errors import BadJob
from hpc_ml.tasks.estimator_words import build_estimator, find_class
from hpc_ml.tasks.gridsearch import Settings
from hpc_ml.tasks.search_words import build_search


def make(**keys: Any) -> Any:
    return build_search(Settings(**{"estimator": "SVC", "grid": {"C": [1, 10]}} | keys), seed=3)


@pytest.mark.parametrize(
    ("word", "module"),
    [
        ("SVC", "sklearn.svm"),
        ("HashingVectorizer", "sklearn.feature_extraction.text"),
        ("sklearn.linear_model.Ridge", "sklearn.linear_model"),
    ],
)
def test_a_class_is_found_by_name_or_path(word: str, module: str) -> None:
    assert find_class(word).__module__.startswith(module)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("SCV", "did you mean SVR or SVC?"),
        ("nowhere.Thing", "cannot be imported"),
        ("sklearn.svm.SCV", "known: SVC"),
        ("os.system", "not an estimator"),
        ("os.environ", "not an estimator"),
        ("LogisticRegresion", "LogisticRegression"),
    ],
)
def test_what_is_no_estimator_is_refused(word: str, said: str) -> None:
    with pytest.raises(BadJob) as caught:
        find_class(word)
    assert said in str(caught.value)


def test_the_seed_fills_what_is_unset_and_nothing_else() -> None:
    words = [{"pca": "PCA"}, {"clf": "SGDClassifier"}]
    pipeline = build_estimator(words, {"pca__random_state": 1, "clf__alpha": 0.5}, seed=7)

    assert pipeline.get_params()["pca__random_state"] == 1
    assert pipeline.get_params()["clf__random_state"] == 7
    assert pipeline.get_params()["clf__alpha"] == 0.5


def test_steps_may_go_without_names() -> None:
    pipeline = build_estimator(["StandardScaler", "SVC"], {"svc__C": 2}, seed=0)
    assert [name for name, _ in pipeline.steps] == ["standardscaler", "svc"]


def test_steps_are_read_from_one_word() -> None:
    assert Settings(estimator="a=SVC,b=PCA", grid={"x": [1]}).estimator == (
        {"a": "SVC"},
        {"b": "PCA"},
    )
    assert Settings(estimator="SVC,PCA", grid={"x": [1]}).estimator == ("SVC", "PCA")


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"params": {"depth": 3}}, "no parameter 'depth'"),
        ({"grid": {"D": [1]}}, "no parameter 'D'"),
        ({"estimator": ["StandardScaler", "SVC"]}, "no parameter 'C'; write svc__C"),
        ({"params": {"kernel": "lin"}}, "params: The 'kernel' parameter of SVC"),
        ({"grid": {"C": {"loguniform": [0.1, 1]}}}, "search: random"),
        ({"search": "random", "grid": {"C": {"logunform": [0.1, 1]}}}, "loguniform"),
        ({"search": "random", "grid": {"C": {"loguniform": [0.1]}}}, "bounds"),
        ({"cv": {"KFlod": {}}}, "KFold"),
        ({"cv": {"KFold": {"folds": 3}}}, "folds"),
        ({"estimator": [{"a": "SVC"}, "PCA"]}, "NAME: CLASS"),
        ({"estimator": "Pipeline"}, "without arguments"),
    ],
)
def test_words_that_fit_nothing_are_refused(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(BadJob) as caught:
        make(**keys)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_distribution_is_drawn_from_by_a_random_search() -> None:
    search = make(search="random", n_iter=4, grid={"C": {"uniform": [2, 5]}})
    drawn = search.param_distributions["C"].rvs(size=100, random_state=0)
    assert 2 <= drawn.min() < drawn.max() <= 5
    assert search.n_iter == 4
    assert search.random_state == 3


def test_a_splitter_that_shuffles_gets_the_seed() -> None:
    assert make(cv={"KFold": {"n_splits": 3, "shuffle": True}}).cv.random_state == 3
    assert make(cv={"KFold": {"n_splits": 3}}).cv.random_state is None
    assert make(cv=4).cv == 4
