"""The tables that come with scikit-learn."""

from collections.abc import Sequence
from typing import Any

from hpc_ml.data import bundled
from hpc_ml.data.formats.arrays import Rows, choose_columns, cut_blocks
from hpc_ml.data.matrix import Matrix
from hpc_ml.data.pieces import Layout, Piece, count_rows
from hpc_ml.data.source import DataSource
from hpc_ml.errors import BadData

# The table that was read last, for the partitions that follow.
_read: dict[str, Matrix] = {}


def plan(source: DataSource) -> Layout:
    """Return the partitions: one, but for the posts of 20newsgroups."""
    name = source.spec.name
    assert name is not None
    if source.spec.target is not None:
        raise BadData(
            f"the target of {name} is given", where="data.target", hint="leave data.target out"
        )
    matrix = _read_table(name)
    rows = matrix.X.shape[0]
    pieces, sizes = cut_blocks([Rows(rows)], -(-_memory_bytes(matrix.X) // max(1, rows)), source)
    return Layout(
        kind="matrix",
        form="bundled",
        files=(),
        pieces=pieces,
        rows=count_rows(pieces),
        bytes_each=sizes,
        names=matrix.names,
        dtype=matrix.X.dtype,
        n_columns=1 if matrix.is_text else matrix.X.shape[1],
        reading=name,
    )


def read_piece(layout: Layout, piece: Piece, columns: Sequence[str] | None) -> Matrix:
    """Return the rows of a partition."""
    (span,) = piece
    whole = _read_table(layout.reading)
    rows = slice(span.start, span.stop)
    return choose_columns(Matrix(whole.X[rows].copy(), whole.y[rows].copy(), whole.names), columns)


def place(layout: Layout, piece: Piece, row: int) -> str:
    """Return the row, from 1, of the table."""
    return f"{layout.reading}, row {piece[0].start + row + 1}"


def _read_table(name: str) -> Matrix:
    matrix = _read.get(name) or bundled.read_bundled(name)
    _read.clear()
    _read[name] = matrix
    return matrix


def _memory_bytes(X: Any) -> int:
    return sum(map(len, X)) if X.ndim == 1 else int(X.nbytes)
