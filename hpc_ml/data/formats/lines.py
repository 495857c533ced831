"""What the formats of text share: parts of files, and pieces that end where lines do."""

import io
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import BinaryIO, cast

from hpc_ml.data.location import DataFile
from hpc_ml.data.pieces import Piece, Span

_BUFFER_BYTES = 2**20


class _Limited(io.RawIOBase):
    """The next bytes of a file, up to a limit."""

    def __init__(self, content: BinaryIO, limit: int) -> None:
        self._content = content
        self._left = limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast(bytearray, buffer)).cast("B")
        block = self._content.read(min(len(view), self._left))
        view[: len(block)] = block
        self._left -= len(block)
        return len(block)

    def close(self) -> None:
        self._content.close()
        super().close()


def limited(content: BinaryIO, length: int) -> BinaryIO:
    """Return a file that ends after the next bytes."""
    return buffered(_Limited(content, length))


def buffered(content: io.RawIOBase) -> BinaryIO:
    """Return a raw file with a buffer."""
    return cast(BinaryIO, io.BufferedReader(content, _BUFFER_BYTES))


def find_line_starts(file: DataFile, cuts: Sequence[int]) -> dict[int, int]:
    """Return, by cut, where the first line at or after it starts; the end where there is none."""
    starts = {}
    with file.open() as content:
        for cut in cuts:
            content.seek(cut - 1)
            starts[cut] = cut - 1 + _line_bytes(content)
    return starts


def _line_bytes(content: BinaryIO) -> int:
    """Return how many bytes are left of a line, its break included."""
    length = 0
    while block := content.read(2**16):
        at = block.find(b"\n")
        if at >= 0:
            return length + at + 1
        length += len(block)
    return length


def align(
    pieces: Sequence[Piece],
    sizes: Sequence[int],
    find_starts: Callable[[int, list[int]], dict[int, int]],
) -> tuple[tuple[Piece, ...], tuple[int, ...]]:
    """Return pieces of bytes with their inner boundaries moved to where a record starts.

    Pieces without a record of their own are left out.

    Parameters
    ----------
    pieces, sizes
        As from `cut`.
    find_starts : callable
        Returns, for the number of a file and rising boundaries in it, where the first record at
        or after each starts.
    """
    spans = [span for piece in pieces for span in piece]
    cuts: dict[int, list[int]] = {}
    for before, after in pairwise(spans):
        if before.file == after.file:
            cuts.setdefault(after.file, []).append(after.start)
    moved = {
        (number, cut): start
        for number, boundaries in cuts.items()
        for cut, start in find_starts(number, boundaries).items()
    }
    aligned = []
    for piece, size in zip(pieces, sizes, strict=True):
        kept = tuple(_move(span, moved) for span in piece)
        kept = tuple(span for span in kept if span.start < span.stop)
        if kept:
            aligned.append((kept, size))
    return tuple(piece for piece, _ in aligned), tuple(size for _, size in aligned)


def _move(span: Span, moved: dict[tuple[int, int], int]) -> Span:
    start = moved.get((span.file, span.start), span.start)
    return Span(span.file, start, moved.get((span.file, span.stop), span.stop))
