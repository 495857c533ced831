"""The text format of SVMlight and LIBSVM: `label index:value index:value`, plain or compressed.

A partition is a range of bytes that ends where a line does. All partitions have the same
columns and count indices alike, which one quick pass over the lines finds out.
"""

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO

from hpc_ml.data.files import reading
from hpc_ml.data.formats import find_files
from hpc_ml.data.formats.arrays import choose_columns
from hpc_ml.data.formats.lines import align, find_line_starts, open_part
from hpc_ml.data.formats.packed import guess_plain_bytes, open_plain, packing
from hpc_ml.data.location import DataFile
from hpc_ml.data.matrix import Matrix
from hpc_ml.data.pieces import Extent, Layout, Piece, Span, cut
from hpc_ml.data.source import DataSource
from hpc_ml.errors import BadData

_STEMS = (".svmlight", ".libsvm", ".svm")
ENDINGS = tuple(stem + packed for stem in _STEMS for packed in ("", ".gz", ".zst"))
_BLOCK_BYTES = 4 * 2**20
_NUMBER = rb"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?(nan|inf|infinity)"
_LINE = re.compile(rb"(?i)(%b)(\s+(qid|\d+):(%b))*\s*" % (_NUMBER, _NUMBER))
_COMMENT = re.compile(rb"#[^\n]*")
# Text takes about as much as the numbers that it spells: eight bytes of a value, four of its index.
_MEMORY_PER_BYTE = 1.2


@dataclass(frozen=True)
class Reading:
    """How the files are compressed, and what all partitions share."""

    packed: tuple[str | None, ...]
    n_features: int
    zero_based: bool
    queries: bool


def plan(source: DataSource) -> Layout:
    """Return the partitions, and find the number of columns."""
    import numpy as np

    if source.spec.target is not None:
        raise BadData(
            "an svmlight file has its target first on each line",
            where="data.target",
            hint="leave data.target out",
        )
    files = find_files(source, ENDINGS)
    packed, extents = [], []
    for number, file in enumerate(files):
        with reading(file, "svmlight"):
            packed.append(packing(file))
            plain = guess_plain_bytes(file, packed[-1]) if packed[-1] else file.size_bytes
        memory = int(plain * _MEMORY_PER_BYTE)
        extents.append(Extent(number, 0, file.size_bytes, memory, packed[-1] is None))
    shared = _look(files, packed, source.spec.n_features)
    pieces, sizes = align(
        *cut(extents, source.spec.partition_size),
        lambda number, cuts: find_line_starts(files[number], cuts),
    )
    return Layout(
        kind="matrix",
        form="svmlight",
        files=files,
        pieces=pieces,
        rows=None,
        bytes_each=sizes,
        names=None,
        dtype=np.dtype(float),
        sparse=True,
        n_columns=shared.n_features,
        reading=shared,
    )


def read_piece(layout: Layout, piece: Piece, columns: Sequence[str] | None) -> Matrix:
    """Return X as CSR, float64, and the labels. Raises BadData with the line that is broken."""
    import numpy as np
    from scipy import sparse

    parts = [_load(layout, span) for span in piece]
    if len(parts) == 1:
        return choose_columns(parts[0], columns)
    X = sparse.vstack([part.X for part in parts], format="csr")
    y = np.concatenate([part.y for part in parts])
    group = np.concatenate([part.group for part in parts]) if layout.reading.queries else None
    return choose_columns(Matrix(X, y, None, group=group), columns)


def place(layout: Layout, piece: Piece, row: int) -> str:
    """Return `file:line` of a row of a partition, from 0."""
    for span in piece:
        file, first = layout.files[span.file], 1
        with _open(layout, Span(span.file, 0, span.start)) as content:
            first += sum(block.count(b"\n") for block in _blocks(content))
        with _open(layout, span) as content:
            for number, line in enumerate(content, start=first):
                if _COMMENT.sub(b"", line).strip():
                    if not row:
                        return f"{file}:{number}"
                    row -= 1
    return str(file)


