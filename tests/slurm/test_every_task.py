"""Every task's reference job with workers that are batch jobs of a real Slurm."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegressionCV

from tests.conftest import Command, json_of
from tests.privacy import assert_private
from tests.reference_jobs import JOBS, words_of
from tests.slurm.conftest import SITES, await_empty_queue

OVER_SLURM = ("--on", "slurm", "--site", SITES["slurm"], "--workers", 2, "--json")


@pytest.mark.parametrize("task", JOBS)
def test_the_reference_job_over_slurm(hpc_ml: Command, task: str) -> None:
    run = json_of(hpc_ml("run", *words_of(task), *OVER_SLURM))

    assert run["state"] == "completed"
    JOBS[task].check(run)
    await_empty_queue()
    assert_private(Path(run["dir"]))


def test_a_table_far_larger_than_what_was_learned_from_over_slurm(
    hpc_ml: Command, tmp_path: Path
) -> None:
    """A model of 1,000 rows tells 100,000 as it tells them at once."""
    X, y = make_classification(n_samples=101_000, n_features=10, random_state=0)
    model = LogisticRegressionCV(
        Cs=4, cv=3, l1_ratios=(0,), use_legacy_attributes=False, scoring="accuracy"
    )
    skops.io.dump(model.fit(X[:1000], y[:1000]), tmp_path / "model.skops")
    np.save(tmp_path / "rows.npy", X[1000:])

    run = json_of(
        hpc_ml(
            "run", "predict", "--model", tmp_path / "model.skops", "--data", tmp_path / "rows.npy",
            "--output", "label,probability", "--set", "data.partition_size=1 MiB", *OVER_SLURM,
        )
    )  # fmt: skip

    parts = sorted(Path(run["artefacts"]["predictions"]).glob("*.parquet"))
    assert len(parts) > 2
    found = pd.concat(map(pd.read_parquet, parts))
    assert found.pop("prediction").tolist() == model.predict(X[1000:]).tolist()
    assert np.allclose(found, model.predict_proba(X[1000:]), rtol=1e-12, atol=0)
    await_empty_queue()
