"""HDF5: arrays named X and y, or the one that data.dataset names."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from hpc_ml.data.files import reading
from hpc_ml.data.formats import find_files
from hpc_ml.data.formats.arrays import join_matrices
from hpc_ml.data.formats.stores import Chosen, lay_out, read_rows
from hpc_ml.data.location import DataFile
from hpc_ml.data.matrix import Matrix
from hpc_ml.data.pieces import Layout, Piece, count_rows, place_in_rows
from hpc_ml.data.source import DataSource
from hpc_ml.errors import BadData

ENDINGS = (".h5", ".hdf5", ".hdf")
place = place_in_rows


@dataclass(frozen=True)
class Reading:
    """The arrays that hold the data."""

    chosen: Chosen


def plan(source: DataSource) -> Layout:
    """Return the partitions, from the headers of the files."""
    files = find_files(source, ENDINGS)
    with ExitStack() as stack:
        roots = [stack.enter_context(_open(file)) for file in files]
        found = lay_out(roots, [str(file) for file in files], source)
    return Layout(
        kind="matrix",
        form="hdf5",
        files=files,
        pieces=found.pieces,
        rows=count_rows(found.pieces),
        bytes_each=found.sizes,
        names=found.names,
        dtype=found.dtype,
        n_columns=found.n_columns,
        notes=found.notes,
        reading=Reading(found.chosen),
    )


def read_piece(layout: Layout, piece: Piece, columns: Sequence[str] | None) -> Matrix:
    """Return the rows of a partition."""
    parts = []
    for span in piece:
        with _open(layout.files[span.file]) as root:
            chosen = layout.reading.chosen
            parts.append(read_rows(root, chosen, span.start, span.stop, layout.names, columns))
    return join_matrices(parts)


@contextmanager
def _open(file: DataFile) -> Iterator[Any]:
    try:
        import h5py
    except ImportError:
        raise BadData(
            "HDF5 is read by h5py, which is not installed",
            where=str(file),
            hint="pip install h5py",
        ) from None
    with reading(file, "HDF5"), file.open() as content, h5py.File(content, "r") as root:
        yield root
