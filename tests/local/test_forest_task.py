"""The task forest: scikit-learn's forest of the job's own rows, its files, and clear refusals."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from distributed import Client
from quiet_run import QuietRun
from sklearn.ensemble import ExtraTreesRegressor, RandomForestClassifier

from hpc_ml import make_job
from hpc_ml.api import check
from hpc_ml.data import inspect
from hpc_ml.errors import BadJob
from hpc_ml.tasks import forest
from hpc_ml.tasks.registry import TaskResult
from hpc_ml.tasks.rows import open_rows
from hpc_ml.tasks.stored_models import load_model
from tests.conftest import Command, json_of

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "forest.yaml"


@pytest.fixture
def behaviour(tmp_path: Path) -> Path:
    """A CSV of what users did, some of it missing."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "user_id": rng.integers(0, 300, size=2000),
            "category": rng.choice(["books", "games", "music", "tools"], size=2000),
            "duration_s": rng.exponential(60, size=2000).round(1),
            "seen": pd.Timestamp("2026-11-01") + pd.to_timedelta(rng.integers(0, 1e6, 2000), "s"),
        }
    )
    likes = (table["duration_s"] > 50) & (table["category"] != "tools")
    table["bought"] = (likes ^ (table["seen"].dt.hour > 20)).astype(int)
    table.loc[::17, "duration_s"] = np.nan
    table.to_csv(tmp_path / "behaviour.csv", index=False)
    return tmp_path / "behaviour.csv"


def rows_of(job: Any, folder: Path) -> tuple[Any, Any, Any, Any]:
    """Return X and y of the training rows and of those held out, as the job has them."""
    with open_rows(None, forest.source(job), QuietRun(folder)) as rows:
        blocks = rows.collective.map(lambda block, _state, _memory: block)
    held_out = [block.held_out for block in blocks]
    parts = [[getattr(block, name) for block in side] for side in (blocks, held_out)
             for name in ("X", "y")]  # fmt: skip
    return tuple(np.concatenate(part) for part in parts)


def run_task(client: Client, run: Any, data: dict[str, Any], **settings: Any) -> TaskResult:
    job = make_job("forest", data=data, **settings)
    source = forest.source(job)
    forest.check(job, inspect(source))
    return forest.run(client, source, job.settings, run)


def test_the_example_is_scikit_learns_forest(
    hpc_ml: Command, tmp_path: Path, behaviour: Path
) -> None:
    run = json_of(hpc_ml("run", "forest", "--job", EXAMPLE, "--data", behaviour, "--json"))

    data = {"path": str(behaviour), "target": "bought", "drop": ["user_id"], "missing": "drop",
            "dates": {"seen": ["hour"]}, "categorical": ["category"]}  # fmt: skip
    X, y, X_test, y_test = rows_of(make_job("forest", data=data), tmp_path)
    theirs = RandomForestClassifier(n_estimators=100, oob_score=True, random_state=0).fit(X, y)
    assert run["metrics"]["oob_score"] == theirs.oob_score_
    assert run["metrics"]["test_accuracy"] == theirs.score(X_test, y_test)
    assert theirs.score(X_test, y_test) > 0.95

    with open(run["artefacts"]["importances"], newline="") as file:
        importances = {row["feature"]: float(row["importance"]) for row in csv.DictReader(file)}
    assert next(iter(importances)) == "duration_s"
    assert sorted(importances.values()) == pytest.approx(sorted(theirs.feature_importances_))
    assert "seen_hour" in importances


def test_numbers_are_predicted_by_regression(
    client: Client, tmp_path: Path, behaviour: Path
) -> None:
    data = {"path": str(behaviour), "target": "duration_s", "missing": "drop",
            "drop": ["seen", "category"]}  # fmt: skip
    settings = {"kind": "extra", "n_estimators": 9, "min_samples_leaf": 5,
                "params": {"criterion": "poisson"}}  # fmt: skip
    result = run_task(client, QuietRun(tmp_path), data, **settings)
    X, y, X_test, y_test = rows_of(make_job("forest", data=data, **settings), tmp_path)
    theirs = ExtraTreesRegressor(9, min_samples_leaf=5, criterion="poisson", random_state=0)
    assert result.metrics == {"test_r2": pytest.approx(theirs.fit(X, y).score(X_test, y_test))}
    found = load_model(tmp_path / "model").estimator
    np.testing.assert_array_equal(found.predict(X_test), theirs.predict(X_test))


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"params": {"n_estimators": 5}, "n_estimators": 6}, "n_estimators is given twice"),
        ({"params": {"n_jobs": 2}}, "n_jobs has no meaning here"),
        ({"params": {"depth": 2}}, "has no parameter 'depth'"),
        ({"max_features": 1.5}, "'max_features' parameter .* must be"),
        ({"kind": "extra", "oob_score": True}, "only available if bootstrap=True"),
        ({"predict": "numbers", "class_weight": "balanced"}, "no parameter 'class_weight'"),
        ({"scoring": "r2"}, "r2 is a score of numbers"),
    ],
    ids=lambda value: "" if isinstance(value, str) else str(value),
)
def test_what_no_forest_can_do_is_refused(
    behaviour: Path, settings: dict[str, Any], problem: str
) -> None:
    data = {"path": str(behaviour), "target": "bought", "missing": "drop", "drop": ["seen"]}
    with pytest.raises(BadJob, match=problem):
        check(make_job("forest", data=data, **settings))
