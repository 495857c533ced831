"""What the formats of arrays share: their columns, their target, and how rows are cut."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from hpc_ml.data.matrix import Matrix
from hpc_ml.data.pieces import Extent, Piece, Span, cut, partition_bytes
from hpc_ml.data.source import DataSource
from hpc_ml.errors import BadData


@dataclass(frozen=True)
class Rows:
    """The rows of one array, and of how many at once it is read best."""

    count: int
    block: int = 1


def cut_blocks(
    arrays: Sequence[Rows], row_bytes: int, source: DataSource
) -> tuple[tuple[Piece, ...], tuple[int, ...]]:
    """Return pieces that end where blocks do, unless a block is larger than a piece."""
    total_bytes = row_bytes * sum(rows.count for rows in arrays)
    wanted = partition_bytes(total_bytes, source.spec.partition_size)
    blocks = [rows.block if rows.block * row_bytes <= wanted else 1 for rows in arrays]
    extents = [
        Extent(number, 0, -(-rows.count // block), rows.count * row_bytes)
        for number, (rows, block) in enumerate(zip(arrays, blocks, strict=True))
        if rows.count
    ]
    pieces, sizes = cut(extents, source.spec.partition_size)
    scaled = (
        tuple(
            Span(
                span.file,
                span.start * blocks[span.file],
                min(span.stop * blocks[span.file], arrays[span.file].count),
            )
            for span in piece
        )
        for piece in pieces
    )
    return tuple(scaled), sizes


def join_matrices(parts: Sequence[Matrix]) -> Matrix:
    """Return the rows of several matrices as one."""
    import numpy as np

    if len(parts) == 1:
        return parts[0]
    y = None if parts[0].y is None else np.concatenate([part.y for part in parts])
    return replace(parts[0], X=np.concatenate([part.X for part in parts]), y=y)


def target_number(width: int, source: DataSource) -> int | None:
    """Return the number of the target's column: `data.target`, else the last, else None."""
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


def array_note(source: DataSource) -> tuple[str, ...]:
    """Return what a user should know of which column is the target."""
    if source.supervised and source.spec.target is None:
        return ("target: the last column of the array",)
    return ()


def split_target(
    rows: Any, target: int | None, names: tuple[str, ...] | None, columns: Sequence[str] | None
) -> Matrix:
    """Return rows of an array apart from their target, with the columns that are asked for."""
    import numpy as np

    if target is None:
        return choose_columns(Matrix(rows, None, None), columns)
    if target == rows.shape[1] - 1:
        X = rows[:, :-1]
    elif columns is None:
        X = np.delete(rows, target, axis=1)
    else:
        return Matrix(
            rows[:, [int(name) for name in columns]], rows[:, target].copy(), tuple(columns)
        )
    return choose_columns(Matrix(X, rows[:, target].copy(), names), columns)


def choose_columns(matrix: Matrix, columns: Sequence[str] | None) -> Matrix:
    """Return the matrix with these columns, by name, or by number where they have no names."""
    if columns is None or matrix.is_text:
        return matrix
    known = matrix.names or tuple(str(number) for number in range(matrix.X.shape[1]))
    positions = {name: number for number, name in enumerate(known)}
    X = matrix.X[:, [positions[name] for name in columns]]
    return replace(matrix, X=X, names=tuple(columns))


def check_rows_agree(X: tuple[int, ...], y: tuple[int, ...], where: str) -> None:
    """Raise BadData where y has not one value for each row of X, by their shapes."""
    if not y or prod(y[1:]) != 1:
        raise BadData(
            f"the target has shape {y}, and one value for each row is needed", where=where
        )
    if y[0] != X[0]:
        raise BadData(f"X has {X[0]} rows and y has {y[0]}", where=where)
