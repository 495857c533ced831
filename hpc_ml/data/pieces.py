"""Where the rows of each partition lie, and how large the partitions are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from hpc_ml.data.location import DataFile
from hpc_ml.spec.quantities import MIB

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_PARTS = 32
_SMALLEST_BYTES = MIB
_LARGEST_BYTES = 64 * MIB


@dataclass(frozen=True)
class Span:
    """A range of one file: of rows, or of bytes where only reading tells the rows."""

    file: int
    start: int
    stop: int


Piece = tuple[Span, ...]


@dataclass(frozen=True)
class Extent:
    """A range of one file and about how much memory it takes when it is read.

    Where it is not `divisible` it is read whole.
    """

    file: int
    start: int
    stop: int
    memory_bytes: int
    divisible: bool = True


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a format lays the data out in partitions: all that a worker needs to read one of them.

    Attributes
    ----------
    kind : "table" or "matrix"
        Whether a partition is read as a pyarrow.Table or as a Matrix.
    form : str
        The name of the format; `generator` or `bundled` for data without files.
    files : tuple of DataFile
        The files that the spans of `pieces` count.
    pieces : tuple of Piece
        Where the rows of each partition lie, in the order of the rows.
    rows : tuple of int, or None
        Rows of each as headers tell them; None where only reading tells.
    bytes_each : tuple of int
        About how many bytes of memory each takes when it is read.
    names : tuple of str, or None
        Names of the columns, or None where those of a matrix have none.
    schema : pyarrow.Schema or None
        Names and types of a table's columns, the same in all partitions.
    dtype : numpy.dtype or None
        Type of a matrix; of a table, the width that its numbers need: float32 or float64.
    sparse : bool
        Whether a matrix is CSR.
    n_columns : int
        Columns of the table, or features of the matrix; 1 for texts.
    notes : tuple of str
        What a user should know of how the data are read.
    fingerprint : str or None
        What changes with the data, where `files` does not tell it.
    reading : Any
        What the format itself needs to know on the worker.
    """

    kind: Literal["table", "matrix"]
    form: str
    files: tuple[DataFile, ...]
    pieces: tuple[Piece, ...]
    rows: tuple[int, ...] | None
    bytes_each: tuple[int, ...]
    names: tuple[str, ...] | None
    schema: "pa.Schema | None" = None
    dtype: "np.dtype[Any] | None" = None
    sparse: bool = False
    n_columns: int
    notes: tuple[str, ...] = ()
    fingerprint: str | None = None
    reading: Any = None


def partition_bytes(total_bytes: int, asked: int | None) -> int:
    """Return the memory that a partition should take, in bytes.

    What `data.partition_size` asks; else a part in 32 of the data, from 1 MiB to 64 MiB.
    """
    if asked is not None:
        return asked
    return min(max(-(-total_bytes // _PARTS), _SMALLEST_BYTES), _LARGEST_BYTES)


def cut(extents: Sequence[Extent], asked: int | None) -> tuple[tuple[Piece, ...], tuple[int, ...]]:
    """Return pieces of about the size that is wanted, and the bytes of each.

    Extents keep their order. Those much larger than a piece are divided evenly, small ones are
    joined, so that boundaries lie where extents end wherever that is possible.
    """
    wanted = partition_bytes(sum(extent.memory_bytes for extent in extents), asked)
    pieces: list[Piece] = []
    sizes: list[int] = []
    spans: list[Span] = []
    size = 0
    for atom in _divide(extents, wanted):
        if spans and size + atom.memory_bytes / 2 > wanted:
            pieces.append(tuple(spans))
            sizes.append(size)
            spans, size = [], 0
        _append(spans, Span(atom.file, atom.start, atom.stop))
        size += atom.memory_bytes
    if spans:
        pieces.append(tuple(spans))
        sizes.append(size)
    return tuple(pieces), tuple(sizes)


def _divide(extents: Iterable[Extent], wanted: int) -> Iterable[Extent]:
    for extent in extents:
        length = extent.stop - extent.start
        # One and a half pieces make one piece, more make two.
        parts = max(1, round(extent.memory_bytes / wanted)) if extent.divisible else 1
        parts = max(1, min(parts, length))
        for part in range(parts):
            yield Extent(
                extent.file,
                extent.start + part * length // parts,
                extent.start + (part + 1) * length // parts,
                (part + 1) * extent.memory_bytes // parts - part * extent.memory_bytes // parts,
            )


def _append(spans: list[Span], span: Span) -> None:
    last = spans[-1] if spans else None
    if last is not None and (last.file, last.stop) == (span.file, span.start):
        spans[-1] = Span(last.file, last.start, span.stop)
    else:
        spans.append(span)


def join(pieces: Iterable[Piece]) -> Piece:
    """Return all pieces as one."""
    spans: list[Span] = []
    for piece in pieces:
        for span in piece:
            _append(spans, span)
    return tuple(spans)


def count_rows(pieces: Iterable[Piece]) -> tuple[int, ...]:
    """Return the rows of pieces whose spans count rows."""
    return tuple(sum(span.stop - span.start for span in piece) for piece in pieces)


def place_in_rows(layout: Layout, piece: Piece, row: int) -> str:
    """Return the file and the row in it, from 1, of a row of a piece whose spans count rows."""
    for span in piece:
        if row < span.stop - span.start:
            return f"{layout.files[span.file]}, row {span.start + row + 1}"
        row -= span.stop - span.start
    return str(layout.files[piece[-1].file])
