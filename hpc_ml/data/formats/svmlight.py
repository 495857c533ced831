"""The text format of SVMlight and LIBSVM: `label index:value index:value`, plain or compressed.

A partition is a range of bytes that ends where a line does. All partitions have the same
columns and count indices alike, which one quick pass over the lines finds out.
"""

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO

from hpc_ml.data.files import reading
from hpc_ml.data.formats import find_files
from hpc_ml.data.formats.arrays import choose_columns
from hpc_ml.data.formats.lines import align, find_line_starts
from hpc_ml.data.formats.packed import packing
from hpc_ml.data.formats.text import Text, tell_whole, texts_of
from hpc_ml.data.matrix import Matrix
from hpc_ml.data.pieces import Extent, Layout, Piece, cut
from hpc_ml.data.source import DataSource
from hpc_ml.errors import BadData

_STEMS = (".svmlight", ".libsvm", ".svm")
ENDINGS = tuple(stem + packed for stem in _STEMS for packed in ("", ".gz", ".zst"))
_NUMBER = rb"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?(nan|inf|infinity)"
_LINE = re.compile(rb"(?i)(%b)(\s+(qid|\d+):(%b))*\s*" % (_NUMBER, _NUMBER))
_COMMENT = re.compile(rb"#[^\n]*")
# Float64 with an index of four bytes; a label and where the row begins.
_BYTES_OF_VALUE = 12
_BYTES_OF_ROW = 12


@dataclass(frozen=True)
class Reading:
    """The texts of the files, and what all partitions share."""

    texts: tuple[Text, ...]
    n_features: int
    zero_based: bool
    queries: bool


def plan(source: DataSource) -> Layout:
    """Return the partitions, from a pass over the lines."""
    import numpy as np

    if source.spec.target is not None:
        raise BadData(
            "an svmlight file has its target first on each line",
            where="data.target",
            hint="leave data.target out",
        )
    files = find_files(source, ENDINGS)
    texts = []
    for file in files:
        with reading(file, "svmlight"):
            texts.append(Text(file=file, packed=packing(file), encoding="utf-8"))
    shared, memory = _look(texts, source.spec.n_features)
    extents = [
        Extent(number, 0, text.file.size_bytes, size, text.divisible)
        for number, (text, size) in enumerate(zip(texts, memory, strict=True))
    ]
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
        notes=tuple(tell_whole(texts, extents)),
        reading=shared,
    )


def read_piece(layout: Layout, piece: Piece, columns: Sequence[str] | None) -> Matrix:
    """Return X as CSR, float64, and the labels. Raises BadData with the line that is broken."""
    import numpy as np
    from scipy import sparse

    shared = layout.reading
    parts = [_load(text, shared) for text in texts_of(shared.texts, piece)]
    if len(parts) == 1:
        return choose_columns(parts[0], columns)
    X = sparse.vstack([part.X for part in parts], format="csr")
    y = np.concatenate([part.y for part in parts])
    group = np.concatenate([part.group for part in parts]) if shared.queries else None
    return choose_columns(Matrix(X, y, None, group=group), columns)


def place(layout: Layout, piece: Piece, row: int) -> str:
    """Return `file:line` of a row of a partition, from 0."""
    for text in texts_of(layout.reading.texts, piece):
        first = text.first_line()
        with text.open() as content:
            for number, line in enumerate(content, start=first):
                if _COMMENT.sub(b"", line).strip():
                    if not row:
                        return f"{text}:{number}"
                    row -= 1
    return str(layout.files[piece[-1].file])


def _look(texts: Sequence[Text], asked: int | None) -> tuple[Reading, list[int]]:
    """Return what all partitions share, and the memory of each file, from a pass over the lines."""
    largest, zero_based, queries, memory = 0, False, False, []
    for text in texts:
        size = 0
        with reading(text, "svmlight"):
            for block in _whole_lines(text.blocks()):
                block = _COMMENT.sub(b"", block) if b"#" in block else block
                size += _BYTES_OF_VALUE * block.count(b":") + _BYTES_OF_ROW * block.count(b"\n")
                zero_based = zero_based or b" 0:" in block or b"\t0:" in block
                queries = queries or b" qid:" in block or b"\tqid:" in block
                if asked is None:
                    largest = max(largest, _largest_index(block))
        memory.append(size)
    found = largest + 1 if zero_based else largest
    n_features = max(1, found) if asked is None else asked
    return Reading(tuple(texts), n_features, zero_based, queries), memory


def _largest_index(block: bytes) -> int:
    """Return the largest index: the last of each line, since they rise."""
    largest = 0
    for line in block.splitlines():
        words = line.rsplit(b":", 1)[0].rsplit(None, 1)
        if words and (index := words[-1]).isdigit() and len(index) < 20:
            largest = max(largest, int(index)) if b":" in line else largest
    return largest


def _whole_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield blocks of whole lines."""
    rest = b""
    for block in blocks:
        lines, line_break, rest = (rest + block).rpartition(b"\n")
        if line_break:
            yield lines + line_break
    if rest:
        yield rest + b"\n"


def _load(text: Text, shared: Reading) -> Matrix:
    import numpy as np
    from scipy import sparse
    from sklearn.datasets import load_svmlight_file

    with reading(text, "svmlight"), text.open() as content:
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
            raise _broken(text, str(error)) from None
    group = found[2] if shared.queries else None
    if group is not None and len(group) != len(found[1]):
        raise _without_query(text)
    return Matrix(found[0], found[1], None, group=group)


def _without_query(text: Text) -> BadData:
    first = text.first_line()
    with text.open() as content:
        plain = ((number, _COMMENT.sub(b"", line)) for number, line in enumerate(content, first))
        lines = (number for number, line in plain if line.strip() and b"qid:" not in line)
        return BadData(
            "this line has no qid, and others have one",
            where=f"{text}:{next(lines, 0)}",
            hint="give each line the qid of its query, or none of them",
        )


def _broken(text: Text, words: str) -> BadData:
    first = text.first_line()
    with text.open() as content:
        line, problem = _find_broken(content, first, words)
    return BadData(
        problem,
        where=f"{text}:{line}" if line else str(text),
        hint="write each line as: label index:value index:value, with rising indices",
    )


def _find_broken(content: BinaryIO, first: int, words: str) -> tuple[int, str]:
    for number, line in enumerate(content, start=first):
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
