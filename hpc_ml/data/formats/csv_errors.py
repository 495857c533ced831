"""What is wrong with a CSV file, and on which line.

Arrow counts rows and stops at the first that it cannot take; a line number and a next step are
found here by a second, slower reading, made only once something is wrong.
"""

import csv
import io
import re
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from hpc_ml.data.files import reading
from hpc_ml.data.formats.packed import is_packed, open_plain
from hpc_ml.errors import BadData

if TYPE_CHECKING:
    import pyarrow as pa

_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*")
_BOMS = (b"\xff\xfe", b"\xfe\xff")
_UTF8 = "rewrite it as UTF-8: iconv -f LATIN1 -t UTF-8 (or the encoding that it has)"
_RAGGED = re.compile(r"Expected (\d+) columns, got (\d+)")
_BAD_VALUE = re.compile(r"In CSV column #(\d+): .*CSV conversion error to ")
_QUOTED = re.compile(r'"[^"]*"')
_EXPLAINED = (OSError, ValueError, EOFError, zlib.error)
_HEAD_BYTES = 64 * 2**10


def check_head(path: Path) -> None:
    """Raise BadData where the first bytes of the file are no UTF-8 text of a table."""
    with explained(path), open_plain(path) as file:
        head = file.read(_HEAD_BYTES)
    if not head.strip():
        raise BadData("the file is empty", where=str(path))
    if head.startswith(_BOMS):
        raise BadData("the file is UTF-16, not UTF-8", where=str(path), hint=_UTF8)
    if b"\0" in head:
        raise BadData(
            "this is binary, not CSV", where=str(path), hint="say what it is by data.format"
        )


def check_header(path: Path, names: list[str]) -> list[str]:
    """Return the names. Raises BadData for names that are missing, doubled or only numbers."""
    doubled = [name for name, count in Counter(names).items() if count > 1 and name]
    if doubled:
        raise BadData(
            f"the header has the column {doubled[0]!r} {Counter(names)[doubled[0]]} times",
            where=f"{path}:1",
            hint="give each column a name of its own",
        )
    if "" in names[1:]:
        raise BadData(
            f"column {names.index('', 1) + 1} has no name in the header",
            where=f"{path}:1",
            hint="give each column a name of its own",
        )
    numbered = [str(number) for number in range(len(names))]
    if names != numbered and all(_NUMBER.fullmatch(name) for name in names):
        raise BadData(
            f"the first line holds numbers ({', '.join(names[:3])}), not names of columns",
            where=f"{path}:1",
            hint="put a line with the names of the columns first",
        )
    return names


def check_end(path: Path, last: "pa.Table | pa.RecordBatch") -> None:
    """Raise BadData where the last row swallowed the rest of the file by an open quote."""
    if not last.num_rows:
        return
    values = last.slice(last.num_rows - 1).to_pylist()[0].values()
    broken = any(isinstance(value, str) and "\n" in value for value in values)
    if broken and _count_quotes(path) % 2:
        raise _open_quote(path)


def check_text(path: Path, schema: "pa.Schema") -> None:
    """Raise BadData where a column holds bytes that are no UTF-8."""
    import pyarrow as pa

    if any(pa.types.is_binary(kind) for kind in schema.types):
        raise _not_utf8(path)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what Arrow raises into BadData, or into TypesDiffer."""
    try:
        with reading(path, "CSV", passing=_EXPLAINED):
            yield
    except UnicodeDecodeError:
        raise _not_utf8(path) from None
    except _EXPLAINED as error:
        raise _explain(path, str(error)) from None


def _explain(path: Path, words: str) -> BadData:
    if "UTF8" in words:
        return _not_utf8(path)
    if match := _BAD_VALUE.match(words):
        difference = TypesDiffer("a column holds values of several types", where=str(path))
        difference.column = int(match[1])
        return difference
    if "Empty CSV" in words:
        return BadData("there are no rows below the header", where=str(path))
    if match := _RAGGED.search(words):
        return _ragged(path, match[1], match[2])
    if "straddling" in words:
        return _open_quote(path)
    if is_packed(path) and not words.startswith("CSV"):
        return BadData(
            "the gzip file is cut off or damaged",
            where=str(path),
            hint="copy it again and test it by gzip -t",
        )
    return BadData(f"cannot be read as CSV: {' '.join(words.split())[:200]}", where=str(path))


class TypesDiffer(BadData):
    """A value does not fit the type that the rows before it gave its column.

    `column` is the column's number in the file, from 0.
    """

    column: int = 0


def _open_quote(path: Path, line: int | None = None) -> BadData:
    if line is None:
        line = max((line for line, _ in records(path)), default=1)
    return BadData(
        "a quote is opened and never closed",
        where=f"{path}:{line}",
        hint="close it, and write a quote that belongs to a value twice",
    )


def _not_utf8(path: Path) -> BadData:
    with suppress(*_EXPLAINED), open_plain(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                byte = line[error.start]
                return BadData(
                    f"byte 0x{byte:02x} is not UTF-8", where=f"{path}:{number}", hint=_UTF8
                )
    return BadData("this is not UTF-8 text", where=str(path), hint=_UTF8)


def _ragged(path: Path, expected: str, found: str) -> BadData:
    where = str(path)
    for line, fields in records(path):
        if len(fields) != int(expected):
            if "\n" in "".join(fields[-1:]) and _count_quotes(path) % 2:
                return _open_quote(path, line)
            where, found = f"{path}:{line}", str(len(fields))
            break
    return BadData(
        f"expected {expected} fields as in the header, found {found}",
        where=where,
        hint="correct the line; a value with a comma or a line break needs quotes around it",
    )


def find_line(path: Path, row: int) -> int:
    """Return the line, from 1, on which a row starts; rows count from 0 after the header."""
    return next((line for line, _ in islice(records(path), row + 1, None)), 0)


def records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield each record that is not blank, the header first, with the line it starts on."""
    limit = csv.field_size_limit(sys.maxsize)
    try:
        with open_plain(path) as file:
            text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline="")
            reader = csv.reader(text, delimiter=delimiter(path))
            line = 1
            for fields in reader:
                if fields:
                    yield line, fields
                line = reader.line_num + 1
    except (OSError, EOFError, zlib.error, csv.Error):
        return
    finally:
        csv.field_size_limit(limit)


def delimiter(path: Path) -> str:
    """Return what stands between the columns of the header: comma, semicolon or tab."""
    with explained(path), open_plain(path) as file:
        head = file.read(_HEAD_BYTES)
    line = _QUOTED.sub("", head.decode("utf-8", "replace").split("\n", 1)[0])
    return max(",;\t", key=line.count)


def _count_quotes(path: Path) -> int:
    with open_plain(path) as file:
        return sum(block.count(b'"') for block in iter(lambda: file.read(2**20), b""))
