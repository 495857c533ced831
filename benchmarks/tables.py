"""Prints what was measured, a line for each side, medians first."""

from collections.abc import Mapping

from pairs import Spread, Summary
from rich import box
from rich.console import Console
from rich.table import Table

# Narrower than this, a line of the widest benchmark does not fit.
WIDTH = 124
HEADINGS = {
    "wall_s": "wall s (quartiles)",
    "ratio": "ratio (quartiles)",
    "matched_ratio": "matched\nratio",
    "load_s": "load\ns",
    "fit_s": "fit\ns",
    "fits_s": "fits\ns",
    "whole_s": "whole\ns",
    "whole_ratio": "whole\nratio",
    "more_memory_mib": "memory\nMiB",
    "first_fit_s": "first\nfit s",
    "best_score": "best\nscore",
}
# With quartiles, and ahead of all others.
SPREAD = ("wall_s", "ratio")
LAST = "more_memory_mib"
# Below this a number is said by its exponent.
_SMALL = 1e-3


def open_console(width: int = WIDTH) -> Console:
    """Return a console that is wide enough for the tables, also where there is no terminal."""
    return Console(width=max(width, Console().width))


def show(title: str, summary: Summary, console: Console) -> None:
    """Print a line for each side: quartiles of the times and ratios, medians of the rest."""
    console.print(make_table(title, summary))


def make_table(
    title: str, summary: Summary, more: Mapping[str, Mapping[str, str]] | None = None
) -> Table:
    """Return the table; `more` maps further headings to the words of each side."""
    found = dict.fromkeys(key for spreads in summary.values() for key in spreads)
    others = sorted((key for key in found if key not in SPREAD), key=lambda key: key == LAST)
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    headings = ["n", *(HEADINGS.get(key, key) for key in (*SPREAD, *others)), *(more or {})]
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for side, spreads in summary.items():
        cells = [side, say_number_of_rounds(spreads)]
        cells += [say_spread(spreads[key]) for key in SPREAD]
        cells += [say_median(key, spreads[key]) if key in spreads else "" for key in others]
        table.add_row(*cells, *(words.get(side, "") for words in (more or {}).values()))
    return table


def say_number_of_rounds(spreads: Mapping[str, Spread]) -> str:
    """Say how often a side was measured, and in how many rounds beside its base if fewer."""
    own, beside = spreads["wall_s"].n, spreads["ratio"].n
    if not own:
        return ""
    return str(own) if own == beside else f"{own} ({beside})"


def say_spread(spread: Spread) -> str:
    if spread.n == 1:
        return say(spread.median)
    return f"{say(spread.median)} ({say(spread.low)}-{say(spread.high)})"


def say_median(key: str, spread: Spread) -> str:
    """Say a median: of what measures quality with more digits than of times."""
    is_quality = not key.endswith(("_s", "_mib", "ratio", "overhead"))
    if is_quality and abs(spread.median) >= _SMALL:
        return f"{spread.median:.5g}"
    return say(spread.median)


def say(value: float) -> str:
    """Say a number with about three digits."""
    size = abs(value)
    if value == int(value) or size >= 100:
        return f"{value:,.0f}"
    if size < _SMALL:
        return f"{value:.1e}"
    return f"{value:.{1 if size >= 10 else 2 if size >= 1 else 3 if size >= 0.01 else 4}f}"
