"""Parquet beyond one plain file: folders, Hive partitions, Arrow's own types."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hpc_ml.data import DataSource, inspect, load
from hpc_ml.spec.data import Data


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "income": rng.normal(30_000, 5_000, 120),
            "city": rng.choice(["Rome", "Oslo"], 120),
            "label": rng.choice(["yes", "no"], 120),
        }
    )


def source_of(path, **words):
    return DataSource(Data(path=str(path), **words), 3, 0.0, True, True)


def test_a_folder_of_parquet_is_one_table_in_the_order_of_its_names(frame, tmp_path):
    folder = tmp_path / "parts"
    (folder / "sub").mkdir(parents=True)
    frame[:50].to_parquet(folder / "a.parquet")
    frame[50:80].to_parquet(folder / "sub" / "b.parquet")
    frame[80:].to_parquet(folder / "z.parquet")
    (folder / "_SUCCESS").write_text("")
    (folder / "README").write_text("not data")
    table = load(source_of(folder, columns=["income"], target="label"))
    np.testing.assert_array_equal(table.X_train[:, 0], frame["income"])
    assert inspect(source_of(folder)).rows == 120


def test_partitions_of_hive_are_columns(frame, tmp_path):
    frame.to_parquet(tmp_path / "parts", partition_cols=["city"])
    summary = inspect(source_of(tmp_path / "parts"))
    kinds = {column.name: column.kind for column in summary.columns}
    assert kinds["city"] == "category" and summary.rows == 120


def test_parts_of_parquet_may_differ_in_the_width_of_numbers(tmp_path):
    pd.DataFrame({"a": [1, 2, 3], "label": [0, 1, 0]}).to_parquet(tmp_path / "1.parquet")
    pd.DataFrame({"a": [1.5, 2.5, 3.5], "label": [1, 0, 1]}).to_parquet(tmp_path / "2.parquet")
    table = load(source_of(tmp_path))
    assert table.X_train[:, 0].tolist() == [1, 2, 3, 1.5, 2.5, 3.5]


def test_arrow_types_beyond_pandas_are_numbers_and_categories(tmp_path):
    columns = {
        "small": pa.array([1, 2, 3, 4], pa.uint8()),
        "half": pa.array(np.array([1, 2, 3, 4], np.float16)),
        "money": pa.array([1, 2, 3, 4]).cast(pa.decimal128(21, 2)),
        "group": pa.array(["a", "b", "a", "b"]).dictionary_encode(),
        "large": pa.array(["u", "v", "v", "u"], pa.large_string()),
        "view": pa.array(["p", "q", "q", "p"], pa.string_view()),
        "label": pa.array(["n", "y", "n", "y"]).dictionary_encode(),
    }
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    table = load(source_of(tmp_path / "t.parquet"))
    np.testing.assert_array_equal(
        table.X_train,
        [[1, 1, 1, 1, 0, 1, 0, 1, 0], [2, 2, 2, 0, 1, 0, 1, 0, 1],
         [3, 3, 3, 1, 0, 0, 1, 0, 1], [4, 4, 4, 0, 1, 1, 0, 1, 0]],
    )  # fmt: skip
    assert table.y_train.tolist() == ["n", "y", "n", "y"]
