"""Draws what a benchmark has measured: ratios and memory of all sides, and growth with sizes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from growth import find_families, median_s
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator
from memory import KEY
from pairs import Spread, Summary
from tables import say

OURS_COLOUR = "#1f6aa5"
# Okabe and Ito's, told apart by those who see colours otherwise too.
OTHER_COLOURS = ("#555555", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9")
_WIDTH_IN, _SIDE_IN, _HEAD_IN, _GROWTH_IN = 10, 0.27, 0.65, 3.8


def draw(results: Mapping[str, Any], works: Sequence[tuple[str, str, Summary]], path: Path) -> None:
    """Draw a row for each work, and below a curve for each family of several sizes."""
    families = {name: found for name, found in find_families(results).items() if len(found) > 1}
    counts = [len(summary) for _, _, summary in works]
    heights = [_HEAD_IN + _SIDE_IN * count for count in counts]
    heights += [_GROWTH_IN] * bool(families)
    figure = Figure(figsize=(_WIDTH_IN, sum(heights)), layout="constrained")
    figure.get_layout_engine().set(h_pad=0.06, w_pad=0.06)
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    for part, (title, base, summary) in zip(parts, works, strict=False):
        draw_work(part, title, base, summary)
    if families:
        draw_growth(parts[-1], families)
    figure.savefig(path, dpi=110)


def draw_work(part: Any, title: str, base: str, summary: Summary) -> None:
    """Draw the ratios of the sides with their quartiles, and beside them their memory."""
    sides = list(summary)[::-1]
    has_memory = any(KEY in summary[side] for side in sides)
    left, *right = part.subplots(
        1, 2 if has_memory else 1, width_ratios=(3, 1) if has_memory else (1,), squeeze=False
    )[0]
    part.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    draw_ratios(left, sides, [summary[side]["ratio"] for side in sides], base)
    for axes in right:
        values = [summary[side][KEY].median if KEY in summary[side] else 0.0 for side in sides]
        bars = axes.barh(sides, values, height=0.55, color=[colour_of(side) for side in sides])
        labels = [say(summary[side][KEY].median) if KEY in summary[side] else "" for side in sides]
        axes.bar_label(bars, labels, padding=3, fontsize=8)
        axes.set_yticks([])
        axes.set_xlabel("more memory, MiB", fontsize=8)
        axes.margins(x=0.3)
        trim(axes)


def draw_ratios(axes: Axes, sides: list[str], ratios: list[Spread], base: str) -> None:
    """Draw medians as points on a scale of factors, with the quartiles as lines."""
    for number, (side, ratio) in enumerate(zip(sides, ratios, strict=True)):
        colour = colour_of(side)
        axes.plot([ratio.low, ratio.high], [number, number], color=colour, linewidth=2.5, alpha=0.5)
        axes.plot(ratio.median, number, "o", color=colour, markersize=6)
        axes.annotate(
            say(ratio.median), (max(ratio.high, ratio.median), number), (7, 0), fontsize=8,
            textcoords="offset points", va="center",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
        )  # fmt: skip
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    # A difference of two times may come out negative on a busy machine.
    low = min((ratio.low for ratio in ratios if ratio.low > 0), default=1)
    high = max(ratio.high for ratio in ratios)
    axes.set_xlim(min(low, 0.5) / 1.2, max(high, 2) * 1.35)
    axes.set_ylim(-0.6, len(sides) - 0.4)
    axes.set_yticks(range(len(sides)), sides, fontsize=9)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(f"wall time by that of {base or 'the base'}", fontsize=8)
    axes.grid(axis="x", color="#e5e5e5")
    axes.set_axisbelow(True)
    trim(axes)


def draw_growth(part: Any, families: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Draw seconds over sizes, a panel for each family."""
    part.suptitle("Growth with the data", x=0.01, ha="left", fontsize=10, fontweight="bold")
    panels = part.subplots(1, len(families), squeeze=False)[0]
    for axes, (family, works) in zip(panels, families.items(), strict=True):
        sides = list(works[-1]["rounds"])
        colours = dict(zip(sides, (OURS_COLOUR, *OTHER_COLOURS), strict=False))
        for side in sides:
            points = [(w["size"], median_s(w, side)) for w in works if side in w["rounds"]]
            line = "-" if side == sides[0] else "--" if side.startswith("hpc-ml") else ":"
            axes.plot(
                *zip(*points, strict=True), line, marker="o", markersize=4,
                label=side, color=colours.get(side),
            )  # fmt: skip
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xticks([work["size"] for work in works], [f"{w['size']:,}" for w in works])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.margins(x=0.1)
        axes.set_title(family, loc="left", fontsize=9)
        axes.set_xlabel(works[-1]["unit"], fontsize=8)
        axes.set_ylabel("wall s", fontsize=8)
        place = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.17)}
        axes.legend(fontsize=7, frameon=False, ncols=2, **place)
        trim(axes)


def colour_of(side: str) -> str:
    return OURS_COLOUR if side.startswith("hpc-ml") else "#8a8a8a"


def trim(axes: Axes) -> None:
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
