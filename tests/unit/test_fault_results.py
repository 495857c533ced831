"""The fault suite sees every difference between the results of two runs, and no time."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import skops.io
from pyarrow import parquet as pq
from sklearn.ensemble import RandomForestClassifier

from tests.faults.results import list_differences, list_strays
from tests.faults.table import Outcome, format_table

X = np.arange(40.0).reshape(20, 2)
Y = np.arange(20) % 2


def write_run(folder: Path, seed: int = 0) -> Path:
    for name in ("model", "predictions"):
        (folder / name).mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps({"score": 0.5, "best": {"C": 1}}))
    (folder / "history.csv").write_text("epoch,score,train_s\n1,0.5,0.1\n2,nan,0.2\n")
    pq.write_table(pa.table({"label": [1, 2]}), folder / "predictions" / "part-00000.parquet")
    forest = RandomForestClassifier(2, random_state=seed).fit(X, Y)
    skops.io.dump(forest, folder / "model" / "model.skops")
    (folder / "model" / "model.json").write_text(json.dumps({"format": "skops"}))
    return folder


@pytest.fixture
def one(tmp_path: Path) -> Path:
    return write_run(tmp_path / "one")


def test_equal_runs_have_no_differences(one: Path, tmp_path: Path) -> None:
    other = write_run(tmp_path / "other")
    table = (other / "history.csv").read_text()
    (other / "history.csv").write_text(table.replace("0.2\n", "7.5\n"))
    assert list_differences(one, other, 0.0) == []


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("metrics.json", '{"score": 0.5000001, "best": {"C": 1}}', "metrics.score"),
        ("metrics.json", '{"score": 0.5}', "metrics: keys"),
        ("history.csv", "epoch,score,train_s\n1,0.5,0.1\n2,nan,0.2\n2,nan,0.2\n", "3 entries"),
        ("predictions/.part-00001.parquet.0a1b", "", "1 and 2 files"),
    ],
)
def test_each_difference_is_told(
    one: Path, tmp_path: Path, name: str, text: str, said: str
) -> None:
    other = Path(shutil.copytree(one, tmp_path / "other"))
    (other / name).write_text(text)
    assert said in " ".join(list_differences(one, other, 0.0))


def test_what_a_model_has_learned_is_compared(one: Path, tmp_path: Path) -> None:
    found = list_differences(one, write_run(tmp_path / "other", seed=1), 0.0)
    assert any("model.estimators_[0]" in one for one in found)


def test_what_is_left_is_listed(one: Path) -> None:
    (one / "owner.json").touch()
    (one / ".model.0a1b").mkdir()
    assert list_strays(one) == [".model.0a1b", "owner.json"]


def test_the_table_counts_what_survived_and_what_was_equal() -> None:
    outcomes = [
        Outcome("controller killed", "sgd", 1.0, True, lost_s=2.0),
        Outcome("controller killed", "sgd", 2.0, True, ["metrics"], lost_s=4.0),
        Outcome("controller killed", "sgd", 3.0, False, left=["job 3"], lost_s=9.0),
    ]
    row = format_table(outcomes).splitlines()[1]
    assert row.split() == ["controller", "killed", "sgd", "2/3", "1/3", "1", "4.0", "s", "9.0", "s"]
