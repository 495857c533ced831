"""One array of rows x columns in NumPy's own format; one of its columns is the target."""

from pathlib import Path
from typing import Any

from hpc_ml.data.files import reading
from hpc_ml.data.matrix import Matrix
from hpc_ml.data.source import DataSource
from hpc_ml.errors import BadData

_HEAD_BYTES = 64 * 2**20


def open_array(path: Path) -> Any:
    """Return the array as a memory map. Raises BadData for pickled objects, which can run code."""
    from numpy.lib.format import open_memmap

    with reading(path, "npy"):
        try:
            return open_memmap(path, mode="r")
        except ValueError as error:
            if "Python objects" in str(error):
                raise pickled(path, "the file") from None
            raise


def pickled(path: Path, what: str) -> BadData:
    """Return the error for an array of Python objects."""
    return BadData(
        f"{what} holds pickled Python objects, which are not read, since they can run code",
        where=str(path),
        hint="save an array of numbers, such as X.astype(float)",
    )


def files(path: Path) -> list[Path]:
    """Return the one file."""
    return [path]


def count_bytes(path: Path) -> int:
    """Return the size of the array in memory."""
    return int(open_array(path).nbytes)


def count_rows(path: Path) -> int | None:
    """Return the rows that the header tells."""
    shape = open_array(path).shape
    return int(shape[0]) if shape else None


def read(path: Path, source: DataSource) -> Matrix:
    """Return the array apart from its target: `data.target`, a column number, else the last."""
    return _part(open_array(path), path, source)


def read_head(path: Path, source: DataSource) -> Matrix | None:
    """Return the first rows likewise."""
    array = open_array(path)
    rows = max(2, _HEAD_BYTES * len(array) // max(1, array.nbytes)) if array.ndim else 0
    return _part(array[:rows] if array.ndim else array, path, source)


def _part(array: Any, path: Path, source: DataSource) -> Matrix:
    import numpy as np

    if array.ndim != 2:
        raise BadData(
            f"the array has shape {array.shape}, and rows x columns are needed", where=str(path)
        )
    target = _target_number(array.shape[1], source)
    if target is None:
        return Matrix(array, None, None)
    numbers = [number for number in range(array.shape[1]) if number != target]
    X = array[:, :-1] if target == array.shape[1] - 1 else array[:, numbers]
    return Matrix(X, np.array(array[:, target]), tuple(map(str, numbers)))


def notes(source: DataSource) -> list[str]:
    """Return what a user should know of how the file is read."""
    if source.supervised and source.spec.target is None:
        return ["target: the last column of the array"]
    return []


def _target_number(width: int, source: DataSource) -> int | None:
    word = source.spec.target
    if word is None:
        return width - 1 if source.supervised else None
    try:
        number = int(word)
    except ValueError:
        number = width
    if not -width <= number < width:
        raise BadData(
            f"data.target {word!r} is no column of an array of {width} columns",
            where=source.where,
            hint=f"give the column's number, 0 to {width - 1}, or -1 for the last",
        )
    return number % width
