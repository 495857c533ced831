"""CSV in partitions: cut where records end, with the same types everywhere."""

import csv
import gzip
import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hpc_ml.data import pieces as pieces_module
from hpc_ml.data.formats import survey
from hpc_ml.data.formats.csv_text import CsvText, find_record_starts
from hpc_ml.data.formats.lines import align
from hpc_ml.data.location import Location
from hpc_ml.data.pieces import Extent, cut
from hpc_ml.data.plan import place_row, read_partition
from hpc_ml.errors import BadData
from tests.unit.data_partitions import plan_of, read_all

ROWS = 6_000


@pytest.fixture(autouse=True)
def small_partitions(monkeypatch):
    """Take 50 kB for a partition, so that these tests need few rows."""
    monkeypatch.setattr(pieces_module, "_SMALLEST_BYTES", 50_000)


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "n": rng.normal(size=ROWS).round(6),
            "words": rng.choice(["a", 'say "b"', "c,\nd", "e\r\n\n f"], ROWS),
            "count": np.arange(ROWS),
            "label": rng.choice(["yes", "no"], ROWS),
        }
    )


@pytest.fixture
def sampled(monkeypatch):
    """Take 10 kB for large, of which only samples are looked at before reading."""
    monkeypatch.setattr(survey, "_WHOLE_BYTES", 10_000)
    monkeypatch.setattr(survey, "_HEAD_BYTES", 2_000)
    monkeypatch.setattr(survey, "_SAMPLE_BYTES", 1_000)


def zstd(content):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


def assert_same(table, frame):
    pd.testing.assert_frame_equal(
        table.to_pandas(), frame, check_dtype=False, check_index_type=False
    )


def test_partitions_of_bytes_are_all_records_once(frame, tmp_path):
    path = tmp_path / "t.csv"
    frame.to_csv(path, index=False)
    plan = plan_of(path)
    assert len(plan) > 2 and plan.rows is None
    assert plan.schema.types == [pa.float64(), pa.string(), pa.int64(), pa.string()]
    assert_same(read_all(plan), frame)
    assert_same(read_all(plan, ["label", "n"]), frame[["label", "n"]])


RECORDS = st.lists(st.lists(st.text('a,"\n\r', max_size=4), min_size=2, max_size=2), min_size=1)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(records=RECORDS, size=st.integers(1, 12))
def test_any_cut_lies_between_records(records, size, tmp_path):
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    ends = [0]
    for record in records:
        writer.writerow(record)
        ends.append(len(out.getvalue().encode()))
    path = tmp_path / "t.csv"
    path.write_bytes(out.getvalue().encode())
    (file,) = Location(str(path)).files
    text = CsvText(file=file, packed=None, encoding="utf-8")
    pieces = cut([Extent(0, 0, ends[-1], ends[-1])], size)
    aligned, _ = align(*pieces, lambda _, cuts: find_record_starts(text, cuts))
    starts = [piece[0].start for piece in aligned]
    assert set(starts) <= set(ends) and aligned[-1][-1].stop == ends[-1]
    assert starts[1:] == [piece[-1].stop for piece in aligned[:-1]]


@pytest.mark.parametrize(("name", "pack"), [("t.csv.gz", gzip.compress), ("t.csv.zst", zstd)])
def test_compressed_files_are_a_partition_each(frame, tmp_path, name, pack):
    for number in range(2):
        part = frame[number::2].to_csv(index=False).encode()
        (tmp_path / f"{number}{name}").write_bytes(pack(part))
    plan = plan_of(tmp_path / "*.csv.*")
    assert len(plan) == 2
    assert_same(read_all(plan), pd.concat([frame[::2], frame[1::2]], ignore_index=True))
    assert place_row(plan, 1, 0) == f"{tmp_path}/1{name}:2"


