"""Boosters trained by workers are the libraries' own, or as good."""

import os
import signal

import dask.array as da
import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from boosting_data import Diary, Rows, stop_after
from distributed import Client
from scipy import sparse
from sklearn.metrics import ndcg_score
from sklearn.utils.estimator_checks import check_estimator
from worker_processes import start_cluster

from hpc_ml import estimators
from hpc_ml.errors import BadJob, Stopped
from hpc_ml.estimators import boosting, surroundings
from hpc_ml.estimators.boosting_layout import Layout
from hpc_ml.estimators.boosting_orders import Worker

N = 3000
LIBRARIES = {"XGB": xgboost, "LGBM": lightgbm}
# Draws of rows and columns, in the words of each library.
DRAWS = {
    "XGB": {"subsample": 0.7, "colsample_bynode": 0.5},
    "LGBM": {"subsample": 0.7, "subsample_freq": 3, "colsample_bytree": 0.5},
}

both = pytest.mark.parametrize("library", LIBRARIES)
layouts = pytest.mark.parametrize("layout", ["one", "all"])


@pytest.fixture(scope="module")
def table():
    """Rows of 6 columns, a number that follows from them, and its classes."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 6))
    return X, X[:, 0] + X[:, 1] * X[:, 2] + 0.5 * rng.normal(size=N)


@pytest.fixture
def diary(client: Client):
    """What a training on the two workers tells and keeps."""
    diary = Diary()
    with surroundings(client, diary):
        yield diary


def ours(library, kind, **parameters):
    parameters = {"n_estimators": 20, "n_jobs": 1, "random_state": 3, **parameters}
    return getattr(estimators, f"{library}{kind}")(**parameters)


def theirs(library, kind, **parameters):
    quiet = {"verbosity": -1} if library == "LGBM" else {}
    parameters = {"n_estimators": 20, "n_jobs": 1, "random_state": 3, **parameters, **quiet}
    return getattr(LIBRARIES[library], f"{library}{kind}")(**parameters)


def trees(model):
    """Return all that the booster predicts by, as its library writes it."""
    if hasattr(model, "get_booster"):
        return bytes(model.get_booster().save_raw("ubj"))
    text = model.booster_.model_to_string()
    return text[text.index("Tree=0") : text.index("end of trees")]


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
@layouts
def test_a_training_that_was_stopped_goes_on_to_the_same_booster(
    table, client, library, layout
) -> None:
    X, target = table
    rows = Rows(X, target > 0, (500, 1500))
    parameters = {
        "n_estimators": 30, "segment_rounds": 12, "layout": layout, "eval_metric": "auc",
        "early_stopping_rounds": 25, **DRAWS[library],
    }  # fmt: skip
    with surroundings(client, Diary()):
        undisturbed = ours(library, "Classifier", **parameters).fit(rows)
    diary = Diary(stop_after(13))
    with surroundings(client, diary):
        with pytest.raises(Stopped):
            ours(library, "Classifier", **parameters).fit(rows)
        assert diary.states
        diary.at_round = None
        resumed = ours(library, "Classifier", **parameters).fit(rows)
    np.testing.assert_array_equal(resumed.predict_proba(X), undisturbed.predict_proba(X))
    assert resumed.history_ == undisturbed.history_


@pytest.fixture(scope="module")
def mortals():
    """Workers that may die: one a test, and one is left after the last."""
    with start_cluster(n_workers=4) as cluster:
        yield cluster


@pytest.mark.parametrize(("library", "layout"), [("XGB", "all"), ("LGBM", "all"), ("LGBM", "one")])
def test_a_training_survives_a_worker_s_death(table, mortals, library, layout) -> None:
    X, target = table
    rows = Rows(X, target > 0, (500, 1500))
    parameters = {"n_estimators": 60, "segment_rounds": 20, "layout": layout}
    struck = []

    def strike(done: int) -> None:
        if done > 20 and not struck:
            there = client.scheduler_info(n_workers=-1)["workers"]
            struck.extend(one for one in mortals.workers.values() if one.worker_address in there)
            os.kill(struck[0].process.pid, signal.SIGKILL)

    diary = Diary(strike)
    with Client(mortals) as client:
        with surroundings(client, Diary()):
            undisturbed = ours(library, "Classifier", **parameters).fit(rows)
        with surroundings(client, diary):
            model = ours(library, "Classifier", **parameters).fit(rows)
    assert any("goes on from round 20" in told for told in diary.told)
    np.testing.assert_allclose(model.predict_proba(X), undisturbed.predict_proba(X), atol=1e-6)


@both
def test_rows_that_do_not_fit_beside_their_bins_are_read_one_partition_after_another(
    table, client, library, monkeypatch
) -> None:
    X, target = table
    rows = Rows(X, target, (500, 500, 1500))
    expected = theirs(library, "Regressor").fit(X, target)
    layout = Layout("one", (0,), (1,), at_once=False)
    monkeypatch.setattr(boosting, "choose_layout", lambda *_, **__: layout)
    with surroundings(client, Diary()):
        model = ours(library, "Regressor").fit(rows)
    assert trees(model) == trees(expected)


def test_rows_larger_than_memory_are_boosted_from_disk(table, client, monkeypatch) -> None:
    X, target = table
    expected = theirs("XGB", "Regressor").fit(X, target)
    layout = Layout("disk", (0,), (1,), at_once=False)
    monkeypatch.setattr(boosting, "choose_layout", lambda *_, **__: layout)
    with surroundings(client, Diary()):
        model = ours("XGB", "Regressor").fit(Rows(X, target, (500, 1500)))
    assert model.score(X, target) == pytest.approx(expected.score(X, target), abs=0.002)
    assert not client.run(find_caches) or not any(client.run(find_caches).values())


def find_caches(dask_worker):
    return [name for name in os.listdir(dask_worker.local_directory) if "xgboost" in name]


@both
def test_rows_that_fit_nowhere_are_refused_before_they_are_read(
    table, client, library, monkeypatch
) -> None:
    class Unread(Rows):
        def load(self, number):
            raise AssertionError("read")

    rows = Unread(*table, (500, 1500))
    small = Worker("host", "process", 1, 1, 2**28)
    monkeypatch.setattr(boosting, "scout", lambda holder, wanted: small)
    with surroundings(client, Diary()), pytest.raises(BadJob, match="GiB of memory"):
        ours(library, "Regressor").fit(rows)


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
