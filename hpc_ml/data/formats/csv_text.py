"""The text of a CSV file: its header, its records, and where they start."""

import csv
import io
import re
import sys
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO, cast

from hpc_ml.data.formats.lines import buffered, limited
from hpc_ml.data.formats.packed import open_plain
from hpc_ml.data.location import DataFile

_HEAD_BYTES = 64 * 2**10
_LONGEST_HEADER = 16 * 2**20
_BLOCK_BYTES = 2**20
_QUOTED = re.compile(r'"[^"]*"')
# In these a line break is more than one byte, or the same byte means other things too.
_WIDE = re.compile(r"(?i)utf[-_ ]?(16|32|7)|u16|u32|iso[-_]?2022|hz")
BROKEN = (OSError, ValueError, EOFError, zlib.error)


@dataclass(frozen=True)
class CsvText:
    """A CSV file, or the part of it from one byte to another, and how its text is written.

    Where it is not `divisible`, bytes are counted after unpacking and in UTF-8.
    """

    file: DataFile
    packed: str | None
    delimiter: str
    encoding: str
    start: int = 0
    stop: int | None = None

    def __str__(self) -> str:
        return str(self.file)

    @property
    def divisible(self) -> bool:
        """Whether it can be read from any byte on."""
        return self.packed is None and not _WIDE.match(self.encoding)

    def part(self, start: int, stop: int | None) -> "CsvText":
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

    def first_line(self) -> int:
        """Return the number of its first line in the file, from 1."""
        with self.part(0, self.start).open() as content:
            return 1 + sum(block.count(b"\n") for block in _blocks(content))

    def count_quotes(self) -> int:
        """Return how many quotes it has."""
        with self.open() as content:
            return sum(block.count(b'"') for block in _blocks(content))

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Yield each record that is not blank with the line of the file that it starts on."""
        limit = csv.field_size_limit(sys.maxsize)
        try:
            first = self.first_line()
            line = first
            with self.open() as content:
                text = io.TextIOWrapper(content, "utf-8-sig", errors="replace", newline="")
                reader = csv.reader(text, delimiter=self.delimiter)
                for fields in reader:
                    if fields:
                        yield line, fields
                    line = first + reader.line_num
        except (*BROKEN, csv.Error):
            return
        finally:
            csv.field_size_limit(limit)


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


def last_record_end(block: bytes) -> int:
    """Return the byte after the last record that ends in a block which begins with one."""
    end = len(block)
    odd = block.count(b'"') % 2 == 1
    while (at := block.rfind(b"\n", 0, end)) >= 0:
        odd ^= block.count(b'"', at, end) % 2 == 1
        if not odd:
            return at + 1
        end = at
    return 0


def _blocks(content: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: content.read(_BLOCK_BYTES), b"")


def read_head(text: CsvText) -> bytes:
    """Return the first bytes."""
    with text.open() as content:
        return content.read(_HEAD_BYTES)


def find_delimiter(head: str) -> str:
    """Return what stands between the columns of the header: comma, semicolon, tab or bar."""
    line = _QUOTED.sub("", head.lstrip("\ufeff\r\n").split("\n", 1)[0])
    return max(",;\t|", key=line.count)


def find_header_end(text: CsvText) -> int:
    """Return the byte after the first record that is not blank; 0 where none has an end."""
    with text.open() as content:
        seen = b""
        while len(seen) < _LONGEST_HEADER:
            block = content.read(_HEAD_BYTES)
            seen += block
            blank = len(seen) - len(seen.lstrip(b"\xef\xbb\xbf\r\n"))
            end = _record_end(seen, blank)
            if end or not block:
                return end
    return 0


def _record_end(block: bytes, start: int) -> int:
    """Return the byte after the first line break outside quotes, from a record's start on."""
    at = start
    while (at := block.find(b"\n", at)) >= 0:
        if block.count(b'"', start, at) % 2 == 0:
            return at + 1
        at += 1
    return 0


def find_record_starts(text: CsvText, cuts: Sequence[int]) -> dict[int, int]:
    """Return, by cut, where the first record at or after it starts, in one pass over the file.

    A line break ends a record where the quotes before it are even in number. Cuts rise; those
    without a record after them get the end of the file.
    """
    starts: dict[int, int] = {}
    position = text.start
    with text.open_raw() as content:
        content.seek(position)
        for cut in cuts:
            if cut > position:
                odd = _count_to(content, cut - 1 - position)
                position = _next_start(content, odd, cut - 1) or text.file.size_bytes
                content.seek(position)
            starts[cut] = position
    return starts


def _count_to(content: BinaryIO, length: int) -> bool:
    """Return whether the next bytes have an odd number of quotes."""
    quotes = 0
    while length > 0:
        block = content.read(min(length, _BLOCK_BYTES))
        if not block:
            break
        quotes += block.count(b'"')
        length -= len(block)
    return quotes % 2 == 1


def _next_start(content: BinaryIO, odd: bool, position: int) -> int | None:
    """Return the byte after the first line break outside quotes, None at the end of the file."""
    while block := content.read(_HEAD_BYTES):
        at = 0
        for line_break in re.finditer(b"\n", block):
            odd ^= block.count(b'"', at, line_break.start()) % 2 == 1
            at = line_break.start()
            if not odd:
                return position + line_break.end()
        odd ^= block.count(b'"', at) % 2 == 1
        position += len(block)
    return None
