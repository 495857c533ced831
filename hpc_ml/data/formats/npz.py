"""Two arrays named X and y in NumPy's own archive.

Arrays that are stored as they are (numpy.savez) are read by rows; compressed ones
(numpy.savez_compressed) only whole, in one partition.
"""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hpc_ml.data.files import reading
from hpc_ml.data.formats import find_files
from hpc_ml.data.formats.arrays import check_rows_agree, choose_columns
from hpc_ml.data.formats.npy import ArrayHeader, read_header, read_rows
from hpc_ml.data.location import DataFile
from hpc_ml.data.matrix import Matrix
from hpc_ml.data.pieces import Extent, Layout, Piece, Span, count_rows, cut, place_in_rows
from hpc_ml.data.source import DataSource
from hpc_ml.errors import BadData

ENDINGS = (".npz",)
place = place_in_rows
_LARGE_BYTES = 256 * 2**20
# What stands before the data of a member of a zip file: fixed words, its name, and extra ones.
_LOCAL_HEADER_BYTES = 30


@dataclass(frozen=True)
class Member:
    """An array of the archive: its header, and whether it is stored as it is.

    Of a stored array the header's offset counts from the start of the file.
    """

    header: ArrayHeader
    stored: bool


@dataclass(frozen=True)
class Reading:
    """The arrays of each file by name."""

    members: tuple[dict[str, Member], ...]


def plan(source: DataSource) -> Layout:
    """Return the partitions, from the headers of the arrays."""
    if source.spec.target is not None:
        raise BadData(
            "an npz file has its target in the array y",
            where="data.target",
            hint="leave data.target out",
        )
    files = find_files(source, ENDINGS)
    wanted = ("X", "y") if source.supervised else ("X",)
    members = tuple(_read_directory(file, wanted) for file in files)
    first = members[0]["X"].header
    for file, found in zip(files, members, strict=True):
        _check_shapes(found, first, file)
    row_bytes = first.dtype.itemsize * (first.shape[1] if len(first.shape) > 1 else 1)
    extents = [
        Extent(
            number, 0, found["X"].header.shape[0], found["X"].header.shape[0] * row_bytes,
            all(member.stored for member in found.values()),
        )
        for number, found in enumerate(members)
        if found["X"].header.shape[0]
    ]  # fmt: skip
    pieces, sizes = cut(extents, source.spec.partition_size)
    packed = [extent for extent in extents if not extent.divisible]
    large = [extent for extent in packed if extent.memory_bytes > _LARGE_BYTES]
    return Layout(
        kind="matrix",
        form="npz",
        files=files,
        pieces=pieces,
        rows=count_rows(pieces),
        bytes_each=sizes,
        names=None,
        dtype=first.dtype,
        n_columns=first.shape[1] if len(first.shape) > 1 else 1,
        notes=("compressed, and so read whole: numpy.savez takes less memory",) if large else (),
        reading=Reading(members),
    )


def read_piece(layout: Layout, piece: Piece, columns: Sequence[str] | None) -> Matrix:
    """Return the rows of a partition."""
    import numpy as np

    parts: dict[str, list[Any]] = {}
    for span in piece:
        file = layout.files[span.file]
        for name, member in layout.reading.members[span.file].items():
            parts.setdefault(name, []).append(_read_member(file, name, member, span))
    arrays = {name: found[0] if len(found) == 1 else np.concatenate(found)
              for name, found in parts.items()}  # fmt: skip
    return choose_columns(Matrix(arrays["X"], arrays.get("y"), None), columns)


def _read_member(file: DataFile, name: str, member: Member, span: Span) -> Any:
    import numpy as np

    with reading(file, "npz"), file.open() as content:
        if member.stored:
            return read_rows(content, member.header, span)
        with np.load(content, allow_pickle=False) as arrays:
            return arrays[name][span.start : span.stop]


def _read_directory(file: DataFile, wanted: tuple[str, ...]) -> dict[str, Member]:
    with reading(file, "npz"), file.open() as content, zipfile.ZipFile(content) as archive:
        _check_names(file, [name.removesuffix(".npy") for name in archive.namelist()], wanted)
        return {name: _read_header(file, content, archive, name) for name in wanted}


def _check_names(file: DataFile, names: list[str], wanted: tuple[str, ...]) -> None:
    for name in wanted:
        if name not in names:
            raise BadData(
                f"the file has no array named {name}, but {', '.join(names) or 'none'}",
                where=str(file),
                hint="save it by numpy.savez(file, X=..., y=...)",
            )


def _read_header(file: DataFile, content: Any, archive: zipfile.ZipFile, name: str) -> Member:
    """Return an array's header. Raises BadData where the archive is too short for it."""
    info = archive.getinfo(f"{name}.npy")
    with archive.open(info) as member:
        header = read_header(member, str(file), f"array {name}")
    if header.end > info.file_size:
        raise BadData(f"array {name} is cut off", where=str(file), hint="save the file again")
    if info.compress_type != zipfile.ZIP_STORED:
        return Member(header, stored=False)
    content.seek(info.header_offset + _LOCAL_HEADER_BYTES - 4)
    lengths = content.read(4)
    start = info.header_offset + _LOCAL_HEADER_BYTES
    start += int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")
    return Member(replace(header, offset=start + header.offset), stored=True)


def _check_shapes(found: dict[str, Member], first: ArrayHeader, file: DataFile) -> None:
    X = found["X"].header
    if not X.shape:
        raise BadData("X has 0 dimensions instead of 2", where=str(file))
    if X.shape[1:] != first.shape[1:] or X.dtype != first.dtype:
        raise BadData(
            f"X has rows of shape {X.shape[1:]} and type {X.dtype}, and those before it "
            f"{first.shape[1:]} and {first.dtype}",
            where=str(file),
        )
    if "y" in found:
        check_rows_agree(X.shape, found["y"].header.shape, str(file))
