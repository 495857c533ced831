"""The types of the columns of text: the same in all partitions, whichever rows they hold.

Small text is read to its end, and the types are those that fit all rows. Of larger text the start
and samples from all over it are read. Whole numbers among those are taken as float64, since a
fraction may follow; only where they are labels, groups or categories they stay what they are.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, BinaryIO, Generic, Protocol, TypeVar

from hpc_ml.data.columns import TARGET_NAMES
from hpc_ml.data.formats.text import AnyText, Text
from hpc_ml.data.pieces import Piece
from hpc_ml.data.source import DataSource
from hpc_ml.errors import BadData
from hpc_ml.spec.nearest import nearest

if TYPE_CHECKING:
    import pyarrow as pa

# Up to this size the types are those that fit all rows; beyond it those that fit samples.
_WHOLE_BYTES = 32 * 2**20
_HEAD_BYTES = 2 * 2**20
_SAMPLE_BYTES = 256 * 2**10
_SAMPLES = 32


T_contra = TypeVar("T_contra", bound=Text, contravariant=True)


class Reader(Protocol[T_contra]):
    """Reads texts of one format with the types that Arrow infers."""

    @property
    def given(self) -> "Mapping[str, pa.DataType]":
        """The types that the job says."""

    def read(self, text: T_contra, content: BinaryIO | None) -> "pa.Table":
        """Return the rows of a text, or of the part of it that is read already."""

    def explained(self, text: T_contra) -> AbstractContextManager[None]:
        """Turn what is raised while a text is read into BadData."""

    def last_end(self, block: bytes) -> int:
        """Return the byte after the last whole record of a block that begins with one."""

    def no_rows(self) -> str:
        """Return what is wrong with texts that have no rows."""


class Survey(Generic[AnyText]):
    """Infers names and types of the columns of texts.

    Parameters
    ----------
    reader : Reader
        Reads a text of the format.
    texts : sequence of Text
        The files, after their headers.
    sizes : sequence of int
        The bytes of each.
    source : DataSource
        Says which columns are learned from.
    """

    def __init__(
        self,
        reader: Reader[AnyText],
        texts: Sequence[AnyText],
        sizes: Sequence[int],
        source: DataSource,
    ) -> None:
        self._reader = reader
        self._texts = texts
        self._spec = source.spec
        self._whole = sum(sizes) <= _WHOLE_BYTES
        self._types: dict[str, pa.DataType] = {}
        self._column_bytes: dict[str, int] = {}
        self._text_bytes = 0
        if self._whole:
            for text, size in zip(texts, sizes, strict=True):
                self._take(reader.read(text, None), size)
        else:
            self._sample(texts[0], _HEAD_BYTES)
        if not self._text_bytes:
            raise BadData(reader.no_rows(), where=str(texts[0]))
        for name in reader.given:
            if name not in self._types:
                raise BadData(
                    f"data.types names {name!r}, which is no column",
                    where=source.where,
                    hint=nearest(name, self.names),
                )

    @property
    def names(self) -> list[str]:
        """The columns that were seen so far."""
        return list(self._types)

    def density(self, names: Iterable[str]) -> float:
        """Return the bytes of memory that these columns take for each byte of text."""
        return sum(self._column_bytes[name] for name in names) / self._text_bytes

    def settle(self, pieces: Sequence[Piece]) -> "tuple[pa.Schema, list[str]]":
        """Return the names and types for all rows, and what a user should know of them."""
        import pyarrow as pa

        if self._whole:
            return pa.schema(list(self._types.items())), []
        for number in range(0, len(pieces), -(-len(pieces) // _SAMPLES)):
            span = pieces[number][0]
            text = self._texts[span.file]
            self._sample(text.part(span.start, None) if text.divisible else text, _SAMPLE_BYTES)
        types = {name: self._widen(name, kind) for name, kind in self._types.items()}
        note = "the types of the columns are those of samples; data.types says them for certain"
        return pa.schema(list(types.items())), [note]

    def _sample(self, text: AnyText, limit_bytes: int) -> None:
        with self._reader.explained(text), text.open() as content:
            block = _read_records(content, limit_bytes, self._reader)
        self._take(self._reader.read(text, io.BytesIO(block)), len(block))

    def _take(self, table: "pa.Table", text_bytes: int) -> None:
        import pyarrow as pa

        if not table.num_rows:
            return
        self._text_bytes += text_bytes
        for name in table.column_names:
            column = table.column(name)
            self._column_bytes[name] = self._column_bytes.get(name, 0) + column.nbytes
            self._types[name] = join_types(self._types.get(name, pa.null()), column.type)

    def _widen(self, name: str, kind: "pa.DataType") -> "pa.DataType":
        """Return the type that also fits what further rows may well hold."""
        import pyarrow as pa

        if name in self._reader.given:
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


def _read_records(content: BinaryIO, limit_bytes: int, reader: Reader[AnyText]) -> bytes:
    """Return the records that end in the first bytes of a text, or else the first one."""
    block = content.read(limit_bytes)
    while len(block) == limit_bytes:
        if end := reader.last_end(block):
            return block[:end]
        block += content.read(limit_bytes)
        limit_bytes *= 2
    return block


def arrow_types(given: Mapping[str, str]) -> "dict[str, pa.DataType]":
    """Return what `data.types` says as types of Arrow."""
    import pyarrow as pa

    kinds = {
        "int": pa.int64(), "float": pa.float64(), "float32": pa.float32(), "text": pa.string(),
        "bool": pa.bool_(), "date": pa.timestamp("ns"),
    }  # fmt: skip
    return {name: kinds[word] for name, word in given.items()}


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
