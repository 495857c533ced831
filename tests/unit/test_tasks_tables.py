"""Results as CSV: every digit is kept."""

import csv
from pathlib import Path

import numpy as np

from hpc_ml.tasks.tables import plain, write_table


def test_a_table_keeps_every_digit(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    numbers = np.array([0.1 + 0.2, np.nan, 1e-300])
    masked = np.ma.array([1, "a", None], mask=[False, True, False], dtype=object)
    write_table(path, {"x": numbers, "p": masked, "params": [{"C": np.int64(1)}, {}, {"d": None}]})

    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["x"]) for row in rows][::2] == [0.1 + 0.2, 1e-300]
    assert rows[1]["x"] == "nan"
    assert [row["p"] for row in rows] == ["1", "", "None"]
    assert [row["params"] for row in rows] == ["{'C': 1}", "{}", "{'d': None}"]


def test_numbers_of_numpy_become_pythons() -> None:
    value = plain({"a": [np.float64(0.5), (np.int32(2), "x")], "b": None})
    assert value == {"a": [0.5, [2, "x"]], "b": None}
    assert type(value["a"][0]) is float
