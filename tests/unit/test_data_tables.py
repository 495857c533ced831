"""Tables of named columns: equal to pandas' reading, scikit-learn's split and preparation."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline

from hpc_ml.data import DataSource, inspect, load
from hpc_ml.data import preparation as preparation_module
from hpc_ml.data.formats import csv_reader
from hpc_ml.spec.data import Data


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 80, 120),
            "income": rng.normal(30_000, 5_000, 120),
            "city": rng.choice(["Rome", "Oslo", "Bern", "Nice"], 120),
            "member": rng.random(120) < 0.5,
            "label": rng.choice(["yes", "no"], 120),
        }
    )


def write(frame, path):
    if ".parquet" in path.name:
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False)
    return path


def source_of(path, *, test_size=0.25, seed=3, stratify=True, supervised=True, **words):
    return DataSource(Data(path=str(path), **words), seed, test_size, stratify, supervised)


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet"])
def test_the_split_is_scikit_learns_and_the_numbers_are_pandas(frame, tmp_path, name):
    path = write(frame, tmp_path / name)
    table = load(source_of(path, columns=["age", "income"], target="label"))
    read = pd.read_parquet(path) if name == "t.parquet" else pd.read_csv(path)
    parts = train_test_split(
        read[["age", "income"]].to_numpy(float),
        read["label"].to_numpy(object),
        test_size=0.25,
        random_state=3,
        stratify=read["label"],
    )
    got = (table.X_train, table.X_test, table.y_train, table.y_test)
    for mine, theirs in zip(got, parts, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert table.X_train.flags.c_contiguous and table.X_train.dtype == np.float64
    assert table.feature_names == ("age", "income")
    assert list(table.classes) == ["no", "yes"]


def test_each_kind_of_column_is_prepared_and_told(frame, tmp_path):
    source = source_of(write(frame, tmp_path / "t.csv"), test_size=0, target="label")
    table = load(source)
    expected = np.column_stack(
        [
            frame[["age", "income", "member"]].to_numpy(float),
            pd.get_dummies(frame["city"])[["Bern", "Nice", "Oslo", "Rome"]].to_numpy(float),
        ]
    )
    np.testing.assert_allclose(table.X_train, expected, rtol=1e-15)
    assert table.X_test is None and table.y_test is None
    assert table.feature_names == (
        "age", "income", "member", "city_Bern", "city_Nice", "city_Oslo", "city_Rome",
    )  # fmt: skip
    summary = inspect(source)
    assert [column.kind for column in summary.columns] == [
        "numeric", "numeric", "category", "boolean", "target",
    ]  # fmt: skip
    assert summary.rows == 120 and summary.n_features == 7
    assert summary.target_kind == "text"
    assert summary.class_counts == frame["label"].value_counts().to_dict()
    told = "\n".join(summary.notes)
    assert "2 numeric columns taken as they are: 'age', 'income'" in told
    assert "one-hot encoded: 'city' (4 categories)" in told
    assert "1 boolean column taken as 0 and 1: 'member'" in told


def test_the_preparation_takes_raw_rows_in_any_order_and_with_new_categories(frame, tmp_path):
    path = write(frame, tmp_path / "t.csv")
    table = load(source_of(path, target="label"))
    model = LogisticRegression(max_iter=10_000).fit(table.X_train, table.y_train)
    pipeline = Pipeline([("prepare", table.preparation), ("model", model)])
    raw = pd.read_csv(path)
    _, held_out = train_test_split(raw, test_size=0.25, random_state=3, stratify=raw["label"])
    np.testing.assert_array_equal(
        pipeline.predict(held_out[["member", "label", "city", "income", "age"]]),
        model.predict(table.X_test),
    )
    assert len(pipeline.predict(held_out.assign(city="Paris"))) == len(held_out)


def test_the_preparation_learns_from_the_training_part_only(tmp_path):
    frame = pd.DataFrame({"a": [1.0, 3.0, None] * 20, "label": [0, 1] * 30})
    frame.loc[0, "a"] = 1e9
    source = source_of(write(frame, tmp_path / "t.csv"), missing="impute")
    train, _ = train_test_split(frame, test_size=0.25, random_state=3, stratify=frame["label"])
    imputer = load(source).preparation.named_transformers_["numeric"]
    assert imputer.statistics_ == [train["a"].median()]


@pytest.mark.parametrize("stratify", [True, False])
def test_a_target_of_numbers_is_split_by_class_only_in_classification(frame, tmp_path, stratify):
    frame["label"] = (frame["label"] == "yes").astype(int)
    path = write(frame, tmp_path / "t.parquet")
    table = load(source_of(path, stratify=stratify))
    *_, y_test = train_test_split(
        frame, frame["label"], test_size=0.25, random_state=3,
        stratify=frame["label"] if stratify else None,
    )  # fmt: skip
    np.testing.assert_array_equal(table.y_test, y_test)
    assert table.y_test.dtype == np.int64


def test_float32_stays_float32_with_categories_and_booleans_beside(frame, tmp_path):
    frame["age"], frame["income"] = frame["age"].astype("f4"), frame["income"].astype("f4")
    table = load(source_of(write(frame, tmp_path / "t.parquet")))
    assert table.X_train.dtype == table.X_test.dtype == np.float32


def test_without_a_target_all_columns_are_learned_from(frame, tmp_path):
    path = write(frame, tmp_path / "t.csv")
    source = source_of(path, supervised=False, stratify=False, test_size=0)
    table = load(source)
    assert table.y_train is None and table.X_train.shape == (120, 9)
    assert any("'label' is learned from like any other" in note for note in inspect(source).notes)
    without = load(source_of(path, supervised=False, stratify=False, test_size=0, target="label"))
    assert without.X_train.shape == (120, 7)


def test_text_is_taken_as_it_is(tmp_path):
    texts = ["plain", 'two\nlines, "quoted"', "", "ünï"] * 5
    frame = pd.DataFrame({"body": texts, "other": range(20), "label": [0, 1, 1, 0] * 5})
    path = write(frame, tmp_path / "t.csv")
    source = source_of(path, text="body", target="label", test_size=0, missing="impute")
    table = load(source)
    assert table.X_train.tolist() == texts and table.X_train.dtype == object
    assert table.preparation is None and table.feature_names is None
    assert inspect(source).n_features is None
    dropped = load(source_of(path, text="body", target="label", test_size=0, missing="drop"))
    assert dropped.X_train.tolist() == [text for text in texts if text]


def test_the_target_is_taken_by_its_name_and_told(frame, tmp_path):
    source = source_of(write(frame, tmp_path / "t.csv"))
    assert "target: column 'label', by its name" in inspect(source).notes


@pytest.mark.parametrize("missing", ["drop", "keep", "impute"])
def test_missing_values_are_treated_as_asked(tmp_path, missing):
    frame = pd.DataFrame(
        {
            "n": [1.0, None, 3.0, 4.0, 5.0, 6.0],
            "c": ["a", "b", None, "a", "b", "a"],
            "b": [True, False, True, None, True, False],
            "label": [0, 1, 0, 1, 0, 1],
        }
    )
    path = write(frame, tmp_path / "t.csv")
    source = source_of(path, missing=missing, test_size=0)
    table, summary = load(source), inspect(source)
    nan = np.nan
    expected = {
        "drop": [[1, 1, 1, 0], [5, 1, 0, 1], [6, 0, 1, 0]],
        "keep": [
            [1, 1, 1, 0, 0], [nan, 0, 0, 1, 0], [3, 1, 0, 0, 1],
            [4, nan, 1, 0, 0], [5, 1, 0, 1, 0], [6, 0, 1, 0, 0],
        ],
        "impute": [
            [1, 1, 1, 0], [4, 0, 0, 1], [3, 1, 1, 0],
            [4, 1, 1, 0], [5, 1, 0, 1], [6, 0, 1, 0],
        ],
    }[missing]  # fmt: skip
    np.testing.assert_array_equal(table.X_train, expected)
    assert summary.rows == len(expected) and summary.n_features == len(expected[0])
    assert [column.missing for column in summary.columns] == [1, 1, 1, 0]
    if missing != "drop":
        raw = table.preparation.transform(pd.read_csv(path))
        np.testing.assert_array_equal(raw, expected)


def test_missing_words_are_those_of_pandas(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,label\n1,0\nNA,1\nn/a,0\n#N/A,1\nnull,0\nNaN,1\n,0\n2,1\n")
    frame = pd.read_csv(path)
    summary = inspect(source_of(path, missing="keep", test_size=0))
    assert summary.columns[0].missing == frame["a"].isna().sum() == 6


def test_a_number_column_can_be_taken_as_categories(tmp_path):
    frame = pd.DataFrame({"code": [10, 20, 30] * 10, "n": range(30), "label": [0, 1] * 15})
    source = source_of(write(frame, tmp_path / "t.csv"), categorical=["code"], test_size=0)
    assert load(source).feature_names == ("n", "code_10", "code_20", "code_30")


def test_one_hot_is_sparse_only_where_it_pays(tmp_path, monkeypatch):
    frame = pd.DataFrame({"c": [f"c{number % 50}" for number in range(400)], "label": [0, 1] * 200})
    source = source_of(write(frame, tmp_path / "t.csv"))
    dense = load(source).X_train
    monkeypatch.setattr(preparation_module, "_LARGEST_DENSE_BYTES", 1_000)
    table = load(source)
    assert isinstance(dense, np.ndarray) and sparse.issparse(table.X_train)
    assert table.X_train.format == "csr" and table.X_train.indices.dtype == np.int32
    np.testing.assert_array_equal(table.X_train.toarray(), dense)


def test_names_that_would_collide_are_told_apart(tmp_path):
    frame = pd.DataFrame({"a": ["x", "y"] * 5, "a_x": range(10), "label": [0, 1] * 5})
    table = load(source_of(write(frame, tmp_path / "t.csv"), test_size=0))
    assert len(set(table.feature_names)) == 3


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_separators_are_taken_and_told(frame, tmp_path, delimiter):
    path = tmp_path / "t.csv"
    frame.to_csv(path, index=False, sep=delimiter)
    assert inspect(source_of(path)).n_features == 7
    assert any("separated by" in note for note in inspect(source_of(path)).notes)


def test_the_index_that_pandas_writes_is_left_out_and_told(frame, tmp_path):
    frame.to_csv(tmp_path / "t.csv")
    source = source_of(tmp_path / "t.csv")
    assert "age" in load(source).feature_names[0]
    assert any("row numbers and left out" in note for note in inspect(source).notes)
    frame[frame["age"] > 30].to_parquet(tmp_path / "t.parquet")
    assert load(source_of(tmp_path / "t.parquet")).feature_names[0] == "age"


def test_a_byte_order_mark_belongs_to_no_name(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbfa,label\n" + b"1,0\n2,1\n" * 5)
    assert load(source_of(path)).feature_names == ("a",)


def test_types_that_widen_in_later_blocks_are_the_same_in_inspect_and_load(tmp_path, monkeypatch):
    rows = [("", "1", "true", "x", "a")] * 40 + [("7", "2", "0", "y", "b")] * 40
    rows += [("8", "2.5", "false", "z", "a")] * 40
    path = tmp_path / "t.csv"
    path.write_text("late,wide,flag,word,label\n" + "".join(",".join(row) + "\n" for row in rows))
    whole = inspect(source_of(path, missing="drop"))
    monkeypatch.setattr(csv_reader, "_BLOCK_BYTES", 200)
    blocks = inspect(source_of(path, missing="drop"))
    assert blocks == whole
    assert [column.kind for column in blocks.columns[:4]] == [
        "numeric", "numeric", "boolean", "category",
    ]  # fmt: skip
    table = load(source_of(path, missing="drop"))
    assert table.X_train.shape == (60, 5)


def test_booleans_can_be_the_target(frame, tmp_path):
    table = load(source_of(write(frame, tmp_path / "t.csv"), target="member"))
    assert table.y_train.dtype == bool and table.classes.tolist() == [False, True]
