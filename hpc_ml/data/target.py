"""What there is to predict: classes or a continuous number, and whether it can be learned."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from hpc_ml.data.source import DataSource
from hpc_ml.errors import BadData

if TYPE_CHECKING:
    import numpy as np

# Classes that are words are a kind of their own, since no regressor takes them.
TargetKind = Literal["classes", "text", "continuous"]

# Whole numbers with more different values than this are a quantity, unless the task is
# classification.
_MOST_CLASSES = 100
_MOST_COUNTED = 100_000


@dataclass(frozen=True)
class Target:
    """The target of a source: its kind and, for classes, the rows of each by label."""

    name: str
    kind: TargetKind
    classes: Mapping[Any, int] | None

    def describe(self, *, classifies: bool) -> str:
        """Return the target in words, with at most 6 of its values spelled out."""
        if self.classes is None:
            return f"target {self.name!r} is continuous"
        shown = [f"{label} ({count:,} rows)" for label, count in list(self.classes.items())[:6]]
        more = ", ..." if len(self.classes) > len(shown) else ""
        noun = "classes" if classifies or self.kind == "text" else "values"
        return f"target {self.name!r} has {len(self.classes)} {noun}: {', '.join(shown)}{more}"


def target_kind(y: Any) -> TargetKind:
    """Return what an array of targets holds.

    As by scikit-learn's `type_of_target`, booleans and whole numbers are classes and fractions
    continuous; words are `text`, classes too; and whole numbers of more than 100 values are
    continuous here.
    """
    counts = TargetCounts()
    counts.add(y)
    return counts.kind(classification=False)


class TargetCounts:
    """Counts the values of a target, part by part, in bounded memory."""

    def __init__(self) -> None:
        self.rows = 0
        self.counts: dict[Any, int] = {}
        self.fractional = False
        self.dtype_kind = "i"

    def add(self, values: "np.ndarray[Any, Any]") -> None:
        """Count one part: an array of numbers, booleans or str, without missing values."""
        import numpy as np
        import pandas as pd

        self.rows += len(values)
        self.dtype_kind = values.dtype.kind
        if values.dtype.kind == "f" and not self.fractional:
            self.fractional = bool((values != np.floor(values)).any())
        if len(self.counts) > (2 if self.fractional else _MOST_COUNTED) or not len(values):
            return
        if self.fractional:
            # Whether there is more than one value is all that is asked of fractions.
            values = np.array([values.min(), values.max()])
        for value, count in pd.Series(values).value_counts(sort=False).items():
            label = value.item() if hasattr(value, "item") else value
            self.counts[label] = self.counts.get(label, 0) + int(count)

    def merge(self, behind: "TargetCounts") -> None:
        """Take what was counted of another part."""
        if not behind.rows:
            return
        self.dtype_kind = behind.dtype_kind if not self.rows else self.dtype_kind
        self.rows += behind.rows
        self.fractional |= behind.fractional
        if len(self.counts) > _MOST_COUNTED:
            return
        for label, count in behind.counts.items():
            self.counts[label] = self.counts.get(label, 0) + count

    def kind(self, *, classification: bool) -> TargetKind:
        """Return what the values counted so far are."""
        if self.dtype_kind == "O":
            return "text"
        if self.fractional or len(self.counts) > _MOST_COUNTED:
            return "continuous"
        if not classification and len(self.counts) > _MOST_CLASSES:
            return "continuous"
        return "classes"

    def finish(self, name: str, source: DataSource, *, complete: bool) -> Target:
        """Return the target; with all rows counted, raise BadData where it cannot be learned."""
        kind = self.kind(classification=source.stratify)
        if complete and len(self.counts) == 1:
            raise BadData(
                f"target {name!r} has one value only, {next(iter(self.counts))!s}, in all rows",
                where=source.where,
                hint="add rows of another class, or name another column by data.target",
            )
        if source.stratify and kind == "continuous":
            raise BadData(
                f"target {name!r} holds continuous numbers, which are no classes",
                where=source.where,
                hint="take an estimator for regression, or name another column by data.target",
            )
        classes = dict(sorted(self.counts.items())) if kind != "continuous" else None
        if complete and classes is not None and source.stratify:
            _check_split(classes, self.rows, name, source)
        return Target(name, kind, classes)


def count_target(y: Any, source: DataSource, *, complete: bool) -> Target:
    """Return the target that an array `y` is. Raises BadData where it cannot be learned."""
    counts = TargetCounts()
    counts.add(y)
    return counts.finish("y", source, complete=complete)


def count_held_out(rows: int, test_size: float) -> int:
    """Return how many rows scikit-learn's train_test_split holds out."""
    return math.ceil(rows * test_size)


def _check_split(classes: Mapping[Any, int], rows: int, name: str, source: DataSource) -> None:
    if source.test_size == 0 or source.spec.by_time or source.spec.group is not None:
        return
    label, fewest = min(classes.items(), key=lambda item: item[1])
    if fewest < 2:
        raise BadData(
            f"class {label!s} of target {name!r} has 1 row, and the held-out part and the "
            "training part need one each",
            where=source.where,
            hint="add rows of it or leave it out, or hold nothing out by data.test_size=0",
        )
    held_out = count_held_out(rows, source.test_size)
    if min(held_out, rows - held_out) < len(classes):
        raise BadData(
            f"{held_out} of {rows} rows held out leave too few on one side for "
            f"{len(classes)} classes of target {name!r}",
            where=source.where,
            hint="set data.test_size so that both parts have a row of each class",
        )
