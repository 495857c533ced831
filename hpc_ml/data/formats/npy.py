"""One array of rows x columns in NumPy's own format; one of its columns is the target.

Rows are read by plain reads and not by a memory map, whose pages would count as the worker's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import IO, TYPE_CHECKING, Any, BinaryIO

from hpc_ml.data.files import reading
from hpc_ml.data.formats import find_files
from hpc_ml.data.formats.arrays import Rows, array_note, cut_blocks, split_target, target_number
from hpc_ml.data.location import DataFile
from hpc_ml.data.matrix import Matrix
from hpc_ml.data.pieces import Layout, Piece, count_rows, place_in_rows
from hpc_ml.data.source import DataSource
from hpc_ml.errors import BadData

if TYPE_CHECKING:
    import numpy as np

ENDINGS = (".npy",)
place = place_in_rows


@dataclass(frozen=True)
class ArrayHeader:
    """Where an array's numbers begin in a file, and what its header tells of them."""

    offset: int
    shape: tuple[int, ...]
    dtype: "np.dtype[Any]"
    by_columns: bool

    @property
    def end(self) -> int:
        """The byte after the last number."""
        return self.offset + self.dtype.itemsize * prod(self.shape)


@dataclass(frozen=True)
class Reading:
    """The header of each file, and the number of the target's column."""

    headers: tuple[ArrayHeader, ...]
    target: int | None


def plan(source: DataSource) -> Layout:
    """Return the partitions, from the headers of the files."""
    files = find_files(source, ENDINGS)
    headers = tuple(_read_header(file) for file in files)
    width = headers[0].shape[1]
    for file, header in zip(files, headers, strict=True):
        if header.shape[1] != width or header.dtype != headers[0].dtype:
            raise BadData(
                f"the array has {header.shape[1]} columns of {header.dtype}, and those before it "
                f"{width} of {headers[0].dtype}",
                where=str(file),
            )
    target = target_number(width, source)
    rows = [Rows(header.shape[0]) for header in headers]
    pieces, sizes = cut_blocks(rows, width * headers[0].dtype.itemsize, source)
    numbers = tuple(str(number) for number in range(width) if number != target)
    return Layout(
        kind="matrix",
        form="npy",
        files=files,
        pieces=pieces,
        rows=count_rows(pieces),
        bytes_each=sizes,
        names=None if target is None else numbers,
        dtype=headers[0].dtype,
        n_columns=len(numbers),
        notes=array_note(source),
        reading=Reading(headers, target),
    )


def read_piece(layout: Layout, piece: Piece, columns: Sequence[str] | None) -> Matrix:
    """Return the rows of a partition apart from their target."""
    import numpy as np

    parts = []
    for span in piece:
        file = layout.files[span.file]
        with reading(file, "npy"), file.open() as content:
            parts.append(read_rows(content, layout.reading.headers[span.file], span))
    rows = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return split_target(rows, layout.reading.target, layout.names, columns)


def _read_header(file: DataFile) -> ArrayHeader:
    with reading(file, "npy"), file.open() as content:
        header = read_header(content, str(file), "the file")
    if header.end > file.size_bytes:
        raise BadData("the array is cut off", where=str(file), hint="save the file again")
    if len(header.shape) != 2:
        raise BadData(
            f"the array has shape {header.shape}, and rows x columns are needed", where=str(file)
        )
    return header


def read_header(content: IO[bytes], where: str, what: str) -> ArrayHeader:
    """Return the header of the array that begins at the present byte.

    Raises BadData for pickled objects, which can run code.
    """
    from numpy.lib import format as npy

    version = npy.read_magic(content)
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    # Version 3 is 2 with UTF-8 in the names of fields, which no array of numbers has.
    shape, by_columns, dtype = readers.get(version, npy.read_array_header_2_0)(content)
    if dtype.hasobject:
        raise pickled(where, what)
    return ArrayHeader(content.tell(), shape, dtype, by_columns)


def pickled(where: str, what: str) -> BadData:
    """Return the error for an array of Python objects."""
    return BadData(
        f"{what} holds pickled Python objects, which are not read, since they can run code",
        where=where,
        hint="save an array of numbers, such as X.astype(float)",
    )


def read_rows(content: BinaryIO, header: ArrayHeader, span: Any) -> "np.ndarray[Any, Any]":
    """Return the rows of a span, in bounded memory."""
    import numpy as np

    rows = span.stop - span.start
    shape = (rows, *header.shape[1:])
    if not header.by_columns or len(header.shape) == 1:
        row_bytes = header.dtype.itemsize * prod(header.shape[1:])
        content.seek(header.offset + span.start * row_bytes)
        return _fill(content, np.empty(shape, header.dtype))
    array = np.empty(shape, header.dtype, order="F")
    for column in range(header.shape[1]):
        first = column * header.shape[0] + span.start
        content.seek(header.offset + first * header.dtype.itemsize)
        _fill(content, array[:, column])
    return array


def _fill(content: BinaryIO, array: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Fill an array from the present byte on."""
    import numpy as np

    if not array.size:
        return array
    buffer = array.reshape(-1).view(np.uint8).data
    filled = 0
    while filled < len(buffer):
        count = content.readinto(buffer[filled:])  # type: ignore[attr-defined]
        if not count:
            raise EOFError("the array is cut off")
        filled += count
    return array
