"""Measures sides against each other in one run, in turns, so that a slow minute hits all alike."""

import gc
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console

PACKAGES = (
    "hpc-ml", "dask", "dask-ml", "distributed", "joblib", "lightgbm", "numpy", "pandas", "pyarrow",
    "scikit-learn", "scipy", "xgboost", "xgboost-cpu",
)  # fmt: skip

Measure = Callable[[], Mapping[str, float]]
Measured = dict[str, list[dict[str, float]]]


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of `n` measurements."""

    median: float
    low: float
    high: float
    n: int = 0

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        if len(values) < 2:
            return cls(values[0], values[0], values[0], len(values))
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high, len(values))


Summary = Mapping[str, Mapping[str, Spread]]


def run_in_turns(
    sides: Mapping[str, Measure],
    pairs: int,
    console: Console,
    *,
    slow: Collection[str] = (),
    slow_pairs: int | None = None,
) -> Measured:
    """Run every side `pairs` times, each round in another order; the slow ones less often.

    A side returns what it measured itself; its wall time is added as `wall_s` where it does not
    tell it, and the number of the round as `round`.
    """
    measured: Measured = {name: [] for name in sides}
    rare = min(pairs, slow_pairs or pairs)
    turns_of_slow = {number * pairs // rare for number in range(rare)}
    names = list(sides)
    for turn in range(pairs):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            if name in slow and turn not in turns_of_slow:
                continue
            gc.collect()
            start_s = time.perf_counter()
            own = sides[name]()
            wall_s = time.perf_counter() - start_s
            measured[name].append({"round": turn + 1, "wall_s": wall_s, **own})
            took_s = measured[name][-1]["wall_s"]
            console.print(f"  {turn + 1}/{pairs} {name}: {took_s:.3f} s", highlight=False)
    return measured


def compare(
    measured: Mapping[str, Sequence[Mapping[str, float]]],
    base: str,
    matched: Mapping[str, str] | None = None,
) -> dict[str, dict[str, Spread]]:
    """Return for each side the spread of what it measured, and of its ratios round by round.

    `ratio` is `wall_s` by that of `base` in the same round, `whole_ratio` the same of `whole_s`;
    `matched_ratio` is by the side that `matched` names for it.
    """
    summary: dict[str, dict[str, Spread]] = {}
    for name, rounds in measured.items():
        keys = [key for key in rounds[0] if key != "round"]
        summary[name] = {key: Spread.of([one[key] for one in rounds]) for key in keys}
        summary[name]["ratio"] = take_ratio(rounds, measured[base])
        if "whole_s" in keys and "whole_s" in measured[base][0]:
            summary[name]["whole_ratio"] = take_ratio(rounds, measured[base], "whole_s")
        if other := measured.get((matched or {}).get(name, "")):
            summary[name]["matched_ratio"] = take_ratio(rounds, other)
    return summary


def take_ratio(
    rounds: Sequence[Mapping[str, float]],
    others: Sequence[Mapping[str, float]],
    key: str = "wall_s",
) -> Spread:
    """Return the spread of the ratios in the rounds that both took part in."""
    by_round = {other["round"]: other[key] for other in others}
    return Spread.of(
        [one[key] / by_round[one["round"]] for one in rounds if one["round"] in by_round]
    )


def describe_host() -> dict[str, Any]:
    """Return what the numbers depend on: the machine and the versions."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "cores": len(os.sched_getaffinity(0)),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "load_average": os.getloadavg()[0],
        "versions": versions,
    }


def write(path: Path, results: Mapping[str, Any]) -> None:
    """Write everything measured as JSON, every round of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"host": describe_host(), **results}, indent=2, default=vars) + "\n")
