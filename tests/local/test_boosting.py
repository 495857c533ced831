"""Boosters trained by workers are the libraries' own, or as good."""

import os

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import xgboost
from boosting_data import DRAWS, LIBRARIES, Diary, N, Rows, make_table, ours, theirs, trees
from distributed import Client
from scipy import sparse
from sklearn.metrics import ndcg_score
from sklearn.utils.estimator_checks import check_estimator

from hpc_ml.estimators import surroundings

both = pytest.mark.parametrize("library", LIBRARIES)
layouts = pytest.mark.parametrize("layout", ["one", "all"])


@pytest.fixture(scope="module")
def table():
    return make_table()


@pytest.fixture
def diary(client: Client):
    """What a training on the two workers tells and keeps."""
    diary = Diary()
    with surroundings(client, diary):
        yield diary


@both
@pytest.mark.parametrize("drawn", [False, True], ids=["all rows", "drawn rows"])
def test_one_worker_trains_the_library_s_own_booster(table, diary, library, drawn) -> None:
    X, target = table
    y = np.digitize(target, [-1, 1])
    words = np.array(["low", "mid", "high"], dtype=object)[y]  # sorted: high, low, mid
    codes = np.unique(words, return_inverse=True)[1]
    draws = DRAWS[library] if drawn else {}
    weight = np.random.default_rng(1).random(N)

    model = ours(library, "Classifier", layout="one", **draws).fit(X, words, weight)
    expected = theirs(library, "Classifier", **draws).fit(X, codes, sample_weight=weight)

    assert trees(model) == trees(expected)
    np.testing.assert_array_equal(model.predict_proba(X), expected.predict_proba(X))
    assert (model.predict(X) == model.classes_[expected.predict(X)]).all()
    np.testing.assert_allclose(model.feature_importances_, expected.feature_importances_)
    np.testing.assert_array_equal(
        model.local_estimator().predict_proba(X), expected.predict_proba(X)
    )
    assert "in one worker" in diary.told[0]


@both
def test_all_workers_train_as_good_a_booster(table, diary, library) -> None:
    X, target = table
    rows = Rows(X[:2500], target[:2500], (700, 1500))
    model = ours(library, "Regressor", layout="all").fit(rows)
    expected = theirs(library, "Regressor").fit(X[:2500], target[:2500])
    score = expected.score(X[2500:], target[2500:])
    assert model.score(X[2500:], target[2500:]) == pytest.approx(score, abs=0.002)
    assert "in 2 workers at once" in diary.told[0]


