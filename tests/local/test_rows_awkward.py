"""Awkward data are opened as one worker would, or refused in one line."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from opened_rows import assert_same_rows, gather, source_of
from quiet_run import QuietRun

from hpc_ml.errors import BadData
from hpc_ml.tasks.rows import open_rows


@pytest.fixture(autouse=True)
def small_partitions(monkeypatch):
    """Let little data have many partitions."""
    monkeypatch.setattr("hpc_ml.data.pieces._SMALLEST_BYTES", 512)


def labelled(rows=120):
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(rows, 2)), columns=["a", "b"])
    return frame.assign(label=(frame["a"] + frame["b"] > 0).astype(int))


AWKWARD = {
    "a column without values": (labelled().assign(c=np.nan), {"missing": "impute"}),
    "a constant column": (labelled().assign(c=3.0), {"scale": "standard"}),
    "partitions that lose all rows": (
        labelled(600).assign(a=lambda t: t["a"].where(t.index % 200 > 100)), {"missing": "drop"},
    ),
    "unsorted classes": (labelled().assign(label=lambda t: t["label"].map({0: 7, 1: -3})), {}),
    "classes apart": (labelled(600).sort_values("label"), {"scale": "minmax"}),
    "words as classes": (labelled().assign(label=lambda t: t["label"].map({0: "b", 1: "a"})), {}),
    "booleans as classes": (labelled().assign(label=lambda t: t["label"] == 1), {}),
    "huge and tiny values": (labelled().assign(a=lambda t: t["a"] * 1e150,
                                               b=lambda t: t["b"] * 1e-150), {}),
    "a category in one partition": (
        labelled(600).assign(c=lambda t: np.where(t.index < 9, "rare", "common")), {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", AWKWARD)
def test_awkward_data_are_opened_as_by_one_worker(tmp_path, case):
    frame, words = AWKWARD[case]
    assert_same_rows(source_of(frame, tmp_path, **words))


def test_thousands_of_columns(tmp_path, monkeypatch):
    monkeypatch.setattr("hpc_ml.data.pieces._SMALLEST_BYTES", 500_000)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({f"x{number}": rng.normal(size=60) for number in range(5_000)})
    frame["label"] = rng.integers(0, 2, 60)
    assert_same_rows(source_of(frame, tmp_path, scale="standard"))


def test_more_workers_than_partitions(tmp_path, client):
    source = source_of(labelled(8), tmp_path, test_size=0.25, stratify=False)
    with open_rows(client, source, QuietRun(Path())) as rows:
        training, held_out = gather(rows)
    assert rows.collective.n_partitions == 1
    assert len(training["X"]) == rows.n_rows == 6 and len(held_out["y"]) == 2


BAD = {
    "one row": (labelled(1), {}, "there is 1 row to learn from, and 2 are the least"),
    "one class": (labelled().assign(label=1), {}, "target 'label' has one value only, 1, in all"),
    "a class of one row": (
        labelled().assign(label=lambda t: t["label"].where(t.index != 5, 9)), {},
        "class 9 of target 'label' has 1 row, and the held-out part",
    ),
    "a missing number": (
        labelled(600).assign(a=lambda t: t["a"].where(t.index != 333)), {},
        "t.parquet, row 334: column 'a' has missing values, one here; drop the rows",
    ),
    "a missing number among words": (
        labelled(600).assign(a=lambda t: t["a"].where(t.index != 333), c="word"), {},
        "t.parquet, row 334: column 'a' has 1 missing value, the first here; drop the rows",
    ),
    "an infinite number": (
        labelled(600).assign(a=lambda t: t["a"].where(t.index != 333, np.inf)), {},
        "t.parquet, row 334: column 'a' has an infinite value",
    ),
    "a missing target": (
        labelled(600).assign(label=lambda t: t["label"].where(t.index != 333)), {},
        "t.parquet, row 334: target 'label' has missing values",
    ),
    "a weight below 0": (
        labelled(600).assign(w=lambda t: 333.0 - t.index), {"weight": "w"},
        "t.parquet, row 335: weight 'w' has a negative value",
    ),
    "weights of 0": (labelled(600).assign(w=0), {"weight": "w"}, "weight 'w' is 0 in all rows"),
    "one group": (
        labelled(600).assign(g=1), {"group": "g"}, "all rows belong to one group, and groups are",
    ),
    "one class left by time": (
        labelled(600).sort_values("label"), {"split": "time"},
        "the rows that are not held out are all of one class",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_learned_from_is_refused_in_one_line(tmp_path, case):
    frame, words, problem = BAD[case]
    size = 0.6 if "time" in words.values() else 0.25
    source = source_of(frame, tmp_path, test_size=size, **words)
    with pytest.raises(BadData) as refused, open_rows(None, source, QuietRun(Path())):
        pass
    assert problem in str(refused.value) and "\n" not in str(refused.value)


def test_a_bad_row_is_told_from_a_worker_process(tmp_path, client):
    frame = labelled(600).assign(a=lambda t: t["a"].where(t.index != 333))
    source, told = source_of(frame, tmp_path), "row 334: column 'a' has missing values"
    with pytest.raises(BadData, match=told), open_rows(client, source, QuietRun(Path())):
        pass
