"""Finds in what a benchmark has measured how time grows with the data and falls with workers."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pairs import take_ratio
from rich import box
from rich.console import Console
from rich.table import Table
from tables import say

ONE_WORKER = "hpc-ml, 1 worker"


@dataclass(frozen=True)
class Growth:
    """One side from a small size to a larger one, or from one worker to all."""

    family: str
    side: str
    step: str
    seconds: str
    size_factor: float
    time_factor: float


def find_families(results: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    """Return the works that differ in their size alone, the smallest first, by their family."""
    families = defaultdict(list)
    for work in results.values():
        if isinstance(work, Mapping) and "family" in work:
            families[work["family"]].append(work)
    return {name: sorted(works, key=lambda work: work["size"]) for name, works in families.items()}


def find_growth(results: Mapping[str, Any]) -> list[Growth]:
    """Return how every side grows with sizes, and ours with workers."""
    found = []
    for family, works in find_families(results).items():
        for small, large in pairwise(works):
            found += [
                grow_with_size(family, side, small, large)
                for side in large["rounds"]
                if side in small["rounds"]
            ]
        found += [grow_with_workers(family, work) for work in works if ONE_WORKER in work["rounds"]]
    return found


def grow_with_size(
    family: str, side: str, small: Mapping[str, Any], large: Mapping[str, Any]
) -> Growth:
    before_s, after_s = (median_s(work, side) for work in (small, large))
    step = f"{small['size']:,} to {large['size']:,} {large['unit']}"
    factor = large["size"] / small["size"]
    seconds = f"{say(before_s)} to {say(after_s)}"
    return Growth(family, side, step, seconds, factor, after_s / before_s)


def grow_with_workers(family: str, work: Mapping[str, Any]) -> Growth:
    """Return what one worker takes beside the first side, which has two, in the same rounds."""
    ours = next(iter(work["rounds"]))
    ratio = take_ratio(work["rounds"][ours], work["rounds"][ONE_WORKER])
    seconds = f"{say(median_s(work, ONE_WORKER))} to {say(median_s(work, ours))}"
    step = f"1 to 2 workers, {work['size']:,}"
    return Growth(family, ours, step, seconds, 2, ratio.median)


def median_s(work: Mapping[str, Any], side: str) -> float:
    spread = work["summary"][side]["wall_s"]
    return float(spread["median"] if isinstance(spread, Mapping) else spread.median)


def show_growth(results: Mapping[str, Any], console: Console) -> None:
    """Print a line for each step of each side; nothing where there is no step."""
    found = find_growth(results)
    if not found:
        return
    table = Table(title="Growth", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("", "side", "from, to", "wall s", "size x", "time x"):
        is_number = heading[-1:] in ("s", "x")
        table.add_column(heading, justify="right" if is_number else "left", no_wrap=True)
    said = ""
    for one in found:
        family, said = "" if one.family == said else one.family, one.family
        factors = (f"{one.size_factor:g}", say(one.time_factor))
        table.add_row(family, one.side, one.step, one.seconds, *factors)
    console.print(table)
