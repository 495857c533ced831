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

from growth import show_growth
from pairs import Spread, Summary
from rich.console import Console
from tables import WIDTH, make_table, open_console

_CHANGE_WIDTH = 20


def read_works(results: Mapping[str, Any]) -> Iterator[tuple[str, str, Summary]]:
    """Yield title, base and summary of each work."""
    for title, work in results.items():
        if isinstance(work, Mapping) and "summary" in work:
            summary = {
                side: {key: Spread(**spread) for key, spread in spreads.items()}
                for side, spreads in work["summary"].items()
            }
            yield title, work.get("base", ""), summary


def say_change(now: Spread, before: Spread | None) -> str:
    if before is None:
        return "new"
    if now == before:
        return "the same"
    change = f"{now.median / before.median:.2f} x"
    if now.low > before.high:
        return f"{change}, slower"
    if now.high < before.low:
        return f"{change}, faster"
    return f"{change}, within"


def show(results: Mapping[str, Any], earlier: Mapping[str, Any] | None, console: Console) -> None:
    """Print a table of each work, and how times grow."""
    before = {title: summary for title, _, summary in read_works(earlier or {})}
    for title, base, summary in read_works(results):
        more = {}
        if earlier is not None:
            old = {side: spreads["ratio"] for side, spreads in before.get(title, {}).items()}
            changes = {
                side: say_change(spreads["ratio"], old.get(side))
                for side, spreads in summary.items()
            }
            more = {"change": changes}
        heading = f"{title}; ratios to {base}" if base else title
        console.print(make_table(heading, summary, more))
    show_growth(results, console)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, help="what a benchmark wrote")
    parser.add_argument("--earlier", type=Path, help="what it wrote earlier")
    parser.add_argument("--figure", type=Path, help="where to draw a figure: .svg, .png or .pdf")
    words = parser.parse_args()
    results = json.loads(words.results.read_text())
    earlier = json.loads(words.earlier.read_text()) if words.earlier else None
    show(results, earlier, open_console(WIDTH + (_CHANGE_WIDTH if words.earlier else 0)))
    if words.figure:
        from figures import draw

        draw(results, list(read_works(results)), words.figure)


if __name__ == "__main__":
    main()
