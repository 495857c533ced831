"""The plan of partitions: from data and job alone, small, known before anything is read."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from hpc_ml.data import files as files_module
from hpc_ml.data import pieces as pieces_module
from hpc_ml.data.pieces import Extent, Span, cut, partition_bytes
from hpc_ml.data.plan import place_row, plan_partitions, read_partition, read_whole
from hpc_ml.errors import BadData
from tests.unit.data_partitions import plan_of, read_all, source_of

MIB = 2**20


@pytest.mark.parametrize(
    ("total", "asked", "bytes_each"),
    [(10, None, MIB), (320 * MIB, None, 10 * MIB), (2**40, None, 64 * MIB), (10, 5 * MIB, 5 * MIB)],
)
def test_a_partition_is_a_part_in_32_within_bounds_or_what_is_asked(total, asked, bytes_each):
    assert partition_bytes(total, asked) == bytes_each


def test_large_extents_are_divided_evenly_and_small_ones_joined_in_order():
    large = Extent(0, 0, 1_000, 10 * MIB)
    small = [Extent(number, 0, 10, MIB // 4) for number in range(1, 9)]
    pieces, sizes = cut([large, *small], None)
    assert pieces[:2] == ((Span(0, 0, 100),), (Span(0, 100, 200),))
    assert pieces[10] == tuple(Span(number, 0, 10) for number in range(1, 5))
    assert len(pieces) == 12 and sum(sizes) == 12 * MIB


def test_what_cannot_be_divided_is_one_piece_however_large():
    pieces, _ = cut([Extent(0, 0, 5, 100 * MIB, divisible=False), Extent(1, 0, 5, MIB)], None)
    assert pieces == ((Span(0, 0, 5),), (Span(1, 0, 5),))


@pytest.fixture
def parquet(tmp_path, monkeypatch):
    """A file of three row groups; 50 kB are taken for a partition."""
    monkeypatch.setattr(pieces_module, "_SMALLEST_BYTES", 50_000)
    path = tmp_path / "t.parquet"
    rows = np.arange(20_000)
    frame = pd.DataFrame({"a": rows / 7, "b": rows.astype("f4"), "label": rows % 2})
    frame.to_parquet(path, row_group_size=7_500)
    return path


def test_the_plan_travels_and_is_the_same_in_every_process(parquet):
    plan = plan_of(parquet)
    assert 5 < len(plan) < 10 and len(pickle.dumps(plan)) < 5_000
    assert pickle.loads(pickle.dumps(plan)) == plan
    code = (
        "import sys; from hpc_ml.data import DataSource; from hpc_ml.spec.data import Data;"
        "from hpc_ml.data import pieces; pieces._SMALLEST_BYTES = 50_000;"
        "from hpc_ml.data.plan import plan_partitions;"
        "print(plan_partitions(DataSource(Data(path=sys.argv[1]))).key)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(parquet)], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONHASHSEED": "1"},
    )  # fmt: skip
    assert done.stdout.strip() == plan.key


def test_the_key_tells_data_boundaries_and_readings_apart(parquet, tmp_path):
    keys = [plan_of(parquet).key, plan_of(parquet, partition_size="2 MiB").key]
    pd.DataFrame({"a": [1.5], "b": [2.0], "label": [0]}).to_parquet(parquet)
    keys.append(plan_of(parquet).key)
    np.save(tmp_path / "x.npy", np.arange(12.0).reshape(4, 3))
    keys += [plan_of(tmp_path / "x.npy", target=target).key for target in (None, "0")]
    keys += [plan_of(name=f"make_blobs(n_samples={rows})").key for rows in (10, 20)]
    keys.append(plan_partitions(source_of(name="make_blobs(n_samples=10)", supervised=False)).key)
    assert len(set(keys)) == len(keys)


def test_the_key_stays_where_only_the_time_of_change_differs(parquet, monkeypatch):
    key = plan_of(parquet).key
    os.utime(parquet, (1, 1))
    assert plan_of(parquet).key == key
    monkeypatch.setattr(files_module, "_HASHED_BYTES", 10)
    assert plan_of(parquet).key != key


def test_a_file_that_changes_after_it_was_planned_is_refused(parquet):
    plan = plan_of(parquet)
    os.utime(parquet, (1, 1))
    with pytest.raises(BadData, match="the file was changed after the job began"):
        read_partition(plan, 0)


def test_memory_and_rows_are_known_before_reading(parquet):
    plan = plan_of(parquet)
    assert sum(plan.rows) == plan.n_rows == 20_000
    for number, planned in enumerate(plan.bytes_each):
        assert read_partition(plan, number).nbytes == pytest.approx(planned, rel=0.1)


def test_the_whole_is_its_partitions_one_after_the_other(parquet):
    plan = plan_of(parquet)
    assert read_whole(plan, ["b", "a"]).equals(read_all(plan, ["b", "a"]))


def test_a_column_that_is_not_there_is_refused(parquet):
    with pytest.raises(BadData, match="there is no column 'c'"):
        read_partition(plan_of(parquet), 0, ["a", "c"])


def test_a_row_is_told_by_its_file(parquet):
    plan = plan_of(parquet)
    assert place_row(plan, 1, 0) == f"{parquet}, row {plan.rows[0] + 1}"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ({"delimiter": ";"}, "data.delimiter belongs to csv, and this is parquet"),
        ({"types": {"a": "int"}}, "data.types belongs to csv and jsonl"),
        ({"dataset": "X"}, "data.dataset belongs to hdf5 and zarr"),
        ({"n_features": 3}, "data.n_features belongs to svmlight"),
    ],
)
def test_a_key_of_another_format_is_refused(parquet, words, problem):
    with pytest.raises(BadData, match=problem):
        plan_of(parquet, **words)
