"""`hpc-ml data`: what data hold, before anything learns from them."""

import json
from collections.abc import Iterator
from datetime import datetime
from math import isfinite
from typing import TYPE_CHECKING, Any

import click

from hpc_ml.cli.groups import NamedGroup
from hpc_ml.cli.options import debug_option, flag_layer, json_option, key_options, set_option
from hpc_ml.errors import BadJob
from hpc_ml.spec.complaints import validate
from hpc_ml.spec.data import Data
from hpc_ml.spec.keys import KeyPath, common_keys
from hpc_ml.spec.reading import read_source
from hpc_ml.spec.sources import assignment_layer

if TYPE_CHECKING:
    from hpc_ml.data.description import ColumnDescription, Description

_KEYS = tuple(
    key
    for key in common_keys()
    if key.path[0] == "data"
    and key.path[-1] in ("format", "delimiter", "encoding", "partition_size", "target")
)
_SHOWN_COLUMNS = 60
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


@click.group(cls=NamedGroup, subcommand_metavar="COMMAND [OPTIONS]")
def data() -> None:
    """Look at data before a job learns from them."""


@data.command()
@click.argument("path")
@click.option("--all", "whole", is_flag=True, help="Look at all rows, also of data above 1 GiB.")
@set_option
@json_option
@debug_option
def inspect(
    path: str, whole: bool, assignments: tuple[str, ...], as_json: bool, **words: Any
) -> None:
    """Show the columns, rows, missing values, partitions and memory of data.

    PATH is a file, a folder, a pattern in quotes ('part-*.csv'), a URL, a bundled table (digits)
    or a generator call. Of data larger than 1 GiB the first part is looked at.
    """
    from hpc_ml.data.description import describe

    spec = _spec(path, assignments, words)
    found = describe(spec, whole=whole)
    if as_json:
        click.echo(json.dumps(_as_json(found), indent=2))
        return
    _print(found, guessed=spec.target is None)


inspect.params[1:1] = key_options(_KEYS)


def _spec(path: str, assignments: tuple[str, ...], words: dict[str, Any]) -> Data:
    """Return the data keys that the words of the command line set."""
    layers = (assignment_layer(assignments), flag_layer(_KEYS, words))
    for name in layers[0].values:
        if name != "data":
            raise BadJob(f"{name} is no key of the data", where="--set", hint="write data.KEY")
    given = {
        name: value for layer in layers for name, value in layer.values.get("data", {}).items()
    }

    def place_of(key: KeyPath) -> str | None:
        places = [layer.places.get(("data", *key)) for layer in layers]
        return next((place for place in reversed(places) if place), None)

    return validate(Data, read_source(path) | given, place_of)


def _as_json(found: "Description") -> dict[str, Any]:
    plan = found.plan
    return {
        "data": plan.where,
        "format": plan.form,
        "kind": plan.kind,
        "rows": found.rows,
        "looked_at": found.looked_at,
        "n_columns": plan.n_columns,
        "sparse": plan.sparse,
        "dtype": None if plan.dtype is None else str(plan.dtype),
        "size_bytes": plan.size_bytes,
        "memory_bytes": sum(plan.bytes_each),
        "partitions": len(plan),
        "partition_rows": plan.rows,
        "partition_bytes": plan.bytes_each,
        "target": found.target,
        "columns": [
            {name: _plain(value) for name, value in vars(column).items()}
            for column in found.columns
        ],
        "notes": found.notes,
    }


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: infinities and dates as text."""
    if value is None or isinstance(value, str | int):
        return value
    return value if isinstance(value, float) and isfinite(value) else str(value)


def _print(found: "Description", *, guessed: bool) -> None:
    from rich.markup import escape
    from rich.table import Table

    from hpc_ml.cli.status_tables import show

    shown: list[Table | str] = [escape(line) for line in _summarise(found)]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("column", "kind", "type", "missing", "smallest", "largest", "values"):
        right = name in ("missing", "values")
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    for column in found.columns[:_SHOWN_COLUMNS]:
        role = "" if column.name != found.target else " (target?)" if guessed else " (target)"
        table.add_row(*(escape(cell) for cell in (column.name + role, *_cells(column))))
    if found.columns:
        shown.append(table)
    if len(found.columns) > _SHOWN_COLUMNS:
        shown.append(f"and {len(found.columns) - _SHOWN_COLUMNS:,} more columns (--json has all)")
    shown += [escape(f"note: {note}") for note in found.notes]
    show(*shown)


def _summarise(found: "Description") -> Iterator[str]:
    plan = found.plan
    rows = "rows unknown until they are read" if found.rows is None else _count(found.rows, "row")
    shape = f"{rows}, {_count(plan.n_columns, 'column')}"
    kinds = [f"of {plan.dtype}"] if plan.dtype is not None else []
    yield f"{plan.where}: {' '.join([plan.form, *kinds])}{', sparse' if plan.sparse else ''}"
    yield f"{shape}, {_size(plan.size_bytes)}{' on disk' if plan.files else ''}"
    count = _count(len(plan), "partition")
    largest = f" of at most {_size(max(plan.bytes_each))}" if len(plan) > 1 else ""
    yield f"about {_size(sum(plan.bytes_each))} in memory, in {count}{largest}"


def _cells(column: "ColumnDescription") -> Iterator[str]:
    yield column.kind
    yield column.type
    yield f"{column.missing:,}" if column.missing else ""
    yield _word(column.smallest)
    yield _word(column.largest)
    many = "over 1,000" if column.kind == "text" and column.values is None else ""
    yield many if column.values is None else f"{column.values:,}"


def _word(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return value.isoformat(" ") if isinstance(value, datetime) else str(value)


def _count(number: int, unit: str) -> str:
    return f"{number:,} {unit}{'' if number == 1 else 's'}"


def _size(size_bytes: float) -> str:
    for unit in _UNITS[:-1]:
        if size_bytes < 1_024:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1_024
    return f"{size_bytes:.1f} {_UNITS[-1]}"
