"""Every task's reference job on this machine."""

from pathlib import Path

import pandas as pd
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import train_test_split

from hpc_ml.tasks import registry
from tests.conftest import Command, json_of
from tests.reference_jobs import JOBS


def test_every_task_has_a_reference_job() -> None:
    assert set(JOBS) | {"gridsearch", "predict"} == set(registry.names())


def test_a_table_far_larger_than_what_was_learned_from(hpc_ml: Command, tmp_path: Path) -> None:
    """LogisticRegressionCV of 1,000 rows predicts 100,000 as if it did them at once."""
    X, y = make_classification(n_samples=101_000, n_features=10, random_state=0)
    names = [f"x{number}" for number in range(10)]
    table = pd.DataFrame(X, columns=names)
    table.assign(y=y)[:1000].to_parquet(tmp_path / "small.parquet", index=False)
    table.assign(row=range(len(table)))[1000:].to_parquet(tmp_path / "large.parquet", index=False)
    model = LogisticRegressionCV(
        Cs=4, cv=3, l1_ratios=(0,), use_legacy_attributes=False, scoring="accuracy", random_state=0
    )
    train, _ = train_test_split(range(1000), test_size=0.2, random_state=0, stratify=y[:1000])
    expected = model.fit(X[train], y[train]).predict(X[1000:])

    fitted = json_of(
        hpc_ml(
            "run", "gridsearch", "--data", tmp_path / "small.parquet", "--target", "y",
            "--estimator", "LogisticRegressionCV", "--grid", "Cs=4", "--cv", 3, "--param", "cv=3",
            "--param", "l1_ratios=[0]", "--param", "use_legacy_attributes=false",
            "--param", "scoring=accuracy", "--json",
        )
    )  # fmt: skip
    run = json_of(
        hpc_ml(
            "run", "predict", "--model", fitted["run"], "--data", tmp_path / "large.parquet",
            "--set", "carry=[row]", "--set", "data.partition_size=1 MiB", "--json",
        )
    )  # fmt: skip

    parts = sorted(Path(run["artefacts"]["predictions"]).glob("*.parquet"))
    assert len(parts) > 1
    found = pd.concat(map(pd.read_parquet, parts))
    assert found["row"].tolist() == list(range(1000, 101_000))
    label = next(name for name in found.columns if name != "row")
    assert found[label].to_numpy().tolist() == expected.tolist()
