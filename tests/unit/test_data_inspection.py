"""What a user is told of the data before anything is submitted."""

import os
import tracemalloc

import numpy as np
import pandas as pd
import pytest

from hpc_ml.data import DataSource, inspect
from hpc_ml.data import inspection as inspection_module
from hpc_ml.data import pieces as pieces_module
from hpc_ml.data.formats import csv_reader
from hpc_ml.data.target import target_kind
from hpc_ml.errors import BadData
from hpc_ml.spec.data import Data


def source_of(path, *, test_size=0.2, stratify=True, **words):
    return DataSource(Data(path=str(path), **words), 0, test_size, stratify, True)


@pytest.fixture
def small_limits(monkeypatch):
    """Take 10 kB for large, so that these tests need no large files."""
    monkeypatch.setattr(inspection_module, "WHOLE_BYTES", 10_000)
    monkeypatch.setattr(inspection_module, "_FIRST_PART_BYTES", 25_000)
    monkeypatch.setattr(pieces_module, "_SMALLEST_BYTES", 5_000)


@pytest.fixture
def frame():
    return pd.DataFrame({"n": np.arange(20_000) / 7, "label": np.arange(20_000) % 2})


@pytest.mark.parametrize("form", ["csv", "parquet", "npy", "npz", "svmlight"])
def test_of_large_data_the_first_part_is_looked_at_and_told(small_limits, frame, tmp_path, form):
    frame.loc[19_999, "n"] = np.nan  # beyond what is looked at
    path = tmp_path / f"t.{form}"
    if form == "csv":
        frame.to_csv(path, index=False)
    elif form == "parquet":
        frame.to_parquet(path, row_group_size=1_000)
    elif form == "npy":
        np.save(path, frame.to_numpy())
    elif form == "npz":
        np.savez(path, X=frame[["n"]], y=frame["label"])
    else:
        path.write_text("".join(f"{row % 2} 1:{row / 7}\n" for row in range(20_000)))
    summary = inspect(source_of(path))
    assert not summary.complete
    assert any("larger than 1 GiB" in note for note in summary.notes)
    assert summary.rows == {"csv": None, "svmlight": None}.get(form, 20_000)
    if form != "npz":
        assert summary.target_kind == "classes" and set(summary.class_counts) == {0, 1}


def test_bad_values_in_the_first_part_of_large_data_are_found(small_limits, frame, tmp_path):
    frame.loc[3, "n"] = np.nan
    frame.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(BadData, match=r"t.csv:5: column 'n' has missing values, one here"):
        inspect(source_of(tmp_path / "t.csv"))


def test_what_a_large_generator_would_make_is_not_made(small_limits):
    source = DataSource(
        Data(name="make_blobs(n_samples=10_000_000_000, n_features=3)"), 0, 0.2, True
    )
    summary = inspect(source)
    assert summary.rows == 10_000_000_000 and not summary.complete


def test_a_csv_is_read_in_bounded_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_reader, "_BLOCK_BYTES", 2**20)
    path = tmp_path / "t.csv"
    row = ",".join(["0.123456"] * 40)
    with path.open("w") as file:
        file.write(",".join(f"c{number}" for number in range(40)) + ",label\n")
        for number in range(100_000):
            file.write(f"{row},{number % 2}\n")
    tracemalloc.start()
    assert inspect(source_of(path)).rows == 100_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * 2**20 < path.stat().st_size


def test_a_matrix_is_inspected_in_bounded_memory(tmp_path):
    path = tmp_path / "t.npy"
    rows = np.zeros((200_000, 21), dtype=np.float32)
    rows[::2, -1] = 1
    rows[150_000, 3] = np.nan
    np.save(path, rows)
    del rows
    with pytest.raises(BadData, match=r"1 missing value .*row 150,001, column '3'"):
        inspect(source_of(path))
    tracemalloc.start()
    assert inspect(source_of(path, missing="drop")).rows == 199_999
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * 2**20 < path.stat().st_size


def test_the_digest_changes_when_the_data_do_and_only_then(frame, tmp_path):
    path = tmp_path / "t.csv"
    frame.to_csv(path, index=False)
    first = inspect(source_of(path)).digest
    os.utime(path, (1, 1))
    assert inspect(source_of(path)).digest == first
    frame.assign(n=frame["n"] + 1).to_csv(path, index=False)
    assert inspect(source_of(path)).digest != first