def _look(files: Sequence[DataFile], packed: Sequence[str | None], asked: int | None) -> Reading:
    """Return what all partitions share, from a pass over the lines."""
    largest, zero_based, queries = 0, False, False
    for file, how in zip(files, packed, strict=True):
        with reading(file, "svmlight"), open_plain(file, how) as content:
            for block in _whole_lines(content):
                block = _COMMENT.sub(b"", block) if b"#" in block else block
                zero_based = zero_based or b" 0:" in block or b"\t0:" in block
                queries = queries or b" qid:" in block or b"\tqid:" in block
                if asked is None:
                    largest = max(largest, _largest_index(block))
    found = largest + 1 if zero_based else largest
    return Reading(tuple(packed), max(1, found) if asked is None else asked, zero_based, queries)


def _largest_index(block: bytes) -> int:
    """Return the largest index: the last of each line, since they rise."""
    largest = 0
    for line in block.splitlines():
        words = line.rsplit(b":", 1)[0].rsplit(None, 1)
        if words and (index := words[-1]).isdigit() and len(index) < 20:
            largest = max(largest, int(index)) if b":" in line else largest
    return largest


def _whole_lines(content: BinaryIO) -> Iterator[bytes]:
    """Yield blocks of whole lines."""
    rest = b""
    for block in _blocks(content):
        lines, line_break, tail = (rest + block).rpartition(b"\n")
        if lines or line_break:
            yield lines
        rest = tail
    if rest:
        yield rest


def _blocks(content: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: content.read(_BLOCK_BYTES), b"")


def _open(layout: Layout, span: Span) -> BinaryIO:
    """Open the lines of a span; a compressed file is read whole."""
    file, packed = layout.files[span.file], layout.reading.packed[span.file]
    if packed is not None:
        return open_plain(file, packed) if span.stop else io.BytesIO()
    return open_part(file, span.start, span.stop)


def _load(layout: Layout, span: Span) -> Matrix:
    import numpy as np
    from scipy import sparse
    from sklearn.datasets import load_svmlight_file

    file, shared = layout.files[span.file], layout.reading
    with reading(file, "svmlight", passing=(ValueError, OverflowError)):
        with _open(layout, span) as content:
            lines = content.read()
        if not _COMMENT.sub(b"", lines).strip():
            group = np.zeros(0, int) if shared.queries else None
            return Matrix(sparse.csr_matrix((0, shared.n_features)), np.zeros(0), None, group=group)
        try:
            found = load_svmlight_file(
                io.BytesIO(lines),
                n_features=shared.n_features,
                zero_based=shared.zero_based,
                query_id=shared.queries,
            )
        except (ValueError, OverflowError) as error:
            raise _broken(file, shared.packed[span.file], str(error)) from None
    return Matrix(found[0], found[1], None, group=found[2] if shared.queries else None)


def _broken(file: DataFile, packed: str | None, words: str) -> BadData:
    with open_plain(file, packed) as content:
        line, problem = _find_broken(content, words)
    return BadData(
        problem,
        where=f"{file}:{line}" if line else str(file),
        hint="write each line as: label index:value index:value, with rising indices",
    )


def _find_broken(content: BinaryIO, words: str) -> tuple[int, str]:
    for number, line in enumerate(content, start=1):
        text = line.partition(b"#")[0].strip()
        if not text:
            continue
        if not _LINE.fullmatch(text):
            return number, f"{text.decode('utf-8', 'replace')[:60]!r} is not a line of svmlight"
        indices = [int(index) for index in re.findall(rb"\s(\d+):", text)]
        if any(later <= before for before, later in pairwise(indices)):
            return number, "the indices of this line do not rise"
        if any(index >= 2**31 for index in indices):
            return number, f"index {max(indices)} is too large"
    return 0, f"cannot be read as svmlight: {' '.join(words.split())[:200]}"
