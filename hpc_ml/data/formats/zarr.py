"""Zarr, versions 2 and 3: arrays named X and y in a group, or the one that data.dataset names."""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hpc_ml.data.files import reading
from hpc_ml.data.formats.arrays import join_matrices
from hpc_ml.data.formats.npy import pickled
from hpc_ml.data.formats.stores import Chosen, lay_out, read_rows
from hpc_ml.data.matrix import Matrix
from hpc_ml.data.pieces import Layout, Piece, count_rows
from hpc_ml.data.source import DataSource
from hpc_ml.errors import BadData

ENDINGS = (".zarr",)


@dataclass(frozen=True)
class Reading:
    """Where the store lies, and the arrays that hold the data."""

    address: str
    chosen: Chosen


def plan(source: DataSource) -> Layout:
    """Return the partitions, from the metadata of the store."""
    location = source.location
    with _open(location.address) as root:
        found = lay_out([root], [location.address], source)
        _refuse_pickles(root, found.chosen, location.address)
    listing = "".join(f"{name}:{file}\n" for name, file in location.listing())
    return Layout(
        kind="matrix",
        form="zarr",
        files=(),
        fingerprint=hashlib.sha256(listing.encode()).hexdigest(),
        pieces=found.pieces,
        rows=count_rows(found.pieces),
        bytes_each=found.sizes,
        names=found.names,
        dtype=found.dtype,
        n_columns=found.n_columns,
        notes=found.notes,
        reading=Reading(location.address, found.chosen),
    )


def read_piece(layout: Layout, piece: Piece, columns: Sequence[str] | None) -> Matrix:
    """Return the rows of a partition."""
    chosen = layout.reading.chosen
    with _open(layout.reading.address) as root:
        return join_matrices(
            [
                read_rows(root, chosen, span.start, span.stop, layout.names, columns)
                for span in piece
            ]
        )


def place(layout: Layout, piece: Piece, row: int) -> str:
    """Return the row of the store, from 1."""
    return f"{layout.reading.address}, row {piece[0].start + row + 1}"


def _refuse_pickles(root: Any, chosen: Chosen, address: str) -> None:
    """Raise BadData for an array that numcodecs would unpickle; old ones do so unasked."""
    for name in filter(None, (chosen.X, chosen.y)):
        metadata = root[name].metadata
        codecs = [
            *(getattr(metadata, "filters", None) or ()),
            getattr(metadata, "compressor", None),
        ]
        if any(getattr(codec, "codec_id", None) == "pickle" for codec in codecs):
            raise pickled(address, f"array {name!r}")


class _OfOthers(logging.Filter):
    """Leaves out what asyncio logs of zarr's tasks: the error of one is raised, and told by us."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "zarr" not in record.getMessage()


_of_others = _OfOthers()


class _Alone:
    """A store that is one array, as a group that holds it under one name."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def __iter__(self) -> Iterator[str]:
        return iter(("array",))

    def __getitem__(self, name: str) -> Any:
        if name != "array":
            raise KeyError(name)
        return self._array


@contextmanager
def _open(address: str) -> Iterator[Any]:
    try:
        import zarr
    except ImportError:
        raise BadData(
            "Zarr is read by zarr, which is not installed",
            where=address,
            hint="pip install zarr",
        ) from None
    # The workers are one process for each core: no threads beside them.
    logging.getLogger("asyncio").addFilter(_of_others)
    with reading(address, "Zarr"), zarr.config.set({"async.concurrency": 1}):
        node = zarr.open(address, mode="r")
        yield node if isinstance(node, zarr.Group) else _Alone(node)