def test_the_digest_of_generated_rows_follows_name_and_arguments():
    def digest(name, seed=0):
        return inspect(DataSource(Data(name=name), seed, 0.2, True)).digest

    assert digest("make_moons(noise=0.1, n_samples=50)") == digest(
        "make_moons(n_samples=50,noise=0.1)"
    )
    assert digest("make_moons()") != digest("make_moons()", seed=1)
    assert digest("make_moons()") != digest("digits")


def test_what_a_user_should_know_is_told_in_lines(tmp_path):
    rows = np.arange(50)
    frame = pd.DataFrame(
        {
            "id": rows,
            "height": rows / 3,
            "unit": 1.0,
            "city": np.where(rows % 3, "Rome", "Oslo"),
            "smoker": rows % 4 == 0,
            "label": np.where(rows % 2, "ill", "well"),
        }
    )
    frame.loc[[4, 5], "height"] = np.nan
    frame.to_csv(tmp_path / "t.csv", index=False)
    source = source_of(tmp_path / "t.csv", missing="impute")
    assert inspect(source).notes == (
        "target: column 'label', by its name",
        "3 numeric columns taken as they are: 'id', 'height', 'unit'",
        "1 boolean column taken as 0 and 1: 'smoker'",
        "one-hot encoded: 'city' (2 categories)",
        "the same value in all rows: 'unit'",
        "counts the rows, and is learned from all the same: 'id'",
        "missing values imputed (median, most frequent category, empty text): 'height'",
        "target 'label' has 2 classes: ill (25 rows), well (25 rows)",
        "10 of 50 rows held out for the score by seed 0, each class in its share",
    )
    dropped = inspect(source_of(tmp_path / "t.csv", missing="drop"))
    assert "2 rows with missing values dropped" in dropped.notes and dropped.rows == 48


@pytest.mark.parametrize(("stratify", "told"), [(True, 1), (False, 0)])
def test_many_numbers_that_are_taken_for_classes_are_told(tmp_path, stratify, told):
    frame = pd.DataFrame({"x": np.arange(150) / 7, "age": np.arange(150) % 30})
    frame.to_csv(tmp_path / "t.csv", index=False)
    notes = inspect(source_of(tmp_path / "t.csv", target="age", stratify=stratify)).notes
    words = "the values of 'age' are taken for classes; if they are quantities, take an estimator"
    assert sum(note.startswith(words) for note in notes) == told
    assert any(
        f"has 30 {'classes' if stratify else 'values'}: 0 (5 rows)" in note for note in notes
    )


def test_a_column_without_any_value_is_told(tmp_path):
    frame = pd.DataFrame({"x": np.arange(40) / 7, "gone": np.nan, "y": np.arange(40) % 2})
    frame.to_csv(tmp_path / "t.csv", index=False)
    found = inspect(source_of(tmp_path / "t.csv", target="y", missing="impute"))
    assert "no value in any row: 'gone'" in found.notes
    with pytest.raises(BadData, match="no rows to learn from, and 2 are the least; rows with miss"):
        inspect(source_of(tmp_path / "t.csv", target="y", missing="drop"))


@pytest.mark.parametrize(
    ("y", "kind"),
    [
        ([0, 1, 1], "classes"),
        ([True, False], "classes"),
        ([0.0, 1.0, 2.0], "classes"),
        (["a", "b"], "text"),
        ([0.5, 1.0], "continuous"),
        (list(range(101)), "continuous"),
        (list(range(100)), "classes"),
    ],
)
def test_the_kind_of_a_target(y, kind):
    values = np.array(y, dtype=object if isinstance(y[0], str) else None)
    assert target_kind(values) == kind


def test_many_whole_numbers_are_classes_where_the_task_is_classification(tmp_path):
    rows = np.arange(600)
    pd.DataFrame({"n": rows / 7, "y": rows % 200}).to_csv(tmp_path / "t.csv", index=False)
    assert inspect(source_of(tmp_path / "t.csv", test_size=0.5)).target_kind == "classes"
    regression = inspect(source_of(tmp_path / "t.csv", stratify=False))
    assert regression.target_kind == "continuous" and regression.class_counts is None
