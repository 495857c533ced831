"""The reference jobs of every task but the search: the examples, scaled to a small machine."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parent.parent / "examples"

Check = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class ReferenceJob:
    """An example, the data that scale it, and what must come of it."""

    data: str
    check: Check


def finds_three_blobs(run: Mapping[str, Any]) -> None:
    metrics = run["metrics"]
    # Blobs of variance 1 in two dimensions: about 2 a row, where each has a centre of its own.
    assert 1.5 < metrics["inertia"] / 60_000 < 2.1
    assert metrics["n_iter"] >= 2


def scores(name: str, least: float) -> Check:
    def check(run: Mapping[str, Any]) -> None:
        assert run["metrics"][name] > least

    return check


JOBS: Mapping[str, ReferenceJob] = {
    "kmeans": ReferenceJob(
        "make_blobs(n_samples=60000, n_features=2, centers=3, random_state=0)",
        finds_three_blobs,
    ),
    "linear": ReferenceJob(
        "make_classification(n_samples=20000, n_features=50, random_state=0)",
        scores("test_accuracy", 0.8),
    ),
    "sgd": ReferenceJob(
        "make_classification(n_samples=20000, n_features=20, random_state=0)",
        scores("test_accuracy", 0.7),
    ),
    "xgboost": ReferenceJob(
        "make_classification(n_samples=5000, n_features=100, random_state=0)",
        scores("test_accuracy", 0.8),
    ),
    "lightgbm": ReferenceJob(
        "make_classification(n_samples=5000, n_features=100, random_state=0)",
        scores("test_accuracy", 0.8),
    ),
    "forest": ReferenceJob(str(EXAMPLES / "behaviour.csv"), scores("test_accuracy", 0.6)),
}


def words_of(task: str) -> tuple[str, ...]:
    """Return the words of a task's reference job."""
    return (task, "--job", str(EXAMPLES / f"{task}.yaml"), "--data", JOBS[task].data)
