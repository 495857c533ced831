"""Rows of scikit-learn's generators, made on the workers.

Up to 64 MiB they are scikit-learn's own rows, made whole and sliced. Larger ones are made in
blocks of rows, each from the call and its own number: one problem, and a seed for each block.
"""

from collections.abc import Sequence
from typing import Any

from hpc_ml.data.formats.arrays import Rows, choose_columns, cut_blocks
from hpc_ml.data.generated import BlockCall, make_rows
from hpc_ml.data.generators import GeneratorCall, count_rows, generate, parse_call, small_call
from hpc_ml.data.matrix import Matrix
from hpc_ml.data.pieces import Layout, Piece
from hpc_ml.data.pieces import count_rows as count_piece_rows
from hpc_ml.data.source import DataSource
from hpc_ml.errors import BadData

_WHOLE_BYTES = 64 * 2**20
_BLOCK_BYTES = 2**20


def plan(source: DataSource) -> Layout:
    """Return the partitions, from the words of the call."""
    assert source.spec.name is not None
    if source.spec.target is not None:
        raise BadData(
            "the target of what a generator makes is given",
            where="data.target",
            hint="leave data.target out",
        )
    call = parse_call(source.spec.name, source.seed)
    rows = count_rows(call)
    # A few rows tell the columns, and whether scikit-learn takes the arguments.
    X, _ = generate(small_call(call))
    row_bytes = 8 * (X.shape[1] + 1)
    large = rows * row_bytes > _WHOLE_BYTES
    block_rows = max(1, _BLOCK_BYTES // row_bytes) if large else 1
    made = BlockCall(call, rows, block_rows) if large else call
    pieces, sizes = cut_blocks([Rows(rows, block_rows)], row_bytes, source)
    note = "larger than 64 MiB: its rows are made in blocks, and differ from scikit-learn's own"
    return Layout(
        kind="matrix",
        form="generator",
        files=(),
        pieces=pieces,
        rows=count_piece_rows(pieces),
        bytes_each=sizes,
        names=None,
        dtype=X.dtype,
        n_columns=X.shape[1],
        notes=(note,) if large else (),
        reading=made,
    )


def read_piece(layout: Layout, piece: Piece, columns: Sequence[str] | None) -> Matrix:
    """Return the rows of a partition."""
    (span,) = piece
    if isinstance(layout.reading, BlockCall):
        X, y = make_rows(layout.reading, span.start, span.stop)
    else:
        X, y = _make_whole(layout.reading)
        X, y = X[span.start : span.stop].copy(), y[span.start : span.stop].copy()
    return choose_columns(Matrix(X, y, None), columns)


def place(layout: Layout, piece: Piece, row: int) -> str:
    """Return the row, from 1, of what the generator makes."""
    return f"{layout.reading}, row {piece[0].start + row + 1}"


# The rows that were made last, for the partitions that follow.
_made: dict[str, tuple[Any, Any]] = {}


def _make_whole(call: GeneratorCall) -> tuple[Any, Any]:
    words = str(call)
    made = _made.get(words) or generate(call)
    _made.clear()
    _made[words] = made
    return made
