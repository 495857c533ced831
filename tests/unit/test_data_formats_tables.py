"""Parquet, Arrow and JSON lines in partitions."""

import gzip

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from hpc_ml.data import DataSource, inspect, load
from hpc_ml.data import pieces as pieces_module
from hpc_ml.data.formats import parquet as parquet_format
from hpc_ml.data.formats import survey
from hpc_ml.data.plan import place_row, read_partition
from hpc_ml.errors import BadData
from hpc_ml.spec.data import Data
from tests.unit.data_partitions import plan_of, read_all

ROWS = 10_000


@pytest.fixture(autouse=True)
def small_partitions(monkeypatch):
    """Take 50 kB for a partition, so that these tests need few rows."""
    monkeypatch.setattr(pieces_module, "_SMALLEST_BYTES", 50_000)


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "x": rng.normal(size=ROWS).astype("f4"),
            "n": rng.integers(0, 100, ROWS),
            "city": rng.choice(["Rome", "Oslo\nNord", None], ROWS),
            "kind": pd.Categorical(rng.choice(["u", "v"], ROWS)),
            "label": rng.integers(0, 2, ROWS),
        }
    )


def write_stream(frame, path):
    table = pa.Table.from_pandas(frame)
    with pa.ipc.new_stream(str(path), table.schema) as writer:
        writer.write_table(table, max_chunksize=700)


WRITERS = {
    "small groups.parquet": lambda f, p: f.to_parquet(p, row_group_size=300),
    "one group.parquet": lambda f, p: f.to_parquet(p),
    "lz4.feather": lambda f, p: feather.write_feather(f, str(p), chunksize=1_000),
    "plain.feather": lambda f, p: feather.write_feather(
        f, str(p), compression="uncompressed", chunksize=ROWS
    ),
    "stream.arrow": write_stream,
}


@pytest.mark.parametrize("name", WRITERS)
def test_partitions_are_all_rows_once_in_the_sources_types(frame, tmp_path, name):
    path = tmp_path / name
    WRITERS[name](frame, path)
    plan = plan_of(path)
    assert len(plan) > 1 and sum(plan.rows) == ROWS
    assert plan.schema.field("x").type == pa.float32()
    whole = read_all(plan)
    assert whole.schema.types == plan.schema.types
    got = whole.to_pandas().astype({"kind": "category"})
    pd.testing.assert_frame_equal(got, frame, check_dtype=False)
    last = read_partition(plan, len(plan) - 1, ["label", "x"])
    assert last.schema.names == ["label", "x"]
    assert last["x"].to_pylist() == frame["x"].tolist()[-last.num_rows :]
    assert place_row(plan, 0, 5) == f"{path}, row 6"


def test_a_large_row_group_is_decoded_once_by_partitions_in_order(frame, tmp_path, monkeypatch):
    frame.to_parquet(tmp_path / "t.parquet")
    plan = plan_of(tmp_path / "t.parquet")
    opened = []
    start = parquet_format._start
    monkeypatch.setattr(
        parquet_format, "_start", lambda *words: opened.append(words) or start(*words)
    )
    assert read_all(plan).num_rows == ROWS and len(plan) > 1 == len(opened)
    for number in (1, 0, 1):
        part = read_partition(plan, number, ["n"])
        assert (
            part["n"].to_pylist()
            == read_all(plan, ["n"])["n"].to_pylist()[
                plan.rows[0] * number : plan.rows[0] * number + part.num_rows
            ]
        )


def test_only_the_columns_that_are_learned_from_make_the_size(frame, tmp_path):
    frame.to_parquet(tmp_path / "t.parquet")
    plan = plan_of(tmp_path / "t.parquet", columns=["x"], target="label")
    assert sum(plan.bytes_each) == 12 * ROWS and len(plan) == 2
    assert plan.n_columns == 5


def test_hive_partitions_and_missing_columns_have_the_same_types_everywhere(tmp_path):
    for year, columns in ((2025, {"a": [1, 2]}), (2026, {"a": [0.5], "b": ["x"]})):
        (tmp_path / f"year={year}").mkdir()
        pd.DataFrame(columns).to_parquet(tmp_path / f"year={year}" / "t.parquet")
    plan = plan_of(tmp_path)
    table = read_all(plan)
    assert table.to_pylist() == [
        {"a": 1.0, "b": None, "year": 2025},
        {"a": 2.0, "b": None, "year": 2025},
        {"a": 0.5, "b": "x", "year": 2026},
    ]
    assert read_all(plan, ["year"])["year"].to_pylist() == [2025, 2025, 2026]


def test_arrow_files_of_one_folder_are_one_table(tmp_path):
    feather.write_feather(pd.DataFrame({"a": [1, 2]}), str(tmp_path / "1.feather"))
    feather.write_feather(pd.DataFrame({"a": [0.5], "b": [True]}), str(tmp_path / "2.feather"))
    plan = plan_of(tmp_path)
    assert read_all(plan).to_pylist() == [
        {"a": 1.0, "b": None}, {"a": 2.0, "b": None}, {"a": 0.5, "b": True},
    ]  # fmt: skip
    assert plan.notes == (f"2 files of {tmp_path.name}",)


