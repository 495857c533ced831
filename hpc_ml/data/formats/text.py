"""Files of text, plain or compressed and in any encoding, and parts of them."""

import io
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO, Self, TypeVar, cast

from hpc_ml.data.formats.lines import buffered, limited
from hpc_ml.data.formats.packed import guess_plain_bytes, open_plain
from hpc_ml.data.location import DataFile
from hpc_ml.data.pieces import Extent, Piece
from hpc_ml.errors import BadData

_BLOCK_BYTES = 2**20
_LARGE_PACKED_BYTES = 256 * 2**20
# In these a line break is more than one byte, or the same byte means other things too.
_WIDE = re.compile(r"(?i)utf[-_ ]?(16|32|7)|u16|u32|iso[-_]?2022|hz")
BROKEN = (OSError, ValueError, EOFError, zlib.error)


@dataclass(frozen=True, kw_only=True)
class Text:
    """A file of text, or the part of it from one byte to another, and how it is written.

    Where it is not `divisible`, bytes are counted after unpacking and in UTF-8.
    """

    file: DataFile
    packed: str | None
    encoding: str
    start: int = 0
    stop: int | None = None

    def __str__(self) -> str:
        return str(self.file)

    @property
    def divisible(self) -> bool:
        """Whether it can be read from any byte on."""
        return self.packed is None and not _WIDE.match(self.encoding)

    def part(self, start: int, stop: int | None) -> Self:
        """Return the part between two bytes of the file."""
        return replace(self, start=start, stop=stop)

    def open(self) -> BinaryIO:
        """Open the part as bytes of UTF-8."""
        content = self.open_raw()
        if self.divisible:
            content.seek(self.start)
        else:
            content = self._recoded(content)
            _skip(content, self.start)
        if self.stop is not None:
            content = limited(content, self.stop - self.start)
        return self._recoded(content) if self.divisible else content

    def open_raw(self) -> BinaryIO:
        """Open the file as it is written, but unpacked."""
        return open_plain(self.file, self.packed)

    def _recoded(self, content: BinaryIO) -> BinaryIO:
        if self.encoding == "utf-8":
            return content
        return buffered(_Recoded(io.TextIOWrapper(content, self.encoding, newline="")))

    def blocks(self) -> Iterator[bytes]:
        """Yield the part in blocks of UTF-8."""
        with self.open() as content:
            yield from iter(lambda: content.read(_BLOCK_BYTES), b"")

    def first_line(self) -> int:
        """Return the number of its first line in the file, from 1."""
        return 1 + sum(block.count(b"\n") for block in self.part(0, self.start).blocks())

    def count_bytes(self) -> int:
        """Return how many bytes it has once it is unpacked; about so many where it is packed.

        Raises BadData where it cannot be unpacked.
        """
        if self.packed is None:
            return max(1, self.file.size_bytes - self.start)
        try:
            return max(1, guess_plain_bytes(self.file, self.packed) - self.start)
        except BROKEN:
            raise self.damaged() from None

    def damaged(self) -> BadData:
        """Return the error for a compressed file that cannot be unpacked."""
        test = {"gzip": "gzip -t", "zstd": "zstd -t"}[self.packed or "gzip"]
        return BadData(
            f"the {self.packed} file is cut off or damaged",
            where=str(self),
            hint=f"copy it again and test it by {test}",
        )


class _Recoded(io.RawIOBase):
    """A text as bytes of UTF-8."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast(bytearray, buffer)).cast("B")
        # A character takes four bytes at most.
        block = self._text.read(len(view) // 4).encode()
        view[: len(block)] = block
        return len(block)

    def close(self) -> None:
        self._text.close()
        super().close()


def _skip(content: BinaryIO, count: int) -> None:
    while count > 0:
        count -= len(content.read(min(count, _BLOCK_BYTES))) or count


AnyText = TypeVar("AnyText", bound=Text)


def texts_of(texts: Sequence[AnyText], piece: Piece) -> Iterator[AnyText]:
    """Yield the texts that a partition is made of."""
    for span in piece:
        text = texts[span.file]
        yield text.part(span.start, span.stop) if text.divisible else text


def text_extents(texts: Sequence[Text], sizes: Sequence[int], density: float) -> list[Extent]:
    """Return what is to be cut into partitions, with `density` bytes of memory a byte of text."""
    return [
        Extent(
            number,
            text.start,
            max(text.start + 1, text.file.size_bytes),
            int(size * density),
            text.divisible,
        )
        for number, (text, size) in enumerate(zip(texts, sizes, strict=True))
    ]


def tell_whole(texts: Sequence[Text], extents: Sequence[Extent]) -> list[str]:
    """Return what a user should know of large files that are read whole."""
    large = [extent for extent in extents if extent.memory_bytes > _LARGE_PACKED_BYTES]
    return [
        f"{texts[extent.file].file.name} is one partition of about "
        f"{extent.memory_bytes / 2**30:.1f} GiB, since a compressed file can only be read "
        "from its start: several files, or Parquet, take less memory"
        for extent in [extent for extent in large if not extent.divisible][:1]
    ]
