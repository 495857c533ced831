"""CSV, plain or compressed by gzip or zstd, read by Arrow with one thread.

A first line of names; columns apart by comma, semicolon, tab or bar (the header decides) or what
data.delimiter says; UTF-8 or data.encoding. Missing values are the words that pandas takes for
them. A partition is a range of bytes that ends where a record does.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hpc_ml.data.files import reading
from hpc_ml.data.formats import csv_errors, find_files
from hpc_ml.data.formats.csv_reader import CsvReader, read_text
from hpc_ml.data.formats.csv_text import (
    CsvText,
    find_delimiter,
    find_header_end,
    find_record_starts,
    read_head,
)
from hpc_ml.data.formats.lines import align
from hpc_ml.data.formats.packed import packing
from hpc_ml.data.formats.survey import Survey, arrow_types
from hpc_ml.data.formats.tables import wanted_names
from hpc_ml.data.formats.text import tell_whole, text_extents, texts_of
from hpc_ml.data.location import DataFile
from hpc_ml.data.pieces import Extent, Layout, Piece, cut
from hpc_ml.data.source import DataSource
from hpc_ml.errors import BadData

if TYPE_CHECKING:
    import pyarrow as pa

ENDINGS = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".csv.zst", ".tsv.zst")


@dataclass(frozen=True)
class Reading:
    """The text of each file after its header."""

    texts: tuple[CsvText, ...]


def plan(source: DataSource) -> Layout:
    """Return the partitions, from the headers and the first part of the files."""
    texts, names = _read_headers(source)
    plain_bytes = [text.count_bytes() for text in texts]
    reader = CsvReader(names, arrow_types(source.spec.types))
    survey = Survey(reader, texts, plain_bytes, source)
    extents = text_extents(texts, plain_bytes, survey.density(wanted_names(names, source.spec)))
    pieces, sizes = align(
        *cut(extents, source.spec.partition_size),
        lambda number, cuts: find_record_starts(texts[number], cuts),
    )
    schema, notes = survey.settle(pieces)
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
    tables = [
        read_text(text, layout.names, kinds, list(columns))
        for text in texts_of(layout.reading.texts, piece)
    ]
    return pa.concat_tables(tables)


def place(layout: Layout, piece: Piece, row: int) -> str:
    """Return `file:line` of a row of a partition, from 0."""
    texts = list(texts_of(layout.reading.texts, piece))
    for text in texts[:-1]:
        rows = sum(1 for _ in text.records())
        if row < rows:
            return f"{text}:{csv_errors.find_line(text, row)}"
        row -= rows
    return f"{texts[-1]}:{csv_errors.find_line(texts[-1], row)}"


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
        text = CsvText(file=file, packed=packing(file), encoding=source.spec.encoding)
    with csv_errors.explained(text):
        head = read_head(text)
        csv_errors.check_head(head, text)
        delimiter = source.spec.delimiter or find_delimiter(head.decode("utf-8", "replace"))
        text = replace(text, delimiter=delimiter)
        end = find_header_end(text)
        if not end:
            csv_errors.check_line_breaks(head, text)
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


def _notes(source: DataSource, texts: Sequence[CsvText], extents: Sequence[Extent]) -> list[str]:
    notes = []
    if len(texts) > 1:
        notes.append(f"{len(texts)} files of {source.location.name}")
    if texts[0].delimiter != ",":
        notes.append(f"columns are separated by {texts[0].delimiter!r}")
    return notes + tell_whole(texts, extents)