@both
@layouts
def test_queries_are_ranked_wherever_their_rows_lie(table, diary, library, layout) -> None:
    X, target = table
    y, query = np.digitize(target, [-1, 0, 1]), np.repeat(np.arange(N // 10), 10)
    rows = Rows(X, y, (700, 1504), group=query)  # the second cut tears a query apart
    model = ours(library, "Ranker", layout=layout).fit(rows)
    expected = theirs(library, "Ranker")
    if library == "XGB":
        expected.fit(X, y, qid=query)
    else:
        expected.fit(X, y, group=np.full(N // 10, 10))
    found, best = (
        ndcg_score(y.reshape(-1, 10), one.predict(X).reshape(-1, 10)) for one in (model, expected)
    )
    assert found == pytest.approx(best, abs=0 if layout == "one" else 0.01)


@both
@layouts
def test_early_stopping_follows_the_rows_that_validate(table, diary, library, layout) -> None:
    X, target = table
    model = ours(
        library, "Classifier", n_estimators=400, learning_rate=0.5, early_stopping_rounds=5,
        eval_metric=["logloss", "f1"], segment_rounds=7, layout=layout,
    ).fit(Rows(X, target > 0, (700, 1500)))  # fmt: skip
    scores = model.history_["validation_f1"]
    assert len(scores) == model.n_rounds_ == model.best_round_ + 6
    assert scores[model.best_round_] == max(scores)
    logloss = "logloss" if library == "XGB" else "binary_logloss"
    assert len(model.history_[f"validation_{logloss}"]) == len(scores)
    best = model.best_iteration + 1 if library == "XGB" else model.best_iteration_
    assert best == model.best_round_ + 1
    assert model.predict(X).dtype == bool


@both
def test_early_stopping_is_the_library_s_on_the_same_rows(table, library) -> None:
    X, target = table
    parameters = {"n_estimators": 200, "learning_rate": 0.5}
    model = ours(
        library, "Regressor", early_stopping_rounds=5, validation_fraction=0.2, **parameters
    )
    plan = boosting_plan(model, target)
    model.fit(X, target)
    training, validating = plan
    if library == "XGB":
        expected = theirs(library, "Regressor", early_stopping_rounds=5, **parameters)
        rows = [(X[validating], target[validating])]
        expected.fit(X[training], target[training], eval_set=rows, verbose=False)
    else:
        expected = theirs(library, "Regressor", early_stopping_round=5, **parameters)
        expected.fit(X[training], target[training], eval_X=X[validating], eval_y=target[validating])
    assert trees(model) == trees(expected)


def boosting_plan(model, target):
    """Return the rows that train and validate in a fit of one partition."""
    from hpc_ml.estimators.boosting_rows import RowPlan, split_block
    from hpc_ml.estimators.partitions import Block

    plan = RowPlan("regression", (N,), 3, model.validation_fraction)
    parts = split_block(Block(np.arange(N)[:, None], target), 0, plan)
    return [part.X[:, 0] for part in parts]


@both
@layouts
def test_a_class_may_be_missing_in_a_partition(table, diary, library, layout) -> None:
    X, target = table
    order = np.argsort(target, kind="stable")
    rows = Rows(X[order], target[order] > 0, (500, 500, 1500, 2900))
    model = ours(library, "Classifier", layout=layout).fit(rows)
    expected = theirs(library, "Classifier").fit(X[order], target[order] > 0)
    assert model.classes_.tolist() == [False, True]
    assert model.score(X, target > 0) == pytest.approx(expected.score(X, target > 0), abs=0.01)


@both
def test_constraints_by_name_hold(table, diary, library) -> None:
    X, target = table
    names = list("abcdef")
    model = ours(
        library, "Regressor", monotone_constraints={"a": -1},
        interaction_constraints=[["a", "b"], ["c", "d", "e", "f"]],
    ).fit(pd.DataFrame(X, columns=names), target)  # fmt: skip
    ladder = np.repeat(X[:50], 21, axis=0)
    ladder[:, 0] = np.tile(np.linspace(-3, 3, 21), 50)
    steps = np.diff(model.predict(pd.DataFrame(ladder, columns=names)).reshape(50, 21), axis=1)
    assert (steps <= 1e-9).all()
    with pytest.raises(ValueError, match="no column 'z'"):
        ours(library, "Regressor", monotone_constraints={"z": 1}).fit(X, target)


@both
def test_dask_s_collections_and_sparse_rows(table, diary, library) -> None:
    X, target = table
    X = np.where(np.abs(X) < 0.7, 0, X)
    expected = theirs(library, "Classifier").fit(sparse.csr_matrix(X), (target > 0).astype(int))
    rows = Rows(sparse.csr_matrix(X), target > 0, (700, 1500))
    thin = ours(library, "Classifier", layout="all").fit(rows)
    assert thin.score(X, target > 0) == pytest.approx(expected.score(X, target > 0), abs=0.02)
    lazy = da.from_array(X, chunks=(700, 6))
    model = ours(library, "Classifier").fit(lazy, da.from_array(target > 0, chunks=700))
    found = model.predict(lazy)
    assert isinstance(found, da.Array)
    assert (found.compute() == model.predict(X)).all()


@both
@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"early_stopping_rounds": 0}, "early_stopping_rounds"),
        ({"validation_fraction": 1.5}, "validation_fraction"),
        ({"layout": "some"}, "layout"),
        ({"eval_metric": "nonsense", "early_stopping_rounds": 2}, "nonsense|measure"),
        ({"max_depth": "deep"}, "max_depth"),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)
def test_wrong_parameters_are_a_value_error(table, library, parameters, problem) -> None:
    with pytest.raises(ValueError, match=problem) as raised:
        ours(library, "Regressor", **parameters).fit(*table)
    assert "\n" not in str(raised.value)


@both
@pytest.mark.parametrize("kind", ["Classifier", "Regressor", "Ranker"])
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_s_checks_fail_where_the_library_s_own_estimator_fails(library, kind) -> None:
    failures = [
        {
            one["check_name"]
            for one in check_estimator(make(library, kind, n_estimators=5), on_fail=None)
            if one["status"] == "failed"
        }
        for make in (ours, theirs)
    ]
    assert failures[0] <= failures[1]


def test_a_gpu_trains_as_good_a_booster(table) -> None:
    if not xgboost.build_info()["USE_CUDA"]:
        pytest.skip("this XGBoost is built without CUDA: pip install 'hpc-ml[gpu]'")
    if not os.path.exists("/dev/nvidia0"):
        pytest.skip("no GPU is at hand")
    X, target = table
    on_device = ours("XGB", "Regressor", device="cuda").fit(X, target)
    expected = theirs("XGB", "Regressor").fit(X, target)
    assert on_device.score(X, target) == pytest.approx(expected.score(X, target), abs=0.01)