@pytest.mark.parametrize("name", ["t.csv.gz", "t.jsonl.gz"])
def test_a_large_file_that_is_cut_off_is_told(frame, tmp_path, sampled, name):
    path = tmp_path / name
    if name == "t.csv.gz":
        frame.to_csv(path, index=False)
    else:
        frame.to_json(path, orient="records", lines=True)
    for length in (len(path.read_bytes()) // 2, 1_000):
        path.write_bytes(path.read_bytes()[:length])
        with pytest.raises(BadData, match="the gzip file is cut off or damaged"):
            read_all(plan_of(path))


def test_a_large_compressed_file_is_told(frame, tmp_path, monkeypatch):
    monkeypatch.setattr("hpc_ml.data.formats.text._LARGE_PACKED_BYTES", 1_000)
    frame.to_csv(tmp_path / "t.csv.gz", index=False)
    assert any("can only be read from its start" in note for note in plan_of(tmp_path).notes)


def test_many_small_files_make_one_partition(tmp_path):
    for number in range(12):
        (tmp_path / f"{number:02}.csv").write_text(f"a,label\n{number},x\n\n")
    (tmp_path / "99.csv").write_text("a,label\n")
    plan = plan_of(f"{tmp_path}/*.csv")
    assert len(plan) == 1 and read_all(plan)["a"].to_pylist() == list(range(12))
    assert place_row(plan, 0, 11) == f"{tmp_path}/11.csv:2"
    assert plan_of(tmp_path).key == plan.key


def test_files_of_different_headers_are_refused(tmp_path):
    for name, header in (("a", "x,y"), ("b", "x,z"), ("c", "y,x"), ("d", "x,y,z")):
        (tmp_path / f"{name}.csv").write_text(
            f"{header}\n" + ",".join("123"[: len(header) // 2 + 1])
        )
    for names, problem in (
        ("ab", "lacks the column 'y'"),
        ("ac", "another order"),
        ("ad", "'z' more"),
    ):
        with pytest.raises(BadData, match=rf"{names[1]}.csv:1: the header differs.*{problem}"):
            plan_of(f"{tmp_path}/[{names}].csv")


@pytest.mark.parametrize("delimiter", [";", "\t", "|", "~"])
def test_delimiters_are_found_or_said(frame, tmp_path, delimiter):
    frame.to_csv(tmp_path / "t.csv", index=False, sep=delimiter)
    words = {"delimiter": delimiter} if delimiter == "~" else {}
    assert_same(read_all(plan_of(tmp_path / "t.csv", **words)), frame)


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-8-sig"])
def test_encodings_are_decoded_also_in_the_header(frame, tmp_path, encoding):
    frame = frame.rename(columns={"words": "Wörter"}).replace({"Wörter": {"a": "Ähre é"}})
    frame.to_csv(tmp_path / "t.csv", index=False, encoding=encoding)
    plan = plan_of(tmp_path / "t.csv", encoding=encoding)
    assert (len(plan) == 1) is (encoding == "utf-16")
    assert_same(read_all(plan), frame)


def test_bytes_that_are_not_of_the_encoding_are_told_by_line(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"a,label\n1,\xc3\xa9\n2,\xe9\n")
    with pytest.raises(BadData, match=r"t.csv:3: byte 0xe9 is not UTF-8; name its encoding"):
        plan_of(tmp_path / "t.csv")
    with pytest.raises(BadData, match="not ascii"):
        plan_of(tmp_path / "t.csv", encoding="ascii")


def test_types_are_those_of_samples_and_wide_enough(frame, tmp_path, sampled):
    frame["late"] = np.where(frame["count"] < 5_000, "", frame["count"] / 8)
    frame.to_csv(tmp_path / "t.csv", index=False)
    plan = plan_of(tmp_path / "t.csv", target="count")
    kinds = dict(zip(plan.names, plan.schema.types, strict=True))
    assert kinds["count"] == pa.int64() and kinds["late"] == pa.float64()
    kinds = dict(zip(plan.names, plan_of(tmp_path / "t.csv").schema.types, strict=True))
    assert kinds["count"] == pa.float64() and kinds["words"] == pa.string()
    assert any("the types of the columns are those of samples" in note for note in plan.notes)
    assert read_all(plan)["count"].to_pylist() == list(range(ROWS))


def test_a_later_value_that_does_not_fit_is_told_with_the_way_out(frame, tmp_path, sampled):
    text = frame.drop(columns="words").to_csv(index=False).splitlines()
    text[5_990] = text[5_990].replace(",", "x,", 1)
    (tmp_path / "t.csv").write_text("\n".join(text))
    plan = plan_of(tmp_path / "t.csv")
    with pytest.raises(
        BadData, match=r"t.csv:5991: column 'n' .*'-?\d\.\d+x' does not fit; .*types"
    ):
        read_all(plan)
    plan = plan_of(tmp_path / "t.csv", types={"n": "text"})
    assert plan.schema.field("n").type == pa.string() and read_all(plan).num_rows == ROWS


def test_types_may_be_said(tmp_path):
    (tmp_path / "t.csv").write_text("zip,day,f,label\n01234,2026-11-20,1,0\n99999,2026-11-21,0,1\n")
    types = {"zip": "text", "day": "date", "f": "bool", "label": "float32"}
    plan = plan_of(tmp_path / "t.csv", types=types)
    assert plan.schema.types == [pa.string(), pa.timestamp("ns"), pa.bool_(), pa.float32()]
    assert read_all(plan)["zip"].to_pylist() == ["01234", "99999"]
    with pytest.raises(BadData, match=r"data\.types names 'zap', .*did you mean 'zip'"):
        plan_of(tmp_path / "t.csv", types={"zap": "text"})


def test_a_broken_line_of_a_later_partition_is_told(frame, tmp_path, sampled):
    text = frame.drop(columns="words").to_csv(index=False).splitlines()
    text[5_900] += ",7"
    (tmp_path / "t.csv").write_text("\n".join(text))
    plan = plan_of(tmp_path / "t.csv")
    with pytest.raises(BadData, match=r"t.csv:5901: expected 3 fields as in the header, found 4"):
        read_all(plan)


def test_a_row_is_told_by_its_line(frame, tmp_path):
    frame.to_csv(tmp_path / "t.csv", index=False)
    plan = plan_of(tmp_path / "t.csv")
    row = read_partition(plan, 1).slice(7, 1).to_pylist()[0]
    line = int(place_row(plan, 1, 7).rpartition(":")[2])
    with (tmp_path / "t.csv").open(newline="") as file:
        assert file.read().split("\n")[line - 1].startswith(f"{row['n']},")


def test_lines_that_end_by_cr_alone_are_told(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"a,label\r1,2\r3,4\r")
    with pytest.raises(BadData, match="end by CR alone"):
        plan_of(tmp_path / "t.csv")
