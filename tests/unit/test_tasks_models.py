"""Models in files: the same after they are read again, and nothing executed that they hold."""

import json
import pickle
from types import SimpleNamespace

import lightgbm
import numpy as np
import pytest
import skops.io
import xgboost
from sklearn.base import is_classifier, is_regressor
from sklearn.cluster import KMeans
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from hpc_ml.errors import BadJob, BadRun
from hpc_ml.tasks.model_files import write_model_folder
from hpc_ml.tasks.stored_models import find_model, load_model

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4)).astype(np.float32)
NUMBERS = X @ [1.0, -2.0, 0.5, 0.0]
LABELS = np.array(["low", "mid", "high"], dtype=object)[np.digitize(NUMBERS, [-1, 1])]


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(), SVC(), GaussianNB(), SGDClassifier(),
        KNeighborsClassifier(), MLPClassifier(max_iter=5), KMeans(3, n_init=1),
        DecisionTreeClassifier(), RandomForestClassifier(5), make_pipeline(StandardScaler(), SVC()),
        GradientBoostingClassifier(n_estimators=3), HistGradientBoostingClassifier(max_iter=3),
    ],
    ids=lambda estimator: type(estimator).__name__,
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_model_of_scikit_learn_is_the_same_when_read_again(tmp_path, estimator):
    estimator.fit(X, LABELS)
    write_model_folder(tmp_path / "model", estimator, None, {"classes": None})

    loaded = load_model(tmp_path / "model")

    np.testing.assert_array_equal(loaded.estimator.predict(X), estimator.predict(X))
    assert loaded.n_features == 4
    assert {path.name for path in (tmp_path / "model").iterdir()} == {"model.skops", "model.json"}
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "model").iterdir()} == {0o600}


def booster_of(library, y, **params):
    if library == "xgboost":
        kind = xgboost.XGBRegressor if y.dtype.kind == "f" else xgboost.XGBClassifier
        return kind(n_estimators=4, max_depth=3, **params).fit(X, y)
    kind = lightgbm.LGBMRegressor if y.dtype.kind == "f" else lightgbm.LGBMClassifier
    return kind(n_estimators=4, min_child_samples=5, verbose=-1, **params).fit(X, y)


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
@pytest.mark.parametrize("labels", [["a", "b"], ["a", "b", "c"]])
def test_a_booster_keeps_its_labels(tmp_path, library, labels):
    y = np.digitize(NUMBERS, [-1, 1][: len(labels) - 1])
    booster = booster_of(library, y)
    write_model_folder(tmp_path / "model", booster, None, {"classes": labels})

    loaded = load_model(tmp_path / "model").estimator

    assert json.loads((tmp_path / "model" / "model.json").read_text())["format"] == library
    np.testing.assert_array_equal(loaded.predict(X), np.array(labels)[booster.predict(X)])
    np.testing.assert_allclose(loaded.predict_proba(X), booster.predict_proba(X), rtol=1e-6)
    np.testing.assert_array_equal(loaded.classes_, labels)
    assert loaded.apply(X).shape == (len(X), 4 * (len(labels) if len(labels) > 2 else 1))


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_a_booster_of_numbers_and_a_file_of_its_own(tmp_path, library):
    booster = booster_of(library, NUMBERS)
    write_model_folder(tmp_path / "model", booster, StandardScaler().fit(X), {})
    [file] = [path for path in (tmp_path / "model").iterdir() if path.suffix in (".ubj", ".txt")]

    for place in (tmp_path / "model", file):
        np.testing.assert_array_equal(load_model(place).estimator.predict(X), booster.predict(X))
    assert load_model(tmp_path / "model").preparation.mean_.shape == (4,)
    assert load_model(file).classes is None


def test_trees_up_to_the_best_iteration_predict(tmp_path):
    half = len(X) // 2
    booster = xgboost.XGBRegressor(n_estimators=60, early_stopping_rounds=2, learning_rate=1.0)
    booster.fit(X[:half], NUMBERS[:half], eval_set=[(X[half:], NUMBERS[half:])], verbose=False)
    assert booster.best_iteration < booster.get_booster().num_boosted_rounds() - 1
    write_model_folder(tmp_path / "model", booster, None, {})

    found = load_model(tmp_path / "model").estimator.predict(X)

    np.testing.assert_array_equal(found, booster.predict(X))


