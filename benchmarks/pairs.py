"""Measures sides against each other in one run, in turns, so that a slow minute hits all alike."""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

PACKAGES = ("dask", "dask-ml", "distributed", "joblib", "numpy", "scikit-learn", "scipy")


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of a few measurements."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        if len(values) < 2:
            return cls(values[0], values[0], values[0])
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)

    def __str__(self) -> str:
        return f"{self.median:.3f} ({self.low:.3f} to {self.high:.3f})"


def run_in_turns(
    sides: Mapping[str, Callable[[], Mapping[str, float]]], pairs: int, console: Console
) -> dict[str, list[dict[str, float]]]:
    """Run every side `pairs` times, each round in another order.

    A side returns what it measured itself; its wall time is added as `wall_s`.
    """
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    names = list(sides)
    for turn in range(pairs):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            start_s = time.perf_counter()
            own = sides[name]()
            wall_s = time.perf_counter() - start_s
            measured[name].append({"wall_s": wall_s, **own})
            console.print(f"  {turn + 1}/{pairs} {name}: {wall_s:.2f} s", highlight=False)
    return measured


def compare(
    measured: Mapping[str, Sequence[Mapping[str, float]]], base: str
) -> dict[str, dict[str, Any]]:
    """Return for each side the spread of what it measured, and of its ratio to `base` by pair."""
    summary: dict[str, dict[str, Any]] = {}
    for name, rounds in measured.items():
        summary[name] = {key: Spread.of([one[key] for one in rounds]) for key in rounds[0]}
        ratios = [
            one["wall_s"] / other["wall_s"]
            for one, other in zip(rounds, measured[base], strict=True)
        ]
        summary[name]["ratio"] = Spread.of(ratios)
    return summary


def show(title: str, summary: Mapping[str, Mapping[str, Spread]], console: Console) -> None:
    """Print medians with their quartiles, one line a side."""
    keys = list(dict.fromkeys(key for spreads in summary.values() for key in spreads))
    table = Table(title=title, title_justify="left")
    for heading in ("", *keys):
        table.add_column(heading, justify="right" if heading else "left")
    for name, spreads in summary.items():
        table.add_row(name, *(str(spreads.get(key, "")) for key in keys))
    console.print(table)


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
