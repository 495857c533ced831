"""The columns of a table: which part each plays, and of which kind it is."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal, NoReturn

from hpc_ml.data.derived import part_names, rename_columns, stored_names
from hpc_ml.data.source import DataSource
from hpc_ml.errors import BadData
from hpc_ml.spec.data import Data
from hpc_ml.spec.nearest import nearest

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["numeric", "category", "text", "boolean", "target"]

TARGET_NAMES = ("target", "label", "class", "y")
# How pandas writes an index that has no name.
_INDEX = re.compile(r"__index_level_\d+__|Unnamed: 0|")
_LEAVE_OUT = "leave it out by --drop (data.drop)"


@dataclass(frozen=True)
class Roles:
    """The columns to learn from, those that play another part, and what a user should know.

    All by the names that the job sees: renamed, and parts of dates as columns.
    """

    features: tuple[str, ...]
    target: str | None
    notes: tuple[str, ...] = ()
    weight: str | None = None
    group: str | None = None
    order: str | None = None

    @property
    def others(self) -> dict[str, str]:
        """The columns that are no features, by their part."""
        parts = {
            "target": self.target, "weight": self.weight, "group": self.group, "order": self.order,
        }  # fmt: skip
        return {part: name for part, name in parts.items() if name is not None}

    @property
    def names(self) -> list[str]:
        """All columns that are looked at."""
        return list(dict.fromkeys([*self.features, *self.others.values()]))

    def stored(self, spec: Data) -> list[str]:
        """Return the columns to be read."""
        return stored_names(self.names, spec)


def assign_roles(names: Sequence[str], source: DataSource) -> Roles:
    """Return the part that each column plays. Raises BadData for names that are not there."""
    spec = source.spec
    if broken := [name for name in names if "".join(name.splitlines()) != name]:
        raise BadData(
            f"the name of column {broken[0]!r} has a line break",
            where=source.where,
            hint="give the column a name on one line",
        )
    seen = rename_columns(names, source)
    _check_names(seen, source)
    target, notes = _choose_target(seen, source)
    if target is not None and target in spec.categorical:
        raise BadData(f"data.categorical names the target {target!r}", where=source.where)
    features: Sequence[str] = (spec.text,) if spec.text is not None else spec.columns or ()
    if not features:
        left_out = {target, spec.weight, spec.group, spec.order_by, *spec.drop} - {*spec.dates}
        features, told = _without_index([name for name in seen if name not in left_out])
        notes += told
    features = [part for name in features for part in _in_parts(name, spec)]
    if not features:
        raise BadData("there is no column to learn from beside the target", where=source.where)
    _check_used(features, source)
    return Roles(
        tuple(dict.fromkeys(features)), target if source.supervised else None, tuple(notes),
        weight=spec.weight, group=spec.group, order=spec.order_by if source.test_size else None,
    )  # fmt: skip


def _in_parts(name: str, spec: Data) -> tuple[str, ...]:
    return part_names(spec.dates, name) if name in spec.dates else (name,)


def _check_names(names: Sequence[str], source: DataSource) -> None:
    spec = source.spec
    known = [*names, *(part for name in spec.dates for part in part_names(spec.dates, name))]
    for key, given in (
        ("target", (spec.target,)),
        ("text", (spec.text,)),
        ("columns", spec.columns or ()),
        ("drop", spec.drop),
        ("categorical", spec.categorical),
        ("impute", tuple(spec.impute)),
        ("weight", (spec.weight,)),
        ("group", (spec.group,)),
        ("order_by", (spec.order_by,)),
    ):
        for name in given:
            if name is not None and name not in known:
                raise BadData(
                    f"data.{key} names {name!r}, which is no column",
                    where=source.where,
                    hint=nearest(name, known),
                )


def _check_used(features: Sequence[str], source: DataSource) -> None:
    """Raise BadData for a word on how to learn from a column that is not learned from."""
    for key in ("categorical", "impute"):
        for name in getattr(source.spec, key):
            if name not in features:
                in_parts = name in source.spec.dates
                raise BadData(
                    f"data.{key} names {name!r}, which is "
                    + ("learned from in parts" if in_parts else "not learned from"),
                    where=source.where,
                    hint=f"known: {', '.join(features[:30])}",
                )


def _choose_target(names: Sequence[str], source: DataSource) -> tuple[str | None, list[str]]:
    spec = source.spec
    if spec.target is not None:
        return spec.target, []
    taken = {spec.text, spec.weight, spec.group, spec.order_by, *(spec.columns or ()), *spec.drop}
    likely = [name for name in names if name.lower() in TARGET_NAMES and name not in taken]
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


def _without_index(features: Sequence[str]) -> tuple[list[str], list[str]]:
    kept = [name for name in features if not _INDEX.fullmatch(name)]
    left_out = [name for name in features if _INDEX.fullmatch(name)]
    return kept, [f"column {name!r} is taken for row numbers and left out" for name in left_out]


def kind_of(name: str, column: "pa.DataType", source: DataSource) -> Kind:
    """Return the kind of a column to learn from. Raises BadData for one that cannot be."""
    kind, plain = _kind_of_type(column)
    if source.spec.text == name:
        if not is_words(plain):
            raise BadData(
                f"data.text names column {name!r}, which holds {plain}, not text",
                where=source.where,
            )
        return "text"
    if kind is None:
        _refuse_type(name, plain, source)
    return "category" if name in source.spec.categorical else kind


@cache
def _kind_of_type(column: "pa.DataType") -> "tuple[Kind | None, pa.DataType]":
    """Return what columns of a type are learned from as, and the type of their values."""
    from pyarrow import types

    if types.is_dictionary(column):
        plain = column.value_type
        return ("category" if _kind_of_type(plain)[0] else None), plain
    if is_words(column):
        return "category", column
    if types.is_boolean(column):
        return "boolean", column
    numbers = (types.is_integer, types.is_floating, types.is_decimal, types.is_null)
    return ("numeric" if any(is_kind(column) for is_kind in numbers) else None), column


@cache
def is_words(column: "pa.DataType") -> bool:
    """Return whether a type is one of Arrow's types of text."""
    from pyarrow import types

    return bool(
        types.is_string(column) or types.is_large_string(column) or types.is_string_view(column)
    )


def as_plain_numbers(column: "pa.Array | pa.ChunkedArray") -> "pa.Array | pa.ChunkedArray":
    """Return decimals, half floats and columns without values as floats; others as they are."""
    plain = _plain_type(column.type)
    if plain is None:
        return column
    import pyarrow.compute as pc

    return pc.cast(column, plain)


@cache
def _plain_type(column: "pa.DataType") -> "pa.DataType | None":
    """Return the type of floats that columns of a type are taken as; None for as they are."""
    import pyarrow as pa

    if pa.types.is_float16(column):
        return pa.float32()
    if pa.types.is_decimal(column) or pa.types.is_null(column):
        return pa.float64()
    return None


def _refuse_type(name: str, column: "pa.DataType", source: DataSource) -> NoReturn:
    from pyarrow import types

    if types.is_temporal(column):
        raise BadData(
            f"column {name!r} holds dates or times ({column}), which are not learned from",
            where=source.where,
            hint=f"name its parts by data.dates: {{{name}: [weekday, hour]}}, or {_LEAVE_OUT}",
        )
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
