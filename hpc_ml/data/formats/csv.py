"""CSV, plain or compressed by gzip or zstd, read by Arrow with one thread.

A first line of names; columns apart by comma, semicolon, tab or bar (the header decides) or what
data.delimiter says; UTF-8 or data.encoding. Missing values are the words that pandas takes for
them. A partition is a range of bytes that ends where a record does.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hpc_ml.data.files import reading
from hpc_ml.data.formats import csv_errors, find_files
from hpc_ml.data.formats.csv_text import (
    CsvText,
    find_delimiter,
    find_header_end,
    find_record_starts,
    read_head,
)
from hpc_ml.data.formats.csv_types import CsvTypes, read_text
from hpc_ml.data.formats.lines import align
from hpc_ml.data.formats.packed import guess_plain_bytes, packing
from hpc_ml.data.formats.tables import wanted_names
from hpc_ml.data.location import DataFile
from hpc_ml.data.pieces import Extent, Layout, Piece, cut
from hpc_ml.data.source import DataSource
from hpc_ml.errors import BadData

if TYPE_CHECKING:
    import pyarrow as pa

ENDINGS = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".csv.zst", ".tsv.zst")
_LARGE_PACKED_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Reading:
    """The text of each file after its header."""

    texts: tuple[CsvText, ...]


def plan(source: DataSource) -> Layout:
    """Return the partitions, from the headers and the first part of the files."""
    texts, names = _read_headers(source)
    plain_bytes = [_plain_bytes(text) for text in texts]
    types = CsvTypes(texts, plain_bytes, names, source)
    density = types.density(wanted_names(names, source.spec))
    extents = [
        Extent(
            number, text.start, max(text.start + 1, text.file.size_bytes),
            int(plain * density), text.divisible,
        )
        for number, (text, plain) in enumerate(zip(texts, plain_bytes, strict=True))
    ]  # fmt: skip
    pieces, sizes = align(
        *cut(extents, source.spec.partition_size),
        lambda number, cuts: find_record_starts(texts[number], cuts),
    )
    schema, notes = types.settle(pieces)
    return Layout(
        kind="table",
        form="csv",
        files=tuple(text.file for text in texts),
        pieces=pieces,
        rows=None,
        bytes_each=sizes,
        names=tuple(names),
        schema=schema,
        n_columns=len(names),
        notes=(*_notes(source, texts, extents), *notes),
        reading=Reading(texts),
    )


def read_piece(layout: Layout, piece: Piece, columns: Sequence[str]) -> "pa.Table":
    """Return these columns of the rows of a partition."""
    import pyarrow as pa

    assert layout.schema is not None and layout.names is not None
    kinds = {name: layout.schema.field(name).type for name in columns}
    tables = [read_text(text, layout.names, kinds, list(columns)) for text in _texts(layout, piece)]
    return pa.concat_tables(tables)


def place(layout: Layout, piece: Piece, row: int) -> str:
    """Return `file:line` of a row of a partition, from 0."""
    texts = list(_texts(layout, piece))
    for text in texts[:-1]:
        rows = sum(1 for _ in text.records())
        if row < rows:
            return f"{text}:{csv_errors.find_line(text, row)}"
        row -= rows
    return f"{texts[-1]}:{csv_errors.find_line(texts[-1], row)}"


def _texts(layout: Layout, piece: Piece) -> Iterator[CsvText]:
    """Yield the texts that a partition is made of."""
    for span in piece:
        text = layout.reading.texts[span.file]
        yield text.part(span.start, span.stop) if text.divisible else text


def _read_headers(source: DataSource) -> tuple[tuple[CsvText, ...], list[str]]:
    """Return the texts of all files after their headers, and the names in those."""
    texts: list[CsvText] = []
    first: list[str] | None = None
    for file in find_files(source, ENDINGS):
        text, names = _read_header(file, source)
        first = names if first is None else first
        csv_errors.check_same_header(text, names, first)
        texts.append(text)
    return tuple(texts), first or []


def _read_header(file: DataFile, source: DataSource) -> tuple[CsvText, list[str]]:
    with reading(file, "CSV"):
        text = CsvText(file, packing(file), ",", source.spec.encoding)
    with csv_errors.explained(text):
        head = read_head(text)
        csv_errors.check_head(head, text)
        delimiter = source.spec.delimiter or find_delimiter(head.decode("utf-8", "replace"))
        text = replace(text, delimiter=delimiter)
        end = find_header_end(text)
        names = _parse_header(text, end)
    csv_errors.check_header(text, names)
    if not end:
        raise BadData("there are no rows below the header", where=str(text))
    return text.part(end, None), names


def _parse_header(text: CsvText, end: int) -> list[str]:
    with text.part(0, end or None).open() as content:
        words = content.read().decode("utf-8-sig")
    records = csv.reader(io.StringIO(words, newline=""), delimiter=text.delimiter)
    return next((fields for fields in records if fields), [])


def _plain_bytes(text: CsvText) -> int:
    size = text.file.size_bytes
    if text.packed is not None:
        with csv_errors.explained(text):
            size = guess_plain_bytes(text.file, text.packed)
    return max(1, size - text.start)


def _notes(source: DataSource, texts: Sequence[CsvText], extents: Sequence[Extent]) -> list[str]:
    notes = []
    if len(texts) > 1:
        notes.append(f"{len(texts)} files of {source.location.name}")
    if texts[0].delimiter != ",":
        notes.append(f"columns are separated by {texts[0].delimiter!r}")
    large = [extent for extent in extents if extent.memory_bytes > _LARGE_PACKED_BYTES]
    for extent in [extent for extent in large if not extent.divisible][:1]:
        notes.append(
            f"{texts[extent.file].file.name} is one partition of about "
            f"{extent.memory_bytes / 2**30:.1f} GiB, since a compressed file can only be read "
            "from its start: several files, or Parquet, take less memory"
        )
    return notes