@pytest.mark.parametrize("name", ["t.jsonl", "t.ndjson.gz"])
@pytest.mark.parametrize("whole", [True, False])
def test_json_lines_are_read_in_partitions_of_bytes(frame, tmp_path, name, whole, monkeypatch):
    if not whole:
        monkeypatch.setattr(survey, "_WHOLE_BYTES", 10_000)
    frame = frame.astype({"kind": str, "x": float})
    frame.to_json(tmp_path / name, orient="records", lines=True, double_precision=15)
    plan = plan_of(tmp_path / name)
    assert (len(plan) > 1) is name.endswith("jsonl")
    pd.testing.assert_frame_equal(read_all(plan).to_pandas(), frame, check_dtype=False)
    assert plan.schema.field("n").type == (pa.int64() if whole else pa.float64())
    assert place_row(plan, 0, 7) == f"{tmp_path / name}:8"


def test_keys_that_an_object_lacks_are_missing(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"a": 1, "label": "x"}\n\n{"b": [2], "label": "y"}\n')
    table = read_all(plan_of(tmp_path / "t.jsonl"))
    assert table.to_pylist() == [
        {"a": 1, "label": "x", "b": None}, {"a": None, "label": "y", "b": [2]},
    ]  # fmt: skip


JSON = {
    "cut off": (b'{"a": 1}\n{"a": 2\n', ":2: this is no JSON"),
    "an array": (b'[{"a": 1},\n {"a": 2}]\n', ":1: this is no JSON"),
    "a list": (b'{"a": 1}\n\n[1, 2]\n', ":3: this line is not an object"),
    "kinds": (b'{"a": 1}\n{"a": "x"}\n', ":2: column 'a' holds words, and numbers elsewhere"),
    "bytes": (b'{"a": "x"}\n{"a": "\xe9"}\n', ":2: this is no JSON"),
    "blank": (b"\n \n", ": there are no rows"),
    "gzip": (gzip.compress(b'{"a": 1}\n' * 999)[:-9], ": the gzip file is cut off or damaged"),
}


@pytest.mark.parametrize("case", JSON)
def test_bad_json_lines_are_told_by_line(tmp_path, case):
    content, problem = JSON[case]
    (tmp_path / "t.jsonl").write_bytes(content)
    with pytest.raises(BadData) as caught:
        read_all(plan_of(tmp_path / "t.jsonl"))
    assert f"t.jsonl{problem}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_later_value_of_another_kind_is_told(frame, tmp_path, monkeypatch):
    monkeypatch.setattr(survey, "_WHOLE_BYTES", 10_000)
    lines = [f'{{"a": {number}, "label": 0}}' for number in range(6_000)]
    lines[5_990] = '{"a": "many", "label": 0}'
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    with pytest.raises(BadData, match=r"t.jsonl:5991: column 'a' holds words, and numbers"):
        read_all(plan_of(tmp_path / "t.jsonl"))
    lines[5_990] = '{"a": 1.5, "label": 0}'
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    assert read_all(plan_of(tmp_path / "t.jsonl"))["a"][5_990].as_py() == 1.5


@pytest.mark.parametrize("name", ["t.arrow", "t.feather", "t.parquet"])
@pytest.mark.parametrize("content", [b"hello", b"ARROW1\0\0" + bytes(40), b"PAR1" * 9])
def test_what_is_no_such_file_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadData, match="cannot be read as"):
        read_all(plan_of(tmp_path / name))


@pytest.mark.parametrize("name", ["t.feather", "t.jsonl", "t.csv", "t.parquet"])
def test_every_table_format_is_searched_over_as_well(tmp_path, name):
    frame = pd.DataFrame({"n": np.arange(60) / 7, "c": ["u", "v"] * 30, "label": [0, 1, 1] * 20})
    path = tmp_path / name
    write = {
        "feather": lambda: feather.write_feather(frame, str(path)),
        "jsonl": lambda: frame.to_json(path, orient="records", lines=True),
        "csv": lambda: frame.to_csv(path, index=False),
        "parquet": lambda: frame.to_parquet(path),
    }
    write[path.suffix[1:]]()
    source = DataSource(Data(path=str(path)), 0, 0.0, True, True)
    assert inspect(source).rows == 60
    table = load(source)
    assert table.X_train.shape == (60, 3) and table.y_train.tolist() == [0, 1, 1] * 20


def test_a_parquet_footer_that_does_not_fit_its_rows_is_refused(tmp_path):
    table = pa.table({"a": np.arange(1_000.0)})
    pq.write_table(table, tmp_path / "t.parquet", compression="none", use_dictionary=False)
    plan = plan_of(tmp_path / "t.parquet")
    content = bytearray((tmp_path / "t.parquet").read_bytes())
    content[4:400] = bytes(396)
    (tmp_path / "t.parquet").write_bytes(bytes(content))
    with pytest.raises(BadData, match="cannot be read as Parquet"):
        read_partition(plan, 0)
