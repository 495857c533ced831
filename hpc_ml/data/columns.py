"""The columns of a table: which part each plays, and of which kind it is."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from hpc_ml.data.source import DataSource
from hpc_ml.errors import BadData
from hpc_ml.spec.nearest import nearest

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["numeric", "category", "text", "boolean", "target"]

_TARGET_NAMES = ("target", "label", "class", "y")
# How pandas writes an index that has no name.
_INDEX = re.compile(r"__index_level_\d+__|Unnamed: 0|")
_LEAVE_OUT = "leave it out by naming the others with --columns (data.columns)"


@dataclass(frozen=True)
class Roles:
    """The columns to learn from, the one to predict, and what a user should know of the choice."""

    features: tuple[str, ...]
    target: str | None
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """All columns that are read."""
        return [*self.features, *([self.target] if self.target is not None else [])]


def assign_roles(names: Sequence[str], source: DataSource) -> Roles:
    """Return the part that each column plays. Raises BadData for names that are not there."""
    spec = source.spec
    if broken := [name for name in names if "".join(name.splitlines()) != name]:
        raise BadData(
            f"the name of column {broken[0]!r} has a line break",
            where=source.where,
            hint="give the column a name on one line",
        )
    for key, given in (
        ("target", [spec.target] if spec.target is not None else []),
        ("text", [spec.text] if spec.text is not None else []),
        ("columns", spec.columns or ()),
        ("categorical", spec.categorical),
    ):
        for name in given:
            _check_known(key, name, names, source)
    target, notes = _choose_target(names, source)
    if target is not None and target in spec.categorical:
        raise BadData(f"data.categorical names the target {target!r}", where=source.where)
    if spec.text is not None:
        return Roles((spec.text,), target if source.supervised else None, tuple(notes))
    features = spec.columns or tuple(name for name in names if name != target)
    if spec.columns is None:
        features, left_out = _without_index(features)
        notes += left_out
    if not features:
        raise BadData("there is no column to learn from beside the target", where=source.where)
    return Roles(features, target if source.supervised else None, tuple(notes))


def _check_known(key: str, name: str, names: Sequence[str], source: DataSource) -> None:
    if name not in names:
        raise BadData(
            f"data.{key} names {name!r}, which is no column",
            where=source.where,
            hint=nearest(name, names),
        )


def _choose_target(names: Sequence[str], source: DataSource) -> tuple[str | None, list[str]]:
    if source.spec.target is not None:
        return source.spec.target, []
    taken = (source.spec.text, *(source.spec.columns or ()))
    likely = [name for name in names if name.lower() in _TARGET_NAMES and name not in taken]
    if not source.supervised:
        return None, [
            f"column {name!r} is learned from like any other; data.target={name} leaves it out"
            for name in likely
        ]
    if len(likely) != 1:
        found = f", and {' and '.join(map(repr, likely))} are equally likely" if likely else ""
        raise BadData(
            f"the job does not say which column to predict{found}",
            where=source.where,
            hint=f"name it by --target (data.target): {', '.join(names[:30])}",
        )
    return likely[0], [f"target: column {likely[0]!r}, by its name"]


def _without_index(features: tuple[str, ...]) -> tuple[tuple[str, ...], list[str]]:
    kept = tuple(name for name in features if not _INDEX.fullmatch(name))
    left_out = [name for name in features if name not in kept]
    return kept, [f"column {name!r} is taken for row numbers and left out" for name in left_out]


def kind_of(name: str, column: "pa.DataType", source: DataSource) -> Kind:
    """Return the kind of a column to learn from. Raises BadData for one that cannot be."""
    from pyarrow import types

    if types.is_dictionary(column):
        column = column.value_type
        words = True
    else:
        words = is_words(column)
    if source.spec.text == name:
        if not is_words(column):
            raise BadData(
                f"data.text names column {name!r}, which holds {column}, not text",
                where=source.where,
            )
        return "text"
    if words or name in source.spec.categorical:
        _check_flat(name, column, source)
        return "category"
    if types.is_boolean(column):
        return "boolean"
    _check_flat(name, column, source)
    return "numeric"


def is_words(column: "pa.DataType") -> bool:
    """Return whether a type is one of Arrow's types of text."""
    from pyarrow import types

    return bool(
        types.is_string(column) or types.is_large_string(column) or types.is_string_view(column)
    )


def as_plain_numbers(column: "pa.Array | pa.ChunkedArray") -> "pa.Array | pa.ChunkedArray":
    """Return decimals, half floats and columns without values as floats; others as they are."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_float16(column.type):
        return pc.cast(column, pa.float32())
    if pa.types.is_decimal(column.type) or pa.types.is_null(column.type):
        return pc.cast(column, pa.float64())
    return column


def _check_flat(name: str, column: "pa.DataType", source: DataSource) -> None:
    from pyarrow import types

    if types.is_temporal(column):
        raise BadData(
            f"column {name!r} holds dates or times ({column}), which are not learned from",
            where=source.where,
            hint=_LEAVE_OUT,
        )
    plain = (types.is_integer, types.is_floating, types.is_decimal, types.is_boolean, types.is_null)
    if not is_words(column) and not any(is_kind(column) for is_kind in plain):
        raise BadData(
            f"column {name!r} holds {column}, and numbers, words or booleans are needed",
            where=source.where,
            hint=_LEAVE_OUT,
        )


def check_target_type(name: str, column: "pa.DataType", source: DataSource) -> None:
    """Raise BadData for a target of dates or of a nested type."""
    from pyarrow import types

    column = column.value_type if types.is_dictionary(column) else column
    if types.is_temporal(column) or types.is_nested(column) or types.is_binary(column):
        raise BadData(
            f"target {name!r} holds {column}, and numbers, words or booleans are needed",
            where=source.where,
            hint="name another column by data.target",
        )
