"""The reference jobs of every task but the search: the examples, scaled to a small machine."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

EXAMPLES = Path(__file__).parent.parent / "examples"

Check = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class ReferenceJob:
    """An example, the words that scale it, the file it reads if any, and what must come of it."""

    words: tuple[str, ...]
    check: Check
    write: Callable[[Path], None] | None = None


def write_behaviour(path: Path) -> None:
    """Write what users did: who buys depends on the hour and the category."""
    rng = np.random.default_rng(0)
    rows = 3000
    hour = rng.integers(24, size=rows)
    category = rng.choice(["books", "games", "shoes"], size=rows)
    duration_s = np.where(rng.random(rows) < 0.02, np.nan, rng.exponential(60, rows).round(1))
    chance = 0.1 + 0.5 * (hour >= 17) + 0.3 * (category == "games")
    pd.DataFrame(
        {
            "user_id": np.arange(rows),
            "category": category,
            "duration_s": duration_s,
            "seen": pd.Timestamp("2026-11-20") + pd.to_timedelta(hour * 60 + 5, unit="min"),
            "bought": (rng.random(rows) < chance).astype(int),
        }
    ).to_csv(path, index=False)


def finds_three_blobs(run: Mapping[str, Any]) -> None:
    metrics = run["metrics"]
    # Blobs of variance 1 in two dimensions: about 2 a row, where each has a centre of its own.
    assert 1.5 < metrics["inertia"] / 60_000 < 2.1
    assert metrics["n_iter"] >= 2


def scores(name: str, least: float) -> Check:
    def check(run: Mapping[str, Any]) -> None:
        assert run["metrics"][name] > least

    return check


def _made(call: str) -> tuple[str, ...]:
    return ("--data", call)


JOBS: Mapping[str, ReferenceJob] = {
    "kmeans": ReferenceJob(
        _made("make_blobs(n_samples=60000, n_features=2, centers=3, random_state=0)"),
        finds_three_blobs,
    ),
    "linear": ReferenceJob(
        _made("make_classification(n_samples=20000, n_features=50, random_state=0)"),
        scores("test_accuracy", 0.8),
    ),
    "sgd": ReferenceJob(
        _made("make_classification(n_samples=20000, n_features=20, random_state=0)"),
        scores("test_accuracy", 0.7),
    ),
    "xgboost": ReferenceJob(
        _made("make_classification(n_samples=5000, n_features=100, random_state=0)"),
        scores("test_accuracy", 0.8),
    ),
    "lightgbm": ReferenceJob(
        _made("make_classification(n_samples=5000, n_features=100, random_state=0)"),
        scores("test_accuracy", 0.8),
    ),
    "forest": ReferenceJob((), scores("test_accuracy", 0.6), write_behaviour),
}


def words_of(task: str, folder: Path) -> list[object]:
    """Return the words of a task's reference job, with its file written to a folder."""
    job = JOBS[task]
    words: list[object] = [task, "--job", EXAMPLES / f"{task}.yaml", *job.words]
    if job.write is not None:
        path = folder / "data.csv"
        job.write(path)
        words += ["--data", path]
    return words
