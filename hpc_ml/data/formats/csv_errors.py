"""What is wrong with a CSV file, and on which line.

Arrow counts rows and stops at the first that it cannot take; a line number and a next step are
found here by a second, slower reading, made only once something is wrong.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from typing import TYPE_CHECKING

from hpc_ml.data.files import reading
from hpc_ml.data.formats.csv_text import CsvText
from hpc_ml.data.formats.text import BROKEN
from hpc_ml.errors import BadData

if TYPE_CHECKING:
    import pyarrow as pa

_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*")
_BOMS = (b"\xff\xfe", b"\xfe\xff")
_ENCODING = "name its encoding by data.encoding (latin-1, cp1252, utf-16, ..)"
_RAGGED = re.compile(r"Expected (\d+) columns, got (\d+)")
_BAD_VALUE = re.compile(
    r"In CSV column #(\d+): .*CSV conversion error to ([^:]+): invalid value '(.*)'", re.DOTALL
)


def check_head(head: bytes, text: CsvText) -> None:
    """Raise BadData where the first bytes of the file are no text of a table."""
    if not head.strip():
        raise BadData("the file is empty", where=str(text))
    if not text.divisible:
        return
    if head.startswith(_BOMS):
        raise BadData("the file is UTF-16, not UTF-8", where=str(text), hint=_ENCODING)
    if b"\0" in head:
        raise BadData(
            "this is binary, not CSV", where=str(text), hint="say what it is by data.format"
        )


def check_line_breaks(head: bytes, text: CsvText) -> None:
    """Raise BadData where the header has no end, since a quote is open or by the line breaks."""
    if text.count_quotes() % 2:
        raise open_quote(text)
    if b"\r" in head:
        raise BadData(
            "its lines end by CR alone, as on old Macs",
            where=str(text),
            hint="rewrite it: tr '\\r' '\\n' < FILE > NEW",
        )


def check_header(text: CsvText, names: Sequence[str]) -> None:
    """Raise BadData for names that are missing, doubled or only numbers."""
    doubled = [name for name, count in Counter(names).items() if count > 1 and name]
    if doubled:
        raise BadData(
            f"the header has the column {doubled[0]!r} {Counter(names)[doubled[0]]} times",
            where=f"{text}:1",
            hint="give each column a name of its own",
        )
    if "" in names[1:]:
        raise BadData(
            f"column {names.index('', 1) + 1} has no name in the header",
            where=f"{text}:1",
            hint="give each column a name of its own",
        )
    numbered = [str(number) for number in range(len(names))]
    if list(names) != numbered and all(_NUMBER.fullmatch(name) for name in names):
        raise BadData(
            f"the first line holds numbers ({', '.join(names[:3])}), not names of columns",
            where=f"{text}:1",
            hint="put a line with the names of the columns first",
        )


def check_same_header(text: CsvText, names: Sequence[str], first: Sequence[str]) -> None:
    """Raise BadData where a file has other columns than the first one."""
    if list(names) == list(first):
        return
    lacks = [name for name in first if name not in names]
    extra = [name for name in names if name not in first]
    difference = (
        f"lacks the column {lacks[0]!r}" if lacks
        else f"has a column {extra[0]!r} more" if extra
        else "has them in another order"
    )  # fmt: skip
    raise BadData(
        f"the header differs from that of the first file: it {difference}",
        where=f"{text}:1",
        hint="give all files the same columns in the same order",
    )


def check_end(text: CsvText, table: "pa.Table") -> None:
    """Raise BadData where the last row swallowed the rest of the text by an open quote."""
    if not table.num_rows:
        return
    values = table.slice(table.num_rows - 1).to_pylist()[0].values()
    broken = any(isinstance(value, str) and "\n" in value for value in values)
    if broken and text.count_quotes() % 2:
        raise open_quote(text)


def check_text(text: CsvText, schema: "pa.Schema") -> None:
    """Raise BadData where a column holds bytes that are no UTF-8."""
    import pyarrow as pa

    if any(pa.types.is_binary(kind) for kind in schema.types):
        raise _not_decoded(text)


@contextmanager
def explained(text: CsvText, names: Sequence[str] = ()) -> Iterator[None]:
    """Turn what Arrow raises of a text without its header into BadData with the line."""
    try:
        with reading(text, "CSV", passing=BROKEN):
            yield
    except BadData:
        raise
    except UnicodeError:
        raise _not_decoded(text) from None
    except BROKEN as error:
        raise _explain(text, str(error), names) from None


def _explain(text: CsvText, words: str, names: Sequence[str]) -> BadData:
    if "UTF8" in words:
        return _not_decoded(text)
    if match := _BAD_VALUE.search(words):
        return _misfit(text, int(match[1]), match[2], match[3], names)
    if match := _RAGGED.search(words):
        return _ragged(text, match[1], match[2])
    if "straddling" in words:
        return open_quote(text)
    if text.packed and not words.startswith("CSV"):
        return text.damaged()
    return BadData(f"cannot be read as CSV: {' '.join(words.split())[:200]}", where=str(text))


def _misfit(text: CsvText, column: int, kind: str, value: str, names: Sequence[str]) -> BadData:
    name = names[column] if column < len(names) else f"number {column + 1}"
    line = next(
        (line for line, fields in text.records() if fields[column : column + 1] == [value]), None
    )
    return BadData(
        f"column {name!r} was taken for {kind} by what was looked at ahead, and {value[:40]!r} "
        "does not fit",
        where=f"{text}:{line}" if line else str(text),
        hint=f"correct it, or say what the column holds, such as --set data.types.{name}=text",
    )


def open_quote(text: CsvText, line: int | None = None) -> BadData:
    """Return the error for a quote that is opened in the last record, or on a line."""
    if line is None:
        line = max((line for line, _ in text.records()), default=1)
    return BadData(
        "a quote is opened and never closed",
        where=f"{text}:{line}",
        hint="close it, and write a quote that belongs to a value twice",
    )


def _not_decoded(text: CsvText) -> BadData:
    name = "UTF-8" if text.encoding == "utf-8" else text.encoding
    with suppress(*BROKEN), text.open_raw() as content:
        for number, line in enumerate(content if text.divisible or text.packed else (), start=1):
            try:
                line.decode(text.encoding)
            except UnicodeDecodeError as error:
                byte = line[error.start]
                return BadData(
                    f"byte 0x{byte:02x} is not {name}", where=f"{text}:{number}", hint=_ENCODING
                )
    return BadData(f"this is not {name} text", where=str(text), hint=_ENCODING)


def _ragged(text: CsvText, expected: str, found: str) -> BadData:
    where = str(text)
    for line, fields in text.records():
        if len(fields) != int(expected):
            if "\n" in "".join(fields[-1:]) and text.count_quotes() % 2:
                return open_quote(text, line)
            where, found = f"{text}:{line}", str(len(fields))
            break
    return BadData(
        f"expected {expected} fields as in the header, found {found}",
        where=where,
        hint="correct the line; a value with a comma or a line break needs quotes around it",
    )


def find_line(text: CsvText, row: int) -> int:
    """Return the line, from 1, on which a row of the text starts; rows count from 0."""
    return next((line for line, _ in islice(text.records(), row, None)), 0)