def test_a_folder_is_replaced_whole(tmp_path):
    folder = tmp_path / "model"
    write_model_folder(folder, booster_of("xgboost", NUMBERS), None, {})
    write_model_folder(folder, Ridge().fit(X, NUMBERS), None, {"task": "again"})

    assert sorted(path.name for path in folder.iterdir()) == ["model.json", "model.skops"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def ruin(X):
    raise AssertionError("executed")


def test_what_is_not_trusted_is_named_and_not_read(tmp_path):
    model = make_pipeline(FunctionTransformer(ruin), Ridge())
    skops.io.dump(model, tmp_path / "model.skops")
    name = f"{ruin.__module__}.ruin"

    with pytest.raises(BadJob, match=f"holds {name}, which hpc-ml does not trust"):
        load_model(tmp_path / "model.skops")
    assert load_model(tmp_path / "model.skops", trust=[name]).estimator.steps[0][1].func is ruin


@pytest.mark.parametrize(
    "model",
    [
        DecisionTreeClassifier(), ExtraTreesRegressor(2),
        HistGradientBoostingClassifier(max_iter=2), KNeighborsClassifier(algorithm="kd_tree"),
    ],
    ids=lambda model: type(model).__name__,
)  # fmt: skip
def test_a_tree_that_leads_out_of_its_bounds_is_refused(tmp_path, model):
    model.fit(X, NUMBERS > 0)
    path = tmp_path / "model.skops"
    skops.io.dump(model, path)
    load_model(path)
    spoil(model)
    skops.io.dump(model, path)

    with pytest.raises(BadJob, match="leads out of its bounds"):
        load_model(path)


def spoil(model):
    """Let one number of a tree lead elsewhere."""
    if hasattr(model, "_predictors"):
        model._predictors[0][0].nodes["left"][0] = 10_000
    elif hasattr(model, "_tree"):
        state = list(model._tree.__getstate__())
        state[1] = np.where(np.arange(len(state[1])) == 0, 10_000, state[1])
        model._tree.__setstate__(tuple(state))
    else:
        tree = (model.estimators_[0] if hasattr(model, "estimators_") else model).tree_
        state = tree.__getstate__()
        state["nodes"] = state["nodes"].copy()
        state["nodes"]["feature"][0] = 10_000
        tree.__setstate__(state)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("model.pkl", pickle.dumps(1), "executes"),
        ("model.bin", b"1", "ending '.bin'"),
        ("model.skops", b"no zip", "cannot be read as a model of skops"),
        ("model.ubj", b"{}", "cannot be read as a model of xgboost"),
        ("model.txt", b"tree\nwood", "cannot be read as a model of lightgbm"),
        ("gone.skops", None, "no such file"),
    ],
)
def test_a_bad_file_is_one_line(tmp_path, name, content, said):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(BadJob, match=said) as caught:
        load_model(find_model(str(path), tmp_path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_is_found_by_its_run(tmp_path):
    run = tmp_path / "runs" / "20261120-185512-3f9a1c"
    write_record(run)

    with pytest.raises(BadRun, match=r"3f9a1c.*has left no model"):
        find_model("3f9a", run.parent)
    write_model_folder(run / "model", Ridge().fit(X, NUMBERS), None, {})
    for words in ("last", "3f9a", run.name, str(run), str(run / "model")):
        assert find_model(words, run.parent) == run / "model"
    write_record(run.with_name("20261121-000000-000000"))
    assert find_model("last", run.parent) == run / "model"
    with pytest.raises(BadRun, match="no run 'nothing'"):
        find_model("nothing", run.parent)


def write_record(run):
    run.mkdir(parents=True)
    record = SimpleNamespace(id=run.name, task="linear", state="completed")
    words = {**vars(record), "created_at": "2026-11-20T18:55:12+00:00"}
    (run / "run.json").write_text(json.dumps(words))


@pytest.mark.parametrize(
    "booster",
    [
        xgboost.XGBClassifier(n_estimators=2, objective="multi:softmax"),
        xgboost.XGBClassifier(n_estimators=2, booster="gblinear"),
        xgboost.XGBClassifier(n_estimators=2, booster="dart"),
        lightgbm.LGBMClassifier(n_estimators=2, objective="multiclassova", verbose=-1),
    ],
    ids=["softmax", "linear", "dart", "one against all"],
)
def test_boosters_of_other_kinds(tmp_path, booster):
    booster.fit(X, np.digitize(NUMBERS, [-1, 1]))
    write_model_folder(tmp_path / "model", booster, None, {"classes": [0, 1, 2]})

    loaded = load_model(tmp_path / "model").estimator

    np.testing.assert_array_equal(loaded.predict(X), booster.predict(X))
    expected = booster.predict_proba(X)
    np.testing.assert_allclose(loaded.predict_proba(X), expected, rtol=1e-5, atol=1e-7)


def test_a_ranker_has_values_and_no_classes(tmp_path):
    ranker = xgboost.XGBRanker(n_estimators=2)
    ranker.fit(X, np.arange(len(X)) % 3, qid=np.arange(len(X)) // 10)
    write_model_folder(tmp_path / "model", ranker, None, {"classes": [0, 1, 2]})

    loaded = load_model(tmp_path / "model").estimator

    np.testing.assert_array_equal(loaded.predict(X), ranker.predict(X))
    assert (loaded.classes, is_regressor(loaded), is_classifier(loaded)) == (None, False, False)
