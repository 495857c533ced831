"""What came of the faults, as a table and as JSON."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from statistics import median

_HEADER = ("fault", "job", "survived", "result equal", "left", "time lost", "most")


@dataclass(frozen=True)
class Outcome:
    """What one fault did to one job.

    Attributes
    ----------
    fault, job : str
        Which.
    moment_s : float
        When it happened, by the age of the controller.
    survived : bool
        Whether the run was completed.
    differences : sequence of str
        In what its result differs from the undisturbed run's.
    left : sequence of str
        Jobs, processes, locks, keys and half-written files that were left.
    lost_s : float
        Seconds of work beyond those of the undisturbed run.
    note : str
        What was said last, where it did not survive.
    """

    fault: str
    job: str
    moment_s: float
    survived: bool
    differences: Sequence[str] = ()
    left: Sequence[str] = ()
    lost_s: float = 0.0
    note: str = ""

    @property
    def good(self) -> bool:
        return self.survived and not self.differences and not self.left

    def describe(self) -> str:
        """Return one line for a log."""
        wrong = [] if self.survived else [f"did not survive: {self.note}"]
        said = "; ".join([*wrong, *self.differences, *self.left]) or "ok"
        return f"{self.fault}: {self.job} at {self.moment_s:.2f} s ({self.lost_s:+.1f} s): {said}"


def format_table(outcomes: Iterable[Outcome]) -> str:
    """Return a row for each fault and job."""
    key = attrgetter("fault", "job")
    groups = groupby(sorted(outcomes, key=key), key)
    rows = [_HEADER, *(_format_row(*names, list(group)) for names, group in groups)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if place < 2 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def _format_row(fault: str, job: str, group: Sequence[Outcome]) -> tuple[str, ...]:
    lost = [outcome.lost_s for outcome in group]
    return (
        fault,
        job,
        f"{sum(outcome.survived for outcome in group)}/{len(group)}",
        f"{sum(outcome.survived and not outcome.differences for outcome in group)}/{len(group)}",
        str(sum(len(outcome.left) for outcome in group)),
        f"{median(lost):.1f} s",
        f"{max(lost):.1f} s",
    )


def write_outcomes(path: Path, outcomes: Iterable[Outcome]) -> None:
    """Write all outcomes as JSON."""
    path.write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=1) + "\n")
