"""Rows in partitions are what one worker would have made of all of them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from opened_rows import assert_same_rows, gather, source_of
from quiet_run import QuietRun
from scipy import sparse
from sklearn.datasets import dump_svmlight_file

from hpc_ml.data import DataSource
from hpc_ml.spec.data import Data
from hpc_ml.tasks.rows import open_rows

ROWS = 900


@pytest.fixture(autouse=True)
def small_partitions(monkeypatch):
    """Let little data have many partitions."""
    monkeypatch.setattr("hpc_ml.data.pieces._SMALLEST_BYTES", 2_048)


@pytest.fixture
def frame():
    """Rows of every kind of column, with missing values in all but the first."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "id": rng.permutation(ROWS) * 1.5,
            "age": rng.integers(18, 80, ROWS).astype(float),
            "income": rng.lognormal(10, 1, ROWS),
            "visits": rng.poisson(2, ROWS).astype(float),
            "city": rng.choice(["Rome", "Oslo", "Bern", "Nice"], ROWS, p=[0.5, 0.3, 0.15, 0.05]),
            "zip": rng.choice([100, 200, 300], ROWS),
            "member": rng.random(ROWS) < 0.7,
            "seen": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 10**7, ROWS), "s"),
            "label": rng.choice(["yes", "no", "maybe"], ROWS, p=[0.6, 0.3, 0.1]),
        }
    )
    for number, name in enumerate(["age", "income", "visits", "city", "member"]):
        frame[name] = frame[name].astype(object).where(rng.random(ROWS) > 0.05 * (number + 1))
    return frame.astype({"age": float, "income": float, "visits": float})


WORDS = {
    "drop": {"missing": "drop", "drop": ["seen"]},
    "impute": {"missing": "impute", "drop": ["seen"], "categorical": ["zip"]},
    "a strategy each": {
        "missing": "drop", "drop": ["seen"],
        "impute": {
            "age": "mean", "income": {"constant": -1}, "visits": "most_frequent",
            "city": {"constant": "nowhere"}, "member": {"constant": False},
        },
    },
    "parts of dates": {
        "missing": "impute", "dates": {"seen": ["hour", "weekday", "month", "day", "year"]},
        "categorical": ["seen_weekday"],
    },
    "ordinal": {"missing": "impute", "drop": ["seen"], "encode": "ordinal"},
    "standard": {"missing": "impute", "drop": ["seen"], "scale": "standard",
                 "impute": {"age": "mean"}},
    "minmax, some kept missing": {
        "missing": "keep", "columns": ["id", "age", "income"], "scale": "minmax",
    },
    "standard, some kept missing": {
        "missing": "keep", "columns": ["id", "age", "income"], "scale": "standard",
    },
    "other names": {
        "missing": "impute", "drop": ["when"], "rename": {"id": "number", "seen": "when"},
    },
}  # fmt: skip


@pytest.mark.parametrize("words", WORDS)
def test_every_preparation_is_that_of_all_rows_at_once(frame, tmp_path, words):
    source = source_of(frame, tmp_path, **WORDS[words])
    assert_same_rows(source)


PLAIN = ["id", "age", "income"]


@pytest.mark.parametrize(
    ("stratify", "words"),
    [
        (True, {}),
        (False, {"target": "visits"}),
        (True, {"order_by": "seen"}),
        (True, {"split": "time"}),
        (True, {"group": "zip", "weight": "visits"}),
    ],
    ids=["classes", "numbers", "by a column", "as they lie", "groups"],
)
@pytest.mark.parametrize("known", [True, False], ids=["rows known", "rows seen first"])
def test_the_rows_held_out_are_those_of_one_worker(frame, tmp_path, stratify, words, known):
    frame["visits"] = frame["visits"].fillna(0)
    words = {"columns": PLAIN, "missing": "keep" if known else "drop"} | words
    assert_same_rows(source_of(frame, tmp_path, stratify=stratify, **words))


@pytest.mark.parametrize(
    "words",
    [{}, {"order_by": "seen"}, {"split": "time"}],
    ids=["classes", "by a column", "as they lie"],
)
def test_of_many_rows_the_held_out_ones_are_told_from_each_partition(
    frame, tmp_path, monkeypatch, words
):
    monkeypatch.setattr("hpc_ml.data.partitioned_split.EXACT_ROWS", 100)
    monkeypatch.setattr("hpc_ml.tasks.first_look.EXACT_ROWS", 100)
    source = source_of(frame, tmp_path, columns=PLAIN[1:], missing="keep", **words)
    with open_rows(None, source, QuietRun(Path())) as rows:
        _, held_out = gather(rows)
    assert rows.n_held_out + rows.n_rows == ROWS
    assert abs(rows.n_held_out - ROWS / 4) < 6
    if not words:
        shares = pd.Series(held_out["y"]).value_counts() / frame["label"].value_counts()
        assert shares.between(0.2, 0.3).all()
    with open_rows(None, source, QuietRun(Path())) as again:
        np.testing.assert_array_equal(gather(again)[1]["X"], held_out["X"])


