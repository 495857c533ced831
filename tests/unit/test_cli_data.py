"""`hpc-ml data inspect`."""

import json

import numpy as np
import pandas as pd
import pytest

from hpc_ml.cli.main import cli
from hpc_ml.data import inspection


@pytest.fixture
def inspect(capsys):
    """Type `hpc-ml data inspect` and some words; give the code, stdout and stderr."""

    def type_them(*words):
        code = cli.main(["data", "inspect", *map(str, words)], standalone_mode=False)
        return (int(code), *capsys.readouterr())

    return type_them


@pytest.fixture
def table(tmp_path):
    frame = pd.DataFrame(
        {
            "height": [1.5, None, 1.75, 2.0],
            "city": ["Rome", "Oslo", "Rome", None],
            "born": pd.to_datetime(["2001-02-03", "1999-12-31", "2010-01-01", "2020-05-05"]),
            "tags": [["a"], [], ["b"], ["c"]],
            "label": [0, 1, 0, 1],
        }
    )
    path = tmp_path / "t.parquet"
    frame.to_parquet(path)
    return path


def test_columns_rows_partitions_and_memory_are_shown(table, inspect):
    code, out, _ = inspect(str(table))
    assert code == 0
    assert f"{table}: parquet" in out and "4 rows, 5 columns" in out and "in 1 partition" in out
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line}
    assert rows["height"][1:] == ["numeric", "double", "1", "1.5", "2"]
    assert rows["city"][1] == "category" and rows["city"][-1] == "2"
    assert rows["born"][1] == "date" and "1999-12-31" in rows["born"]
    assert rows["tags"][1] == "other"
    assert rows["label"][:2] == ["label", "(target?)"]
    _, out, _ = inspect(str(table), "--target", "city")
    assert "city (target) " in out
    assert not any(line.endswith(" ") for line in out.splitlines())


def test_a_single_row_is_counted_in_the_singular(tmp_path, inspect):
    (tmp_path / "one.csv").write_text("a\n1\n")
    _, out, _ = inspect(tmp_path / "one.csv")
    assert "1 row, 1 column, " in out


def test_json_has_it_all(table, inspect):
    code, out, _ = inspect(str(table), "--json")
    found = json.loads(out)
    assert code == 0 and found["rows"] == 4 and found["partitions"] == 1
    assert found["format"] == "parquet" and found["target"] == "label"
    by_name = {column["name"]: column for column in found["columns"]}
    assert by_name["height"] == {
        "name": "height", "type": "double", "kind": "numeric", "missing": 1,
        "smallest": 1.5, "largest": 2.0, "values": None,
    }  # fmt: skip
    assert by_name["born"]["largest"] == "2020-05-05 00:00:00"


def test_arrays_names_and_calls_are_data_too(tmp_path, inspect):
    np.savez(tmp_path / "t.npz", X=np.array([[1.0, np.nan], [np.inf, 2.0]]), y=[3, 4])
    _, out, _ = inspect(str(tmp_path / "t.npz"), "--json")
    columns = {column["name"]: column for column in json.loads(out)["columns"]}
    assert columns["0"]["largest"] == "inf" and columns["1"]["missing"] == 1
    assert columns["y"]["smallest"] == 3
    _, out, _ = inspect("digits")
    assert "1,797 rows, 64 columns" in out and "and 5 more columns" in out
    np.savez(tmp_path / "x.npz", X=np.eye(3))
    _, out, _ = inspect(str(tmp_path / "x.npz"))
    assert "3 rows, 3 columns" in out and "(target?)" not in out
    _, out, _ = inspect("make_blobs(n_samples=1000, n_features=3)")
    assert "1,000 rows, 3 columns" in out and "y (target?)" in out


def test_of_large_data_the_first_part_is_looked_at(inspect, monkeypatch):
    monkeypatch.setattr(inspection, "WHOLE_BYTES", 2**20)
    monkeypatch.setattr(inspection, "_FIRST_PART_BYTES", 3 * 2**20)
    call = "make_blobs(n_samples=200_000, n_features=2)"
    _, out, _ = inspect(call)
    assert "200,000 rows" in out and "rows looked at; --all looks at all" in out
    _, out, _ = inspect(call, "--all", "--json")
    assert json.loads(out)["looked_at"] == 200_000


def test_keys_say_how_the_data_are_read(tmp_path, inspect):
    (tmp_path / "t.dat").write_bytes("größe#plz\n1,5#01234\n".encode("latin-1"))
    words = ("--format", "csv", "--delimiter", "#", "--encoding", "latin-1")
    _, out, _ = inspect(str(tmp_path / "t.dat"), *words, "--set", "data.types.plz=text", "--json")
    assert [column["kind"] for column in json.loads(out)["columns"]] == ["category", "category"]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["nix.csv"], "nix.csv: no such file or folder"),
        (["make_blob()"], "did you mean 'make_blobs'"),
        (["digitz"], "did you mean 'digits'"),
        (["t.csv", "--format", "cvs"], "did you mean 'csv'"),
        (["t.csv", "--delimiter", ";;"], "--delimiter: "),
        (["t.csv", "--encoding", "klingon"], "'klingon' is not an encoding"),
        (["t.csv", "--set", "cv=3"], "cv is no key of the data"),
        (["s3://box/t.csv"], "s3"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_2(tmp_path, monkeypatch, inspect, words, problem):
    monkeypatch.chdir(tmp_path)
    code, out, err = inspect(*words)
    assert code == 2 and out == "" and problem in err and err.count("\n") == 1
