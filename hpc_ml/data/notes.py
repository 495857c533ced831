"""What a user should know of how the data are taken, in lines."""

from collections.abc import Iterable

from hpc_ml.data.column_scans import ColumnSummary
from hpc_ml.data.scan import Scanned
from hpc_ml.data.source import DataSource
from hpc_ml.data.target import Target, count_held_out
from hpc_ml.spec.data import Constant

_SHOWN = 8
# Digits are 10 classes; of more numbers than this many count or measure something.
_MANY_CLASSES = 20


def tell_columns(scanned: Scanned, source: DataSource) -> list[str]:
    """Return how each kind of column is prepared."""
    by_kind: dict[str, list[ColumnSummary]] = {}
    for column in scanned.columns:
        by_kind.setdefault(column.kind, []).append(column)
    numbers, booleans = by_kind.get("numeric", []), by_kind.get("boolean", [])
    lines = [f"learns from the text in {_names(by_kind['text'])}"] if "text" in by_kind else []
    if numbers:
        taken = tell_scale(source, several=len(numbers) > 1)
        lines.append(f"{_count(numbers, 'numeric column')} {taken}: {_names(numbers)}")
    if booleans:
        lines.append(f"{_count(booleans, 'boolean column')} taken as 0 and 1: {_names(booleans)}")
    if categories := by_kind.get("category", []):
        words = [f"{column.name!r} ({column.categories} categories)" for column in categories]
        encoded = "encoded as numbers" if source.spec.encode == "ordinal" else "one-hot encoded"
        lines.append(f"{encoded}: {_shortened(words)}")
    constant = [column for column in scanned.columns if column.constant]
    if constant:
        lines.append(f"the same value in all rows: {_names(constant)}")
    counting = [column for column in scanned.columns if column.counts_rows]
    if counting:
        lines.append(f"counts the rows, and is learned from all the same: {_names(counting)}")
    if empty := [column for column in scanned.columns if 0 < scanned.rows == column.missing]:
        lines.append(f"no value in any row: {_names(empty)}")
    return lines + _tell_missing(scanned, source)


def tell_scale(source: DataSource, *, several: bool) -> str:
    """Return what is done of columns of numbers."""
    return {
        "none": "taken as they are" if several else "taken as it is",
        "standard": "brought to mean 0 and variance 1",
        "minmax": "brought to 0 to 1",
    }[source.spec.scale]


def _tell_missing(scanned: Scanned, source: DataSource) -> list[str]:
    spec = source.spec
    missing = [column for column in scanned.columns if column.missing]
    others = [column for column in missing if column.name not in spec.impute]
    treatment = {
        "impute": "missing values imputed (median, most frequent category, empty text)",
        "keep": "missing values kept",
    }.get(spec.missing)
    lines = [f"{treatment}: {_names(others)}"] if others and treatment else []
    strategies = {
        column.name: spec.impute[column.name] for column in missing if column.name in spec.impute
    }
    words = [
        f"{name!r} by {repr(by.constant) if isinstance(by, Constant) else by.replace('_', ' ')}"
        for name, by in strategies.items()
    ]
    return lines + ([f"missing values imputed: {_shortened(words)}"] if words else [])


def tell_target(target: Target | None, source: DataSource, *, complete: bool) -> list[str]:
    """Return what is to be predicted, and the other way to take numbers of many values."""
    if target is None:
        return []
    lines = [
        target.describe(classifies=source.stratify) + ("" if complete else ", as far as was looked")
    ]
    many = target.classes is not None and len(target.classes) > _MANY_CLASSES
    if many and source.stratify and target.kind == "classes":
        lines.append(
            f"the values of {target.name!r} are taken for classes; if they are quantities, take an "
            "estimator for regression, or --predict numbers where the task has it"
        )
    return lines


def tell_rows(rows: int | None, dropped: int, source: DataSource) -> list[str]:
    """Return which rows are dropped and which held out, and what else is known of each."""
    spec = source.spec
    noun = "row" if dropped == 1 else "rows"
    lines = [f"{dropped:,} {noun} with missing values dropped"] if dropped else []
    if spec.weight is not None:
        lines.append(f"rows weighed by {spec.weight!r}")
    if source.test_size > 0:
        lines.append(_tell_held_out(rows, source))
    elif spec.group is not None:
        lines.append(f"rows grouped by {spec.group!r}")
    if source.test_size == 0 and spec.by_time:
        lines.append("no rows are held out, and so their order in time changes nothing")
    return lines


def _tell_held_out(rows: int | None, source: DataSource) -> str:
    spec, size = source.spec, source.test_size
    share = (
        f"{size:g} of the rows"
        if rows is None
        else f"{count_held_out(rows, size):,} of {rows:,} rows"
    )
    if spec.by_time:
        order = "as they lie" if spec.order_by is None else f"by {spec.order_by!r}"
        return f"{share} held out for the score: the last in time, {order}"
    if spec.group is not None:
        return (
            f"{size:g} of the groups by {spec.group!r} held out for the score by seed {source.seed}"
        )
    of_class = ", each class in its share" if source.stratify else ""
    return f"{share} held out for the score by seed {source.seed}{of_class}"


def tell_part(rows: int, *, complete: bool) -> list[str]:
    """Return that only the first rows were looked at, where so."""
    if complete:
        return []
    looked = f"the first {rows:,} rows were" if rows else "only the header was"
    return [f"larger than 1 GiB: {looked} looked at here; the workers check all as they read"]


def _count(columns: list[ColumnSummary], noun: str) -> str:
    return f"{len(columns)} {noun}{'' if len(columns) == 1 else 's'}"


def _names(columns: Iterable[ColumnSummary]) -> str:
    return _shortened([repr(column.name) for column in columns])


def _shortened(words: list[str]) -> str:
    more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return ", ".join(words[:_SHOWN]) + more
