"""Awkward data through every task: the right answer, or one clear error about the data."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from distributed import Client
from quiet_run import QuietRun

from hpc_ml import make_job
from hpc_ml.data import inspect
from hpc_ml.errors import BadInput
from hpc_ml.tasks import registry

N_ROWS = 120


def frame(n_rows: int = N_ROWS) -> pd.DataFrame:
    """Return two columns of numbers and the class that follows from them."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(n_rows, 2)), columns=["a", "b"])
    return table.assign(target=(table["a"] + table["b"] > 0).astype(int))


def with_column(values: Any) -> pd.DataFrame:
    return frame().assign(c=values)


def unsorted_classes() -> pd.DataFrame:
    return frame().assign(target=lambda t: t["target"].map({0: 7, 1: -3}))


def words() -> pd.DataFrame:
    return frame().assign(target=lambda t: t["target"].map({0: "yes", 1: "no"}))


def booleans() -> pd.DataFrame:
    return frame().assign(target=lambda t: t["target"] == 1)


def classes_apart() -> pd.DataFrame:
    """Each class in its own part of the file, so that partitions lack some."""
    return frame(3000).sort_values("target", ignore_index=True)


def wide() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    columns = {f"x{number}": rng.normal(size=N_ROWS) for number in range(5000)}
    return pd.DataFrame(columns | {"target": frame()["target"]})


def huge_and_tiny() -> pd.DataFrame:
    table = frame()
    return table.assign(a=table["a"] * 1e150, b=table["b"] * 1e-150)


AWKWARD: dict[str, Callable[[], pd.DataFrame]] = {
    "a column without values": lambda: with_column(np.nan),
    "a constant column": lambda: with_column(3.0),
    "one row": lambda: frame(1),
    "a partition without rows": lambda: frame(),
    "more workers than partitions": lambda: frame(4).assign(target=[0, 1, 0, 1]),
    "5,000 columns": wide,
    "unsorted classes": unsorted_classes,
    "classes missing in a partition": classes_apart,
    "words as classes": words,
    "booleans as classes": booleans,
    "huge and tiny values": huge_and_tiny,
}
WORDS: dict[str, dict[str, Any]] = {
    "gridsearch": {
        "estimator": ["StandardScaler", "LogisticRegression"],
        "grid": {"logisticregression__C": [1.0]},
        "cv": 2,
    },
    "kmeans": {"params": {"n_clusters": 2}},
    "forest": {"params": {"n_estimators": 5}},
    "xgboost": {"params": {"n_estimators": 5}},
    "lightgbm": {"params": {"n_estimators": 5}},
}
# What has no right answer, and so must be refused; and what some tasks have none for: trees work
# in float32, and the sums of others overflow.
REFUSED = {"a column without values", "one row"}
REFUSABLE = {"more workers than partitions", "huge and tiny values"}
# Columns that say nothing of the target: any score is right.
NOISE = "5,000 columns"


def write(folder: Path, case: str) -> Path:
    """Write a case as Parquet: small row groups, so that there are partitions."""
    if case == "a partition without rows":
        folder = folder / "parts"
        folder.mkdir()
        table = frame()
        for number, part in enumerate((table[:60], table[60:60], table[60:])):
            part.to_parquet(folder / f"{number}.parquet", index=False)
        return folder
    path = folder / "table.parquet"
    AWKWARD[case]().to_parquet(path, index=False, row_group_size=1000)
    return path


@pytest.mark.parametrize("case", AWKWARD)
@pytest.mark.parametrize("name", [name for name in registry.names() if name != "predict"])
def test_the_right_answer_or_one_clear_error(
    client: Client, tmp_path: Path, name: str, case: str
) -> None:
    data = {"path": str(write(tmp_path, case))}
    task = registry.load(name)
    if name != "kmeans":
        data["target"] = "target"
    job = make_job(name, data=data, **WORDS.get(name, {}))
    run = QuietRun(tmp_path)
    try:
        source = task.source(job)
        task.check(job, inspect(source))
        metrics = task.run(client, source, job.settings, run).metrics
    except BadInput as error:
        assert case in REFUSED | REFUSABLE, error
        assert "\n" not in str(error)
        return
    assert case not in REFUSED
    numbers = [value for value in metrics.values() if isinstance(value, float)]
    assert numbers and all(math.isfinite(value) for value in numbers)
    if case != NOISE:
        assert metrics.get("test_accuracy", 1.0) > 0.4
