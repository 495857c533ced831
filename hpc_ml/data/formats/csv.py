"""CSV, plain or gzipped, read by Arrow with one thread.

A first line of names, UTF-8, columns apart by comma, semicolon or tab (the header decides).
Missing values are the words that pandas takes for them.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpc_ml.data.formats import csv_errors
from hpc_ml.data.formats.packed import is_packed
from hpc_ml.data.formats.tables import Sink, pour

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK_BYTES = 8 * 2**20


def files(path: Path) -> list[Path]:
    """Return the one file."""
    return [path]


def columns(path: Path) -> list[str]:
    """Return the names in the header. Raises BadData for a header that names no columns."""
    csv_errors.check_head(path)
    return csv_errors.check_header(path, _read_header(path))


def read(path: Path, names: list[str]) -> "pa.Table":
    """Return these columns of the whole file."""
    from pyarrow import csv

    with csv_errors.explained(path), _open(path) as file:
        table = csv.read_csv(file, **_options(path, names, {}))
    csv_errors.check_text(path, table.schema)
    csv_errors.check_end(path, table)
    return table


def feed(
    path: Path,
    names: list[str],
    start: "Callable[[pa.Schema], Sink]",
    limit_bytes: int | None = None,
) -> tuple[Any, bool]:
    """Pour the file, or its first part, batch by batch into the sink that `start` makes.

    Arrow settles the types by the first block. Where a later row does not fit them, types that
    fit all rows are looked for, and a new sink is started. Returns the sink and whether it has
    seen all rows.
    """
    import pyarrow as pa

    types: dict[str, pa.DataType] = {}
    while True:
        try:
            return _feed_once(path, names, types, start, limit_bytes)
        except csv_errors.TypesDiffer as difference:
            if types:
                types[_read_header(path)[difference.column]] = pa.string()
            else:
                types = _common_types(path, names, limit_bytes)


def place(path: Path, row: int) -> str:
    """Return `file:line` of a row, counted from 0 after the header."""
    return f"{path}:{csv_errors.find_line(path, row)}"


def count_rows(path: Path) -> int | None:
    """Return None: only a reading of the whole file counts its rows."""
    return None


def notes(path: Path) -> list[str]:
    """Return what a user should know of how the file is read."""
    delimiter = csv_errors.delimiter(path)
    return [] if delimiter == "," else [f"columns are separated by {delimiter!r}"]


def _open(path: Path) -> "pa.NativeFile":
    import pyarrow as pa

    return pa.input_stream(str(path), compression="gzip" if is_packed(path) else None)


def _read_header(path: Path) -> list[str]:
    from pyarrow import csv

    options = _options(path, None, {})
    with csv_errors.explained(path), _open(path) as file, csv.open_csv(file, **options) as batches:
        return list(batches.schema.names)


def _options(path: Path, names: list[str] | None, types: dict[str, Any]) -> dict[str, Any]:
    from pyarrow import csv

    return {
        "read_options": csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
        "parse_options": csv.ParseOptions(
            delimiter=csv_errors.delimiter(path), newlines_in_values=True
        ),
        "convert_options": csv.ConvertOptions(
            strings_can_be_null=True, include_columns=names, column_types=types
        ),
    }


def _feed_once(
    path: Path,
    names: list[str],
    types: dict[str, Any],
    start: "Callable[[pa.Schema], Sink]",
    limit_bytes: int | None,
) -> tuple[Any, bool]:
    from pyarrow import csv

    options = _options(path, names, types)
    with csv_errors.explained(path):
        batches = csv.open_csv(_open(path), **options)
    with batches:
        csv_errors.check_text(path, batches.schema)
        sink = start(batches.schema)
        complete, last = pour(batches, lambda: csv_errors.explained(path), sink, limit_bytes)
    if complete and last is not None:
        csv_errors.check_end(path, last)
    return sink, complete


def _common_types(path: Path, names: list[str], limit_bytes: int | None) -> dict[str, Any]:
    """Return the types that fit all rows, by inferring them block by block."""
    import pyarrow as pa

    words = {name: pa.string() for name in names}
    sink, _ = _feed_once(path, names, words, lambda schema: _TypeSink(), limit_bytes)
    types: dict[str, Any] = sink.types
    return types


class _TypeSink:
    """Joins the types that Arrow infers for each batch of words."""

    def __init__(self) -> None:
        self.types: dict[str, Any] = {}

    def add(self, batch: "pa.RecordBatch") -> None:
        """Infer this batch's types by writing it as CSV and reading that."""
        import pyarrow as pa
        from pyarrow import csv

        text = pa.BufferOutputStream()
        csv.write_csv(batch, text)
        seen = csv.read_csv(
            pa.BufferReader(text.getvalue()),
            read_options=csv.ReadOptions(use_threads=False, block_size=8 * _BLOCK_BYTES),
            parse_options=csv.ParseOptions(newlines_in_values=True),
        ).schema
        for name in batch.schema.names:
            inferred = seen.field(name).type
            self.types[name] = _join(self.types.get(name, pa.null()), inferred)


def _join(one: "pa.DataType", other: "pa.DataType") -> "pa.DataType":
    import pyarrow as pa

    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    for wider in (pa.float64(), pa.bool_()):
        if {one, other} == {pa.int64(), wider}:
            return wider
    return pa.string()
