"""The columns that are not learned from: target, weight, group and order of the rows."""

from typing import TYPE_CHECKING, Any

from hpc_ml.data.columns import Kind, Roles, as_plain_numbers, check_target_type, is_words
from hpc_ml.data.source import DataSource
from hpc_ml.errors import BadData

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def check_role_types(schema: "pa.Schema", roles: Roles, source: DataSource) -> None:
    """Raise BadData for a target, weight, group or order of a type that cannot be one."""
    for part, name in roles.others.items():
        column = schema.field(name).type
        if part == "target":
            check_target_type(name, column, source)
        else:
            _check_role_type(part, name, column, source)


def _check_role_type(part: str, name: str, column: "pa.DataType", source: DataSource) -> None:
    from pyarrow import types

    column = column.value_type if types.is_dictionary(column) else column
    numbers = types.is_integer(column) or types.is_floating(column) or types.is_decimal(column)
    good, needed = {
        "weight": (numbers, "numbers are needed"),
        "group": (
            types.is_integer(column) or types.is_boolean(column) or is_words(column),
            "whole numbers or words are needed",
        ),
        "order": (numbers or types.is_temporal(column), "dates or numbers are needed"),
    }[part]
    if not good and not types.is_null(column):
        key = "order_by" if part == "order" else part
        raise BadData(
            f"data.{key} names column {name!r}, which holds {column}, and {needed}",
            where=source.where,
        )


def check_strategies(kinds: dict[str, Kind], schema: "pa.Schema", source: DataSource) -> None:
    """Raise BadData where `data.impute` asks of a column what its kind cannot give."""
    from pyarrow import types

    for name, strategy in source.spec.impute.items():
        kind = kinds[name]
        if isinstance(strategy, str):
            if kind == "category" and strategy != "most_frequent":
                _refuse_strategy(name, f"{strategy} is for numbers, and this holds categories",
                                 "say most_frequent or {constant: VALUE}", source)  # fmt: skip
            continue
        value = strategy.constant
        column = schema.field(name).type
        words = is_words(column.value_type if types.is_dictionary(column) else column)
        wanted = {"category": str if words else float, "boolean": bool}.get(kind, float)
        if not isinstance(value, wanted):
            name_of = {str: "a word", float: "a number", bool: "true or false"}[wanted]
            _refuse_strategy(name, f"the constant is {value!r}", f"give {name_of}", source)


def _refuse_strategy(name: str, problem: str, hint: str, source: DataSource) -> None:
    raise BadData(f"data.impute, column {name!r}: {problem}", where=source.where, hint=hint)


def role_array(part: str, column: "pa.Array | pa.ChunkedArray") -> "np.ndarray[Any, Any]":
    """Return the values of a target, weight, group or order; none of them is missing.

    Weights are float64; targets and groups are numbers, booleans, or an object array of str; an
    order is numbers that ascend with it.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    column = as_plain_numbers(column)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    values: np.ndarray[Any, Any] = column.to_numpy(zero_copy_only=False)
    if part == "weight":
        return values.astype(np.float64)
    if part == "order" and values.dtype.kind in "mMO":
        return _as_ticks(column)
    return values


def _as_ticks(column: "pa.Array") -> "np.ndarray[Any, Any]":
    """Return dates and times as whole numbers of Arrow's unit."""
    import pyarrow as pa
    import pyarrow.compute as pc

    wide = pa.int32() if column.type.bit_width == 32 else pa.int64()
    ticks: np.ndarray[Any, Any] = pc.cast(column, wide).to_numpy(zero_copy_only=False)
    return ticks
