"""Two arrays named X and y in NumPy's own archive."""

import zipfile
from math import prod
from pathlib import Path
from typing import Any

from hpc_ml.data.files import reading
from hpc_ml.data.formats.npy import pickled
from hpc_ml.data.matrix import Matrix
from hpc_ml.data.source import DataSource
from hpc_ml.errors import BadData


def files(path: Path) -> list[Path]:
    """Return the one file."""
    return [path]


def count_bytes(path: Path) -> int:
    """Return the size of the arrays in memory, as the archive's directory tells."""
    with reading(path, "npz"), zipfile.ZipFile(path) as archive:
        return sum(member.file_size for member in archive.infolist())


def count_rows(path: Path) -> int | None:
    """Return the rows of X, from its header."""
    shape = _check_header(path, "X")
    return shape[0] if shape else None


def read(path: Path, source: DataSource) -> Matrix:
    """Return X and y."""
    if source.spec.target is not None:
        raise BadData(
            "an npz file has its target in the array y",
            where="data.target",
            hint="leave data.target out",
        )
    wanted = ("X", "y") if source.supervised else ("X",)
    with reading(path, "npz"), zipfile.ZipFile(path) as archive:
        _check_names(path, [name.removesuffix(".npy") for name in archive.namelist()], wanted)
    X = _read_array(path, "X")
    return Matrix(X, _read_array(path, "y") if source.supervised else None, None)


def read_head(path: Path, source: DataSource) -> Matrix | None:
    """Return None: the archive has to be unpacked for any of its rows."""
    return None


def notes(source: DataSource) -> list[str]:
    """Return what a user should know of how the file is read: nothing."""
    return []


def _check_names(path: Path, names: list[str], wanted: tuple[str, ...]) -> None:
    for name in wanted:
        if name not in names:
            raise BadData(
                f"the file has no array named {name}, but {', '.join(names) or 'none'}",
                where=str(path),
                hint="save it by numpy.savez(file, X=..., y=...)",
            )


def _check_header(path: Path, name: str) -> tuple[int, ...]:
    """Return the shape of an array. Raises BadData where the archive is too short for it."""
    from numpy.lib import format as npy

    with reading(path, "npz"), zipfile.ZipFile(path) as archive:
        member = archive.getinfo(f"{name}.npy")
        with archive.open(member) as file:
            major, _minor = npy.read_magic(file)
            read = npy.read_array_header_1_0 if major == 1 else npy.read_array_header_2_0
            shape, _fortran, dtype = read(file)
    if dtype.hasobject:
        raise pickled(path, f"array {name}")
    if dtype.itemsize * prod(shape) > member.file_size:
        raise BadData(f"array {name} is cut off", where=str(path), hint="save the file again")
    return tuple(shape)


def _read_array(path: Path, name: str) -> Any:
    import numpy as np

    _check_header(path, name)
    with reading(path, "npz"), np.load(path, allow_pickle=False) as arrays:
        return arrays[name]
