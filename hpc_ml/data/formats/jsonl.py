"""JSON lines: an object on each line, plain or compressed, read by Arrow with one thread.

A partition is a range of bytes that ends where a line does. A column that an object lacks is
missing there.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from hpc_ml.data.files import reading
from hpc_ml.data.formats import find_files
from hpc_ml.data.formats.lines import align, find_line_starts
from hpc_ml.data.formats.packed import packing
from hpc_ml.data.formats.survey import Survey, arrow_types
from hpc_ml.data.formats.tables import wanted_names
from hpc_ml.data.formats.text import BROKEN, Text, tell_whole, text_extents, texts_of
from hpc_ml.data.pieces import Layout, Piece, cut
from hpc_ml.data.source import DataSource
from hpc_ml.errors import BadData

if TYPE_CHECKING:
    import pyarrow as pa

_STEMS = (".jsonl", ".ndjson")
ENDINGS = tuple(stem + packed for stem in _STEMS for packed in ("", ".gz", ".zst"))
_BLOCK_BYTES = 8 * 2**20
_ADVICE = 'write one object on each line: {"a": 1, "b": "x"}'


@dataclass(frozen=True)
class Reading:
    """The text of each file."""

    texts: tuple[Text, ...]


def plan(source: DataSource) -> Layout:
    """Return the partitions, from the first part of the files."""
    texts = []
    for file in find_files(source, ENDINGS):
        with reading(file, "JSON lines"):
            texts.append(Text(file=file, packed=packing(file), encoding=source.spec.encoding))
    plain_bytes = [text.count_bytes() for text in texts]
    given = arrow_types(source.spec.types)
    survey = Survey(JsonReader(given), texts, plain_bytes, source)
    extents = text_extents(
        texts, plain_bytes, survey.density(wanted_names(survey.names, source.spec))
    )
    pieces, sizes = align(
        *cut(extents, source.spec.partition_size),
        lambda number, cuts: find_line_starts(texts[number].file, cuts),
    )
    schema, notes = survey.settle(pieces)
    files = [f"{len(texts)} files of {source.location.name}"] if len(texts) > 1 else []
    return Layout(
        kind="table",
        form="jsonl",
        files=tuple(text.file for text in texts),
        pieces=pieces,
        rows=None,
        bytes_each=sizes,
        names=tuple(schema.names),
        schema=schema,
        n_columns=len(schema.names),
        notes=(*files, *tell_whole(texts, extents), *notes),
        reading=Reading(tuple(texts)),
    )


def read_piece(layout: Layout, piece: Piece, columns: Sequence[str]) -> "pa.Table":
    """Return these columns of the rows of a partition."""
    import pyarrow as pa

    assert layout.schema is not None
    schema = pa.schema([layout.schema.field(name) for name in columns])
    tables = [
        read_text(text, schema, only_these=True) for text in texts_of(layout.reading.texts, piece)
    ]
    return pa.concat_tables(tables)


def place(layout: Layout, piece: Piece, row: int) -> str:
    """Return `file:line` of a row of a partition, from 0."""
    for text in texts_of(layout.reading.texts, piece):
        for number, _ in _lines(text):
            if not row:
                return f"{text}:{number}"
            row -= 1
    return str(layout.files[piece[-1].file])


@dataclass(frozen=True)
class JsonReader:
    """Reads texts to find out their columns and types, with the types of some given."""

    given: "Mapping[str, pa.DataType]"

    def read(self, text: Text, content: BinaryIO | None) -> "pa.Table":
        """Return the rows of a text, or of the part of it that is read already."""
        import pyarrow as pa

        return read_text(text, pa.schema(list(self.given.items())), content)

    def explained(self, text: Text) -> AbstractContextManager[None]:
        """Turn what is raised while a text is read into BadData."""
        import pyarrow as pa

        return _explained(text, pa.schema([]))

    def last_end(self, block: bytes) -> int:
        """Return the byte after the last line."""
        return block.rfind(b"\n") + 1

    def no_rows(self) -> str:
        """Return what is wrong with texts that have no rows."""
        return "there are no rows"


def read_text(
    text: Text, schema: "pa.Schema", content: BinaryIO | None = None, *, only_these: bool = False
) -> "pa.Table":
    """Return the columns of a schema, and all others as Arrow infers them unless `only_these`."""
    import pyarrow as pa
    from pyarrow import json as arrow_json

    with _explained(text, schema), content or text.open() as stream:
        try:
            table = arrow_json.read_json(
                pa.PythonFile(stream, "r"),
                read_options=arrow_json.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
                parse_options=arrow_json.ParseOptions(
                    explicit_schema=schema,
                    unexpected_field_behavior="ignore" if only_these else "infer",
                ),
            )
        except pa.ArrowInvalid as error:
            if "Empty JSON file" not in str(error):
                raise
            return schema.empty_table()
        # Arrow does not look whether words are UTF-8.
        table.validate(full=True)
    return table.select(schema.names) if only_these else table


@contextmanager
def _explained(text: Text, schema: "pa.Schema") -> Iterator[None]:
    """Turn what Arrow raises into BadData with the line."""
    try:
        with reading(text, "JSON lines", passing=BROKEN):
            yield
    except BROKEN as error:
        raise _find_broken(text, schema, " ".join(str(error).split())[:200]) from None


def _find_broken(text: Text, schema: "pa.Schema", words: str) -> BadData:
    """Return the error with the first line that is no object, or that differs from the others."""
    seen: dict[str, str] = {}
    for name in schema.names:
        seen[name] = _kind_of_type(schema.field(name).type)
    try:
        for number, line in _lines(text):
            where = f"{text}:{number}"
            try:
                row = json.loads(line)
            except ValueError as error:
                problem = f"this is no JSON: {str(error).split(':')[0]}"
                return BadData(problem, where=where, hint=_ADVICE)
            if not isinstance(row, dict):
                return BadData("this line is not an object", where=where, hint=_ADVICE)
            for name, value in row.items():
                kind = _kind_of(value)
                if kind and seen.setdefault(name, kind) not in ("", kind):
                    return BadData(
                        f"column {name!r} holds {kind}, and {seen[name]} elsewhere",
                        where=where,
                        hint="correct it, or say what the column holds by data.types: "
                        f"{{{name}: float}}",
                    )
    except UnicodeError:
        return BadData(
            f"it is not in the encoding {text.encoding}", where=str(text), hint="say data.encoding"
        )
    except BROKEN:
        return text.damaged()
    return BadData(f"cannot be read as JSON lines: {words}", where=str(text), hint=_ADVICE)


def _lines(text: Text) -> Iterator[tuple[int, bytes]]:
    """Yield each line that is not blank, with its number in the file."""
    first = text.first_line()
    with text.open() as content:
        for number, line in enumerate(content, start=first):
            if line.strip():
                yield number, line


def _kind_of(value: Any) -> str:
    kinds: dict[type, str] = {
        bool: "true or false", int: "numbers", float: "numbers", str: "words", list: "lists",
        dict: "objects",
    }  # fmt: skip
    return kinds.get(type(value), "")


def _kind_of_type(kind: "pa.DataType") -> str:
    from pyarrow import types

    if types.is_integer(kind):
        return ""
    if types.is_boolean(kind):
        return "true or false"
    if types.is_floating(kind):
        return "numbers"
    if types.is_nested(kind):
        return "lists" if types.is_list(kind) else "objects"
    return "words"
