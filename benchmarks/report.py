"""Shows what a benchmark has measured: as a table, as a figure, and against an earlier run of it.

    python benchmarks/report.py benchmarks/results/kmeans.json --figure kmeans.svg
    python benchmarks/report.py benchmarks/results/kmeans.json --earlier kmeans-before.json

With `--earlier`, `change` is the ratio to the base now by that of the earlier run: ratios were
taken side by side, so that they can be compared where seconds of two machines cannot. A change is
named where the quartiles do not overlap.
"""

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

Summary = Mapping[str, Mapping[str, Mapping[str, float]]]


def workloads(results: Mapping[str, Any]) -> Iterator[tuple[str, Summary]]:
    """Yield the title and the summary of each workload, whatever it is nested in."""
    for title, value in results.items():
        if not isinstance(value, Mapping):
            continue
        if "summary" in value:
            yield title, value["summary"]
        elif title != "host":
            yield from ((f"{title}, {inner}", found) for inner, found in workloads(value))


def spread(values: Mapping[str, float]) -> str:
    return f"{values['median']:.3f} ({values['low']:.3f} to {values['high']:.3f})"


def say_change(now: Mapping[str, float], before: Mapping[str, float] | None) -> str:
    if before is None:
        return "new"
    change = f"{now['median'] / before['median']:.2f} x"
    if now["low"] > before["high"]:
        return f"{change}, slower"
    if now["high"] < before["low"]:
        return f"{change}, faster"
    return f"{change}, within the quartiles"


def show(results: Mapping[str, Any], earlier: Mapping[str, Any] | None, console: Console) -> None:
    """Print a table of each workload."""
    before = dict(workloads(earlier)) if earlier is not None else {}
    for title, summary in workloads(results):
        table = Table(title=title, title_justify="left")
        for heading in ("", "seconds", "ratio", *(["change"] if earlier is not None else [])):
            table.add_column(heading, justify="right" if heading else "left")
        for side, measured in summary.items():
            cells = [side, spread(measured["wall_s"]), spread(measured["ratio"])]
            if earlier is not None:
                old = before.get(title, {}).get(side)
                cells.append(say_change(measured["ratio"], None if old is None else old["ratio"]))
            table.add_row(*cells)
        console.print(table)


def draw(results: Mapping[str, Any], path: Path) -> None:
    """Draw the ratios of all sides, a row of bars for each workload, with their quartiles."""
    from matplotlib.figure import Figure

    found = list(workloads(results))
    heights = [len(summary) for _, summary in found]
    figure = Figure(figsize=(8, 0.9 * len(found) + 0.3 * sum(heights)), layout="constrained")
    axes = figure.subplots(len(found), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axis, (title, summary) in zip(axes, found, strict=True):
        sides = list(summary)[::-1]
        ratios = [summary[side]["ratio"] for side in sides]
        medians = [ratio["median"] for ratio in ratios]
        errors = [
            [ratio["median"] - ratio["low"] for ratio in ratios],
            [ratio["high"] - ratio["median"] for ratio in ratios],
        ]
        colours = ["#2f6f9f" if side.startswith("hpc-ml") else "#b8b8b8" for side in sides]
        bars = axis.barh(sides, medians, xerr=errors, color=colours, capsize=3)
        axis.bar_label(bars, [f"{median:.2f}" for median in medians], padding=6)
        axis.axvline(1, color="black", linewidth=0.8)
        axis.margins(x=0.15)
        axis.set_title(title, loc="left", fontsize=10)
        axis.spines[["top", "right"]].set_visible(False)
    axes[-1].set_xlabel("wall time by that of the base in the same round (median, quartiles)")
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="what a benchmark wrote")
    parser.add_argument("--earlier", type=Path, help="what it wrote earlier")
    parser.add_argument("--figure", type=Path, help="where to draw a figure: .svg, .png or .pdf")
    words = parser.parse_args()
    results = json.loads(words.results.read_text())
    earlier = json.loads(words.earlier.read_text()) if words.earlier else None
    show(results, earlier, Console())
    if words.figure:
        draw(results, words.figure)


if __name__ == "__main__":
    main()
