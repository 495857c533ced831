"""Tables that cannot be learned from: one line each, with the place and the next step."""

import gzip
import os

import numpy as np
import pandas as pd
import pytest

from hpc_ml.data import DataSource, inspect, load
from hpc_ml.errors import BadData
from hpc_ml.spec.data import Data

ROWS = "".join(f"{number},{'ab'[number % 2]},{number % 2}\n" for number in range(30))
GOOD = "n,c,label\n" + ROWS


def refusal(path, *, test_size=0.2, stratify=True, supervised=True, **words):
    """Return the one line with which both inspect and load refuse a file."""
    source = DataSource(
        Data(path=str(path), **words), 0, test_size, stratify and supervised, supervised
    )
    lines = []
    for look in (inspect, load):
        with pytest.raises(BadData) as caught:
            look(source)
        lines.append(str(caught.value))
        assert caught.value.exit_code == 2
    assert lines[0] == lines[1]
    assert "\n" not in lines[0]
    return lines[0]


def csv(tmp_path, content, name="t.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


PACKED = gzip.compress(("n,c,label\n" + ROWS * 50).encode())
CASES = {
    "empty file": (b"", {}, ["t.csv: the file is empty"]),
    "blank file": (b"\n \n", {}, ["the file is empty"]),
    "header only": ("n,c,label\n", {}, ["no rows"]),
    "header without an end of line": ("n,c,label", {}, ["no rows below the header"]),
    "too few fields": (
        "n,c,label\n1,a,0\n2,b\n3,a,0\n", {},
        ["t.csv:3: expected 3 fields as in the header, found 2"],
    ),
    "too many fields, after blank and quoted lines": (
        'n,c,label\n\n1,"a\nb",0\n2,b,1,9\n', {},
        ["t.csv:5: expected 3 fields as in the header, found 4"],
    ),
    "Latin-1": (
        GOOD.encode() + "31,café,1\n".encode("latin-1"), {},
        ["t.csv:32: byte 0xe9 is not UTF-8", "data.encoding"],
    ),
    "Latin-1 in the header": ("n,é,label\n1,2,0\n".encode("latin-1"), {}, ["t.csv:1:", "UTF-8"]),
    "UTF-16": (GOOD.encode("utf-16"), {}, ["UTF-16, not UTF-8", "data.encoding"]),
    "binary": (bytes(range(256)) * 8, {}, ["this is binary, not CSV", "data.format"]),
    "truncated gzip": (PACKED[:150], {}, ["the gzip file is cut off or damaged", "gzip -t"]),
    "gzip without its end": (PACKED[:-4], {}, ["the gzip file is cut off or damaged"]),
    "damaged gzip": (
        PACKED[:100] + b"\xff\x00\xff" + PACKED[103:], {}, ["the gzip file is cut off or damaged"],
    ),
    "open quote": (
        'n,c,label\n1,a,0\n2,"b,1\n3,a,0\n', {}, ["t.csv:3: a quote is opened and never closed"],
    ),
    "wrong target": (
        GOOD, {"target": "lable"},
        ["data.target names 'lable'", "did you mean 'label'?", "known: n, c, label"],
    ),
    "wrong column": (GOOD, {"columns": ["m"]}, ["data.columns names 'm'", "known: n, c, label"]),
    "wrong category": (GOOD, {"categorical": ["d"]}, ["data.categorical names 'd'"]),
    "wrong text": (GOOD, {"text": "d"}, ["data.text names 'd'"]),
    "the target as a category": (
        GOOD, {"target": "label", "categorical": ["label"]}, ["data.categorical names the target"],
    ),
    "numbers as text": (GOOD, {"text": "n"}, ["data.text names column 'n'", "int64, not text"]),
    "no target named": (
        "a,b\n1,2\n", {}, ["does not say which column to predict", "--target", "a, b"],
    ),
    "two likely targets": (
        "y,label\n1,2\n", {}, ["'y' and 'label' are equally likely", "--target"],
    ),
    "only a target": ("label\n1\n0\n", {}, ["no column to learn from beside the target"]),
    "doubled names": ("a,b,a,label\n1,2,3,0\n", {}, ["t.csv:1:", "column 'a' 2 times"]),
    "a nameless column": ("a,,label\n1,2,0\n", {}, ["t.csv:1:", "column 2 has no name"]),
    "a line break in a name": (
        'n,"c\nd",label\n1,2,0\n', {}, ["the name of column 'c\\nd' has a line break"],
    ),
    "no header": ("5.1,3.5,0\n4.9,3.0,1\n", {}, ["t.csv:1:", "holds numbers (5.1, 3.5, 0)"]),
    "missing numbers": (
        GOOD + "\n,a,1\n,b,0\n", {},
        ["t.csv:33: column 'n' has 2 missing values", "data.missing"],
    ),
    "missing words": (
        GOOD + "31,,1\n", {}, ["t.csv:32: column 'c' has 1 missing value,", "data.missing"],
    ),
    "missing in two columns": (GOOD + ",,1\n", {}, ["'n'", "and 1 more column has some"]),
    "missing targets": (
        GOOD + "31,a,\n", {}, ["t.csv:32: target 'label' has 1 missing value", "by --missing drop"],
    ),
    "missing targets are not imputed": (
        GOOD + "31,a,\n", {"missing": "impute"}, ["target 'label' has 1 missing value"],
    ),
    "missing text": (
        GOOD + "31,,1\n", {"text": "c", "missing": "keep"}, ["text cannot be kept missing"],
    ),
    "all rows dropped": (
        "n,label\n,1\n,0\n", {"missing": "drop"}, ["there are no rows to learn from"],
    ),
    "an infinite number": (
        GOOD + "31.5,a,1\n-inf,b,0\n", {"missing": "drop"},
        ["t.csv:33: column 'n' has an infinite value", "data.drop"],
    ),
    "an infinite target": (
        "n,label\n1,0.5\n2,inf\n", {"stratify": False},
        ["t.csv:3: target 'label' has an infinite value"],
    ),
    "text in a numeric column": (
        GOOD + "thirty,a,1\n", {},
        ["t.csv:32: column 'n' holds numbers, but 'thirty' here", "data.categorical: [n]"],
    ),
    "a question mark for missing": (GOOD + "?,a,1\n", {}, ["but '?' here", "leave it empty"]),
    "text in a target of numbers": (
        "n,label\n1,2.5\n2,3.5\n3,high\n", {"stratify": False},
        ["t.csv:4: column 'label' holds numbers, but 'high' here"],
    ),
    "names of rows": (
        "name,label\n" + "".join(f"person {n},{n % 2}\n" for n in range(40)), {},
        ["column 'name' holds 40 different words in 40 rows", "data.text=name", "data.drop"],
    ),
    "too many categories": (
        "name,label\n" + "".join(f"person {n % 1500},{n % 2}\n" for n in range(3000)), {},
        ["column 'name' holds more than 1,000 different words", "data.text=name"],
    ),
    "dates": (
        "day,label\n2026-01-01,0\n2026-01-02,1\n", {},
        ["column 'day' holds dates or times", "data.drop"],
    ),
    "moments": ("at,label\n2026-01-01 10:00:00,0\n", {}, ["column 'at' holds dates or times"]),
    "a date to predict": (
        "n,day\n1,2026-01-01\n", {"target": "day"}, ["target 'day' holds date32"],
    ),
    "one class": (
        "n,label\n1,a\n2,a\n3,a\n", {}, ["target 'label' has one value only, a", "data.target"],
    ),
    "a class of one row": (
        GOOD + "31,a,7\n", {}, ["class 7 of target 'label' has 1 row", "data.test_size=0"],
    ),
    "more classes than held-out rows": (
        "n,label\n" + "".join(f"{n},{n % 5}\n" for n in range(10)), {},
        ["2 of 10 rows held out", "5 classes", "data.test_size"],
    ),
    "a continuous target for a classifier": (
        "n,label\n1,2.5\n2,3.5\n", {}, ["target 'label' holds continuous numbers", "regression"],
    ),
    "one row": ("n,label\n1,2\n", {"stratify": False}, ["label' has one value only"]),
    "one row, without a target": ("n\n1\n", {"supervised": False}, ["there is 1 row"]),
    "all rows held out": (
        "n,label\n1,2\n2,3\n", {"stratify": False, "test_size": 0.9}, ["leaves none to learn from"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_bad_csv_is_refused(tmp_path, case):
    content, words, expected = CASES[case]
    line = refusal(csv(tmp_path, content), **words)
    for part in expected:
        assert part in line


def test_a_bad_gzipped_csv_says_the_line_of_the_text(tmp_path):
    path = csv(tmp_path, gzip.compress(b"n,label\n1,0\n2\n"), "t.csv.gz")
    assert "t.csv.gz:3: expected 2 fields" in refusal(path)


def test_a_missing_file_is_refused_with_a_near_miss(tmp_path):
    csv(tmp_path, GOOD, "reviews.csv")
    line = refusal(tmp_path / "review.csv")
    assert "no such file" in line and f"did you mean '{tmp_path}/reviews.csv'?" in line
    assert "folder" in refusal(tmp_path / "no" / "review.csv")
    assert "the bundled table is data.name: digits" in refusal(tmp_path / "digits")


def test_what_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "t.csv")
    assert "neither a file nor a folder" in refusal(tmp_path / "t.csv")
    assert "name too long" in refusal(tmp_path / ("n" * 999 + ".csv"))


def test_a_file_that_may_not_be_read_is_refused(tmp_path, monkeypatch):
    path = csv(tmp_path, GOOD)

    def refuse(*_args, **_words):
        raise PermissionError(13, "Permission denied", str(path))

    # Root, as which these tests may run, may read any file.
    monkeypatch.setattr(type(path), "open", refuse)
    assert "you may not read it; ask its owner" in refusal(path)


@pytest.mark.parametrize(
    ("name", "words"),
    [("t.xlsx", "'.xlsx'"), ("t", "'t'"), ("t.npz.gz", "'.npz.gz'"), ("t.csv.bz2", "'.csv.bz2'")],
)
def test_an_unknown_ending_is_refused_with_the_known(tmp_path, name, words):
    line = refusal(csv(tmp_path, GOOD, name))
    assert f"no format has the ending {words}" in line and "data.format (csv, jsonl" in line


def test_a_folder_without_data_is_refused(tmp_path):
    assert "the folder has no file of a known format" in refusal(tmp_path)
    csv(tmp_path, GOOD, "t.txt")
    assert "say what they are by data.format: t.txt" in refusal(tmp_path)


def test_a_corrupted_parquet_file_is_refused(tmp_path):
    path = tmp_path / "t.parquet"
    pd.DataFrame({"n": range(1000), "label": [0, 1] * 500}).to_parquet(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    assert "cannot be read as Parquet" in refusal(path)
    path.write_bytes(b"PAR1" + bytes(len(whole)) + b"PAR1")
    assert "cannot be read as Parquet" in refusal(path)
    path.write_bytes(b"")
    assert "is empty" in refusal(path)
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "a.parquet").write_bytes(whole)
    (tmp_path / "parts" / "b.parquet").write_bytes(b"")
    assert "b.parquet: the file is empty" in refusal(tmp_path / "parts")


FRAMES = {
    "missing": ({"n": [1.0, np.nan, 3.0]}, ["t.parquet, row 2: column 'n' has 1 missing value"]),
    "infinite": ({"n": [1.0, 2.0, np.inf]}, ["t.parquet, row 3: column 'n' has an infinite"]),
    "lists": ({"n": [[1], [2], [3]]}, ["column 'n' holds list<", "data.drop"]),
    "bytes": ({"n": [b"a", b"b", b"a"]}, ["column 'n' holds binary", "data.drop"]),
    "dates": ({"n": pd.date_range("2026", periods=3)}, ["column 'n' holds dates or times"]),
    "words among numbers": ({"n": ["1", "x", "3"]}, ["row 2: column 'n' holds numbers, but 'x'"]),
    "no rows": ({"n": np.empty(0)}, ["there are no rows"]),
    "no columns": ({}, ["no column to learn from"]),
}


@pytest.mark.parametrize("case", FRAMES)
def test_a_bad_parquet_table_is_refused(tmp_path, case):
    columns, expected = FRAMES[case]
    rows = len(columns.get("n", [1, 2, 3]))
    frame = pd.DataFrame({**columns, "label": [0, 1, 0][:rows]})
    frame.to_parquet(tmp_path / "t.parquet")
    line = refusal(tmp_path / "t.parquet", test_size=0)
    for part in expected:
        assert part in line


def test_the_row_of_a_folder_is_told_by_its_file(tmp_path):
    good = pd.DataFrame({"n": [1.0, 2.0], "label": [0, 1]})
    good.to_parquet(tmp_path / "a.parquet")
    good.assign(n=[1.0, None]).to_parquet(tmp_path / "b.parquet")
    assert "b.parquet, row 2: column 'n'" in refusal(tmp_path)
