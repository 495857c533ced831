"""The types of the columns of CSV: the same in all partitions."""

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, BinaryIO

from hpc_ml.data.columns import TARGET_NAMES
from hpc_ml.data.formats import csv_errors
from hpc_ml.data.formats.csv_text import CsvText, last_record_end
from hpc_ml.data.pieces import Piece
from hpc_ml.data.source import DataSource
from hpc_ml.errors import BadData

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK_BYTES = 8 * 2**20
# Up to this size the types are those that fit all rows; beyond it those that fit samples.
_WHOLE_BYTES = 32 * 2**20
_HEAD_BYTES = 2 * 2**20
_SAMPLE_BYTES = 256 * 2**10
_SAMPLES = 32


class CsvTypes:
    """Infers the types of the columns from the texts: all of them, or samples.

    Parameters
    ----------
    texts : sequence of CsvText
        The files after their headers.
    sizes : sequence of int
        The bytes of each; texts that are small in all are read to their ends.
    names : sequence of str
        The names in the headers.
    source : DataSource
        Says types by `data.types`, and which columns are learned from.
    """

    def __init__(
        self,
        texts: Sequence[CsvText],
        sizes: Sequence[int],
        names: Sequence[str],
        source: DataSource,
    ) -> None:
        self._texts = texts
        self._names = names
        self._spec = source.spec
        self._whole = sum(sizes) <= _WHOLE_BYTES
        self._given = arrow_types(source.spec.types, names, source.where)
        self._types: dict[str, pa.DataType] = {}
        self._column_bytes = dict.fromkeys(names, 0)
        self._text_bytes = 0
        if self._whole:
            for text, size in zip(texts, sizes, strict=True):
                self._take(text, read_text(text, names, self._given, None), size)
        else:
            self._sample(texts[0], _HEAD_BYTES)
        if not self._text_bytes:
            raise BadData("there are no rows below the header", where=str(texts[0]))

    def density(self, names: Iterable[str]) -> float:
        """Return the bytes of memory that these columns take for each byte of text."""
        return sum(self._column_bytes[name] for name in names) / max(1, self._text_bytes)

    def settle(self, pieces: Sequence[Piece]) -> "tuple[pa.Schema, list[str]]":
        """Return the names and types for all rows, and what a user should know of them."""
        import pyarrow as pa

        if not self._whole:
            for number in range(0, len(pieces), -(-len(pieces) // _SAMPLES)):
                span = pieces[number][0]
                text = self._texts[span.file]
                part = text.part(span.start, None) if text.divisible else text
                self._sample(part, _SAMPLE_BYTES)
        kinds = [self._types.get(name, pa.null()) for name in self._names]
        notes = []
        if not self._whole:
            kinds = [self._widen(name, kind) for name, kind in zip(self._names, kinds, strict=True)]
            notes.append("the types of the columns are those of samples: data.types sets them")
        return pa.schema(list(zip(self._names, kinds, strict=True))), notes

    def _sample(self, text: CsvText, limit_bytes: int) -> None:
        block = _read_records(text, limit_bytes)
        content = io.BytesIO(block)
        self._take(text, read_text(text, self._names, self._given, None, content), len(block))

    def _take(self, text: CsvText, table: "pa.Table", text_bytes: int) -> None:
        import pyarrow as pa

        csv_errors.check_text(text, table.schema)
        if not table.num_rows:
            return
        self._text_bytes += text_bytes
        for name in self._names:
            column = table.column(name)
            self._column_bytes[name] += column.nbytes
            self._types[name] = join_types(self._types.get(name, pa.null()), column.type)

    def _widen(self, name: str, kind: "pa.DataType") -> "pa.DataType":
        """Return the type that also fits what further rows may well hold."""
        import pyarrow as pa

        if name in self._given:
            return kind
        if pa.types.is_null(kind):
            return pa.float64()
        if pa.types.is_integer(kind) and not self._keeps_integers(name):
            return pa.float64()
        return kind

    def _keeps_integers(self, name: str) -> bool:
        spec = self._spec
        new_name = spec.rename.get(name, name)
        if new_name in (spec.target, spec.group, spec.order_by, *spec.categorical):
            return True
        return spec.target is None and new_name.lower() in TARGET_NAMES


def arrow_types(
    given: Mapping[str, str], names: Sequence[str], where: str
) -> "dict[str, pa.DataType]":
    """Return what `data.types` says as types of Arrow. Raises BadData for an unknown column."""
    import pyarrow as pa

    from hpc_ml.spec.nearest import nearest

    kinds = {
        "int": pa.int64(), "float": pa.float64(), "float32": pa.float32(), "text": pa.string(),
        "bool": pa.bool_(), "date": pa.timestamp("ns"),
    }  # fmt: skip
    for name in given:
        if name not in names:
            raise BadData(
                f"data.types names {name!r}, which is no column",
                where=where,
                hint=nearest(name, names),
            )
    return {name: kinds[word] for name, word in given.items()}


def read_text(
    text: CsvText,
    names: Sequence[str],
    types: "Mapping[str, pa.DataType]",
    columns: list[str] | None,
    content: BinaryIO | None = None,
) -> "pa.Table":
    """Return columns of a text without header; `content` stands for it where it is read already."""
    import pyarrow as pa
    from pyarrow import csv

    with csv_errors.explained(text, names), content or text.open() as stream:
        try:
            table = csv.read_csv(
                pa.PythonFile(stream, "r"),
                read_options=csv.ReadOptions(
                    use_threads=False, block_size=_BLOCK_BYTES, column_names=list(names)
                ),
                parse_options=csv.ParseOptions(delimiter=text.delimiter, newlines_in_values=True),
                convert_options=csv.ConvertOptions(
                    strings_can_be_null=True, include_columns=columns, column_types=dict(types)
                ),
            )
        except pa.ArrowInvalid as error:
            if "Empty CSV file" not in str(error):
                raise
            kinds = [types.get(name, pa.null()) for name in columns or names]
            return pa.schema(list(zip(columns or names, kinds, strict=True))).empty_table()
    csv_errors.check_end(text, table)
    return table


def _read_records(text: CsvText, limit_bytes: int) -> bytes:
    """Return the records that end in the first bytes of a text, or else the first one."""
    with csv_errors.explained(text), text.open() as content:
        block = content.read(limit_bytes)
        while len(block) == limit_bytes:
            if end := last_record_end(block):
                return block[:end]
            block += content.read(limit_bytes)
            limit_bytes *= 2
        return block


def join_types(one: "pa.DataType", other: "pa.DataType") -> "pa.DataType":
    """Return the type that fits the values of both."""
    import pyarrow as pa

    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    for wider in (pa.float64(), pa.bool_()):
        if {one, other} == {pa.int64(), wider}:
            return wider
    if all(pa.types.is_temporal(kind) for kind in (one, other)):
        times = [kind for kind in (one, other) if pa.types.is_timestamp(kind)]
        if times and all(kind.tz == times[0].tz for kind in times):
            return max(times, key=lambda kind: ("s", "ms", "us", "ns").index(kind.unit))
    return pa.string()
