"""What a user should know of how the data are taken, in lines."""

from collections.abc import Iterable

from hpc_ml.data.column_scans import ColumnSummary
from hpc_ml.data.scan import Scanned
from hpc_ml.data.source import DataSource
from hpc_ml.data.target import Target, count_held_out

_SHOWN = 8


def tell_columns(scanned: Scanned, source: DataSource) -> list[str]:
    """Return how each kind of column is prepared."""
    by_kind: dict[str, list[ColumnSummary]] = {}
    for column in scanned.columns:
        by_kind.setdefault(column.kind, []).append(column)
    numbers, booleans = by_kind.get("numeric", []), by_kind.get("boolean", [])
    lines = [f"learns from the text in {_names(by_kind['text'])}"] if "text" in by_kind else []
    if numbers:
        as_is = "as it is" if len(numbers) == 1 else "as they are"
        lines.append(f"{_count(numbers, 'numeric column')} taken {as_is}: {_names(numbers)}")
    if booleans:
        lines.append(f"{_count(booleans, 'boolean column')} taken as 0 and 1: {_names(booleans)}")
    if categories := by_kind.get("category", []):
        words = [f"{column.name!r} ({column.categories} categories)" for column in categories]
        lines.append(f"one-hot encoded: {_shortened(words)}")
    constant = [column for column in scanned.columns if column.constant]
    if constant:
        lines.append(f"the same value in all rows: {_names(constant)}")
    counting = [column for column in scanned.columns if column.counts_rows]
    if counting:
        lines.append(f"counts the rows, and is learned from all the same: {_names(counting)}")
    return lines + _tell_missing(scanned, source)


def _tell_missing(scanned: Scanned, source: DataSource) -> list[str]:
    missing = [column for column in scanned.columns if column.missing]
    treatment = {
        "impute": "missing values imputed (median, most frequent category, empty text)",
        "keep": "missing values kept",
    }.get(source.spec.missing)
    return [f"{treatment}: {_names(missing)}"] if missing and treatment else []


def tell_target(target: Target | None, *, complete: bool) -> list[str]:
    """Return what is to be predicted."""
    if target is None:
        return []
    return [target.describe() + ("" if complete else ", as far as was looked")]


def tell_rows(rows: int | None, dropped: int, source: DataSource) -> list[str]:
    """Return which rows are dropped and which held out."""
    lines = [f"{dropped:,} rows with missing values dropped"] if dropped else []
    if source.test_size > 0:
        share = (
            f"{source.test_size:g} of the rows"
            if rows is None
            else f"{count_held_out(rows, source.test_size):,} of {rows:,} rows"
        )
        of_class = ", each class in its share" if source.stratify else ""
        lines.append(f"{share} held out for the score by seed {source.seed}{of_class}")
    return lines


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
