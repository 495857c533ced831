"""Monotone and interaction constraints by the positions of columns: pure."""

from collections.abc import Mapping, Sequence
from typing import Any


def place_monotone(given: Any, names: Sequence[str] | None, n_features: int) -> tuple[int, ...]:
    """Return -1, 0 or 1 for each column.

    Parameters
    ----------
    given : mapping of column to constraint, sequence with one a column, or "(1,0,-1)"
        Columns by name or number; those that a mapping leaves out are free.

    Raises
    ------
    ValueError
        For a column that is not there, another value, or another number of values.
    """
    if isinstance(given, str):
        given = [int(word) for word in given.strip("()[] ").split(",") if word.strip()]
    if isinstance(given, Mapping):
        values = [0] * n_features
        for column, value in given.items():
            values[_position(column, names, n_features, "monotone_constraints")] = value
    else:
        values = list(given)
    if len(values) != n_features:
        raise ValueError(f"monotone_constraints has {len(values)} values for {n_features} columns")
    if wrong := [value for value in values if value not in (-1, 0, 1)]:
        raise ValueError(f"monotone_constraints must be -1, 0 or 1, not {wrong[0]!r}")
    return tuple(int(value) for value in values)


def place_interactions(
    given: Sequence[Sequence[Any]], names: Sequence[str] | None, n_features: int
) -> list[list[int]]:
    """Return the groups of columns that may interact, by number.

    Raises ValueError for a column that is not there.
    """
    return [
        [_position(column, names, n_features, "interaction_constraints") for column in group]
        for group in given
    ]


def _position(column: Any, names: Sequence[str] | None, n_features: int, what: str) -> int:
    if names is not None and column in names:
        return list(names).index(column)
    try:
        number = int(column)
    except (TypeError, ValueError):
        number = -1
    if 0 <= number < n_features:
        return number
    raise ValueError(f"{what}: there is no column {column!r}")
