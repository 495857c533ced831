"""Which first steps candidates share, and that nothing uncertain is shared."""

import pytest
from sklearn.cluster import KMeans
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer
from sklearn.feature_selection import SelectKBest, f_classif, mutual_info_classif
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import check_scoring, make_scorer
from sklearn.metrics._scorer import _MultimetricScorer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    Normalizer,
    OneHotEncoder,
    StandardScaler,
)
from sklearn.svm import SVC

from hpc_ml.estimators.prefixes import find_prefixes
from hpc_ml.estimators.recipe import Recipe


def make_recipe(estimator, scorer=None, fit_params=None):
    return Recipe(
        estimator=estimator,
        scorer=check_scoring(estimator) if scorer is None else scorer,
        fit_params=fit_params or {},
        score_params={},
        return_train_score=False,
        error_score=0.0,
        verbose=0,
    )


def describe(estimator, candidates, **kwargs):
    """Return for each candidate how many steps it shares, which are kept, how many hoisted."""
    prefixes = find_prefixes(make_recipe(estimator, **kwargs), candidates)
    return [prefix and (len(prefix.keys), prefix.kept, prefix.hoisted) for prefix in prefixes]


C = [{"svc__C": 1}, {"svc__C": 2}]


def test_text_pipeline_hoists_the_vectorizer_and_keeps_the_weights():
    pipeline = Pipeline(
        [("vect", HashingVectorizer()), ("tfidf", TfidfTransformer()), ("clf", SGDClassifier())]
    )
    candidates = [
        {"tfidf__norm": norm, "clf__alpha": alpha} for norm in ("l1", "l2") for alpha in (1, 2)
    ]
    assert describe(pipeline, candidates) == [(2, (False, True), 1)] * 4
    keys = [prefix.route for prefix in find_prefixes(make_recipe(pipeline), candidates)]
    assert keys[0] == keys[1] != keys[2] == keys[3]


def test_rows_are_kept_where_candidates_part():
    pipeline = make_pipeline(StandardScaler(), PCA(random_state=0), SVC())
    candidates = [{"pca__n_components": count, "svc__C": c} for count in (2, 3) for c in (1, 2)]
    assert describe(pipeline, candidates) == [(2, (True, True), 0)] * 4
    assert describe(pipeline, C) == [(2, (False, True), 0)] * 2
    lone = [{"pca__n_components": 2}, {"pca__n_components": 3}]
    assert describe(pipeline, lone) == [(1, (True,), 0)] * 2
    assert describe(pipeline, [{"standardscaler__with_std": flag} for flag in (True, False)]) == [
        None, None
    ]  # fmt: skip


def test_equal_numbers_of_other_types_are_not_the_same():
    pipeline = make_pipeline(SelectKBest(f_classif), SVC())
    one, real = find_prefixes(
        make_recipe(pipeline),
        [{"selectkbest__k": k, "svc__C": c} for k, c in ((1, 1), (1, 2), (1.0, 1), (1.0, 2))],
    )[1:3]
    assert one.keys != real.keys


@pytest.mark.parametrize(
    "step",
    [
        PCA(),
        TruncatedSVD(random_state=None),
        KMeans(n_init=1),
        SelectKBest(mutual_info_classif),
        FunctionTransformer(lambda X: X),
        CountVectorizer(tokenizer=str.split),
        StandardScaler(copy=False),
        make_column_transformer((PCA(), [0]), (StandardScaler(), [1])),
        "passthrough",
    ],
    ids=lambda step: type(step).__name__,
)
def test_steps_that_are_not_shared(step):
    assert describe(Pipeline([("step", step), ("svc", SVC())]), C) == [None, None]


@pytest.mark.parametrize(
    "step",
    [
        PCA(random_state=0),
        SelectKBest(f_classif),
        Normalizer(),
        make_column_transformer(
            (OneHotEncoder(), make_column_selector(dtype_include=object)), (StandardScaler(), ["x"])
        ),
    ],
    ids=lambda step: type(step).__name__,
)
def test_steps_that_are_shared(step):
    assert describe(Pipeline([("step", step), ("svc", SVC())]), C) == [(1, (True,), 0)] * 2


class OwnScaler(StandardScaler):
    pass


class OwnPipeline(Pipeline):
    pass


def accuracy(estimator, X, y):
    return 1.0


@pytest.mark.parametrize(
    ("pipeline", "scorer"),
    [
        (make_pipeline(OwnScaler(), SVC()), None),
        (OwnPipeline([("scale", StandardScaler()), ("svc", SVC())]), None),
        (make_pipeline(StandardScaler(), SVC(), memory="somewhere"), None),
        (make_pipeline(StandardScaler(), SVC(), verbose=True), None),
        (make_pipeline(StandardScaler(), SVC()), accuracy),
        (make_pipeline(StandardScaler(), SVC()), _MultimetricScorer(scorers={"own": accuracy})),
    ],
    ids=["own step", "own pipeline", "memory", "verbose", "own scorer", "own scorer of several"],
)
def test_searches_that_share_nothing(pipeline, scorer):
    assert describe(pipeline, C, scorer=scorer) == [None, None]


def test_scorers_of_predictions_do_not_hinder():
    pipeline = make_pipeline(StandardScaler(), SVC())
    own = make_scorer(lambda y_true, y_predicted: 0.5)
    assert describe(pipeline, C, scorer=own) == [(1, (True,), 0)] * 2


def test_fit_parameters_of_a_step_end_the_prefix():
    pipeline = make_pipeline(StandardScaler(), PCA(random_state=0), SVC())
    assert describe(pipeline, C, fit_params={"svc__sample_weight": [1]})[0] == (
        2, (False, True), 0
    )  # fmt: skip
    assert describe(pipeline, C, fit_params={"standardscaler__sample_weight": [1]}) == [None] * 2
    assert describe(pipeline, C, fit_params={"sample_weight": [1]}) == [None] * 2


def test_parameters_that_touch_the_pipeline_itself_or_fail():
    pipeline = make_pipeline(StandardScaler(), SVC())
    assert describe(pipeline, [{"memory": None}, {"verbose": True}]) == [None, None]
    assert describe(pipeline, [{"standardscaler__wrong": 1, "svc__C": c} for c in (1, 2)]) == [
        None, None
    ]  # fmt: skip
    assert describe(SVC(), [{"C": 1}, {"C": 2}]) == [None, None]
