"""What the formats of many arrays share, HDF5 and Zarr: which arrays are meant, and their rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hpc_ml.data.formats.arrays import (
    Rows,
    array_note,
    check_rows_agree,
    choose_columns,
    cut_blocks,
    split_target,
    target_number,
)
from hpc_ml.data.matrix import Matrix
from hpc_ml.data.pieces import Piece
from hpc_ml.data.source import DataSource
from hpc_ml.errors import BadData

_WORDS = "OSUT"


@dataclass(frozen=True)
class Chosen:
    """The arrays of a store that hold the data, by their names in it.

    Without a `y` of its own the target is a column of `X`, by number, or there is none.
    """

    X: str
    y: str | None
    target: int | None


@dataclass(frozen=True)
class StoreLayout:
    """What a store's headers tell: its arrays, their columns, and how rows are cut."""

    chosen: Chosen
    pieces: tuple[Piece, ...]
    sizes: tuple[int, ...]
    names: tuple[str, ...] | None
    dtype: Any
    n_columns: int
    notes: tuple[str, ...]


def lay_out(roots: Sequence[Any], wheres: Sequence[str], source: DataSource) -> StoreLayout:
    """Return the layout of stores that hold the same arrays, each with rows of its own.

    Parameters
    ----------
    roots : sequence of groups
        The opened stores: mappings of names to arrays and groups, as h5py and zarr have them.
    wheres : sequence of str
        What messages call them.
    source : DataSource
        Names the array or group by `data.dataset`.
    """
    chosen = _choose(roots[0], wheres[0], source)
    arrays = [_get(root, chosen.X, where) for root, where in zip(roots, wheres, strict=True)]
    first = arrays[0]
    for root, array, where in zip(roots, arrays, wheres, strict=True):
        _check(root, array, first, chosen, where)
    text = len(first.shape) == 1
    width = 1 if text else first.shape[1]
    itemsize = 64 if first.dtype.kind in _WORDS else first.dtype.itemsize
    chunks = [(getattr(array, "chunks", None) or (1,))[0] for array in arrays]
    rows = [Rows(array.shape[0], chunk) for array, chunk in zip(arrays, chunks, strict=True)]
    pieces, sizes = cut_blocks(rows, width * itemsize, source)
    numbers = tuple(str(number) for number in range(width) if number != chosen.target)
    return StoreLayout(
        chosen,
        pieces,
        sizes,
        None if chosen.target is None else numbers,
        first.dtype,
        len(numbers),
        array_note(source) if chosen.y is None else (),
    )


def read_rows(
    root: Any, chosen: Chosen, start: int, stop: int, names: Any, columns: Sequence[str] | None
) -> Matrix:
    """Return a range of rows of a store."""
    X = _plain(root[chosen.X], start, stop)
    if X.ndim == 1:
        X = X.astype(object)
    if chosen.y is None:
        return split_target(X, chosen.target, names, columns)
    y = _plain(root[chosen.y], start, stop).reshape(stop - start)
    return choose_columns(Matrix(X, y, None), columns)


def _plain(array: Any, start: int, stop: int) -> Any:
    """Return rows as numbers, or words as numpy's str."""
    import numpy as np

    # h5py gives bytes unless it is asked for str.
    words = array.dtype.kind in _WORDS
    rows = array.asstr()[start:stop] if words and hasattr(array, "asstr") else array[start:stop]
    # Zarr gives words as StringDType, which is turned into numpy's str by way of objects only.
    return np.asarray(rows).astype(object).astype(str) if words else np.asarray(rows)


def _choose(root: Any, where: str, source: DataSource) -> Chosen:
    word = source.spec.dataset or ""
    node = _get(root, word, where) if word else root
    if _is_array(node):
        return _single(node, word, where, source)
    inside = [name for name in node if _is_array(node[name])]
    prefix = f"{word.rstrip('/')}/" if word else ""
    if "X" in inside:
        if source.spec.target is not None:
            raise BadData(
                "the target is in the array y", where="data.target", hint="leave data.target out"
            )
        if source.supervised and "y" not in inside:
            raise _unclear(root, where, f"there is no array {prefix}y beside {prefix}X")
        return Chosen(f"{prefix}X", f"{prefix}y" if source.supervised else None, None)
    if len(inside) == 1:
        return _single(node[inside[0]], f"{prefix}{inside[0]}", where, source)
    raise _unclear(root, where, f"there is no array {prefix}X")


def _single(array: Any, name: str, where: str, source: DataSource) -> Chosen:
    if len(array.shape) != 2:
        raise BadData(
            f"array {name} has shape {tuple(array.shape)}, and rows x columns are needed",
            where=where,
        )
    return Chosen(name, None, target_number(array.shape[1], source))


def _get(root: Any, name: str, where: str) -> Any:
    try:
        return root[name]
    except KeyError:
        raise _unclear(root, where, f"there is no array or group {name}") from None


def _unclear(root: Any, where: str, problem: str) -> BadData:
    found = ", ".join(list(_walk(root, ""))[:10])
    return BadData(
        problem,
        where=where,
        hint="save arrays named X and y, or name the array, or the group that holds them, by "
        f"--set data.dataset=NAME: {found or 'there are none'}",
    )


def _walk(node: Any, prefix: str) -> Iterator[str]:
    for name in sorted(node):
        child = node[name]
        path = f"{prefix}{name}"
        if _is_array(child):
            yield path
        elif hasattr(child, "keys"):
            yield from _walk(child, f"{path}/")


def _is_array(node: Any) -> bool:
    return hasattr(node, "shape") and hasattr(node, "dtype")


def _check(root: Any, array: Any, first: Any, chosen: Chosen, where: str) -> None:
    if not array.shape:
        raise BadData(f"{chosen.X} has 0 dimensions instead of 2", where=where)
    if array.shape[1:] != first.shape[1:] or array.dtype != first.dtype:
        raise BadData(
            f"{chosen.X} has rows of shape {tuple(array.shape[1:])} and type {array.dtype}, and "
            f"those before it {tuple(first.shape[1:])} and {first.dtype}",
            where=where,
        )
    if chosen.y is not None:
        check_rows_agree(tuple(array.shape), tuple(_get(root, chosen.y, where).shape), where)