def test_medians_of_many_rows_are_told_from_a_sample(frame, tmp_path, monkeypatch):
    monkeypatch.setattr("hpc_ml.data.partitioned_training.MOST_ROWS", 300)
    monkeypatch.setattr("hpc_ml.data.partitioned_training.SAMPLED_ROWS", 300)
    source = source_of(frame, tmp_path, columns=PLAIN, missing="impute", test_size=0)
    run = QuietRun(Path())
    with open_rows(None, source, run) as rows:
        medians = rows.preparation.named_transformers_["numeric"].statistics_
    assert medians[1] == pytest.approx(frame["age"].median(), abs=6)
    assert any("medians are told from a sample of about 300 rows" in line for line in run.told)


@pytest.mark.parametrize(
    "words",
    [
        {"text": "body", "target": "label"},
        {"text": "body", "target": "label", "missing": "drop"},
        {"text": "body", "target": "label", "missing": "impute", "weight": "w"},
    ],
    ids=["all there", "dropped", "imputed"],
)
def test_texts_stay_texts(tmp_path, words):
    texts = [f"word {number}" for number in range(ROWS)]
    frame = pd.DataFrame({"body": texts, "w": 1.0, "label": np.arange(ROWS) % 3 == 0})
    if "missing" in words:
        frame.loc[[7] if words["missing"] == "impute" else slice(None, None, 50), "body"] = None
    rows, _, _ = assert_same_rows(source_of(frame, tmp_path, **words))
    assert rows.feature_names is None and rows.collective.n_features == 1


MATRICES = {
    "dense": {},
    "float32": {"dtype": np.float32},
    "imputed and scaled": {"missing": "impute", "scale": "standard", "nan": True},
    "dropped": {"missing": "drop", "nan": True},
    "weights": {"weight": "1", "group": "2", "drop": ["3"]},
    "minmax": {"scale": "minmax"},
}


@pytest.mark.parametrize("case", MATRICES)
def test_arrays_are_split_and_prepared_alike(tmp_path, case):
    words = dict(MATRICES[case])
    rng = np.random.default_rng(0)
    array = np.abs(rng.normal(size=(ROWS, 6)))
    array[:, 2], array[:, -1] = np.arange(ROWS) // 9, rng.integers(0, 2, ROWS)
    if words.pop("nan", False):
        array[::40, 1] = np.nan
    np.save(tmp_path / "a.npy", array.astype(words.pop("dtype", float)))
    source = DataSource(Data(path=str(tmp_path / "a.npy"), **words), 3, 0.25, True, True)
    assert_same_rows(source)


@pytest.mark.parametrize(
    "words", [{}, {"missing": "impute", "scale": "standard"}], ids=["as they are", "prepared"]
)
def test_sparse_rows_stay_sparse(tmp_path, words):
    rng = np.random.default_rng(0)
    X = sparse.random(ROWS, 30, 0.2, "csr", rng=rng).toarray()
    X[:, 0] = np.arange(1, ROWS + 1)
    dump_svmlight_file(X, rng.integers(0, 2, ROWS), str(tmp_path / "t.svmlight"))
    source = DataSource(Data(path=str(tmp_path / "t.svmlight"), **words), 3, 0.25, True, True)
    rows, _, _ = assert_same_rows(source)
    assert rows.collective.n_features == 30


def test_many_categories_become_sparse_rows(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"n": rng.permutation(ROWS), "c": rng.choice(list(map(str, range(200))), ROWS)}
    )
    frame["label"] = rng.integers(0, 2, ROWS)
    source = source_of(frame, tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hpc_ml.data.preparation._LARGEST_DENSE_BYTES", 1)
        _, table, _ = assert_same_rows(source)
        assert sparse.issparse(table.X_train)


@pytest.mark.parametrize("supervised", [True, False])
def test_csv_over_worker_processes(frame, tmp_path, client, supervised):
    path = tmp_path / "t.csv"
    frame.to_csv(path, index=False)
    words = {"target": "label"} if supervised else {}
    words |= {"missing": "impute", "dates": {"seen": ["hour"]}, "scale": "standard"}
    size = 0.25 if supervised else 0
    source = DataSource(Data(path=str(path), **words), 3, size, supervised, supervised)
    _, _, told = assert_same_rows(source, client=client)
    assert told[-1].startswith("900 rows in ") and told[-1].endswith("kept in the workers' memory")
