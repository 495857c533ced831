"""The text format of SVMlight and LIBSVM, plain or gzipped: `label index:value index:value`."""

import io
import re
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

from hpc_ml.data.files import reading
from hpc_ml.data.formats.packed import open_plain
from hpc_ml.data.matrix import Matrix
from hpc_ml.data.source import DataSource
from hpc_ml.errors import BadData

_HEAD_BYTES = 64 * 2**20
_NUMBER = rb"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?(nan|inf|infinity)"
_LINE = re.compile(rb"(?i)(%b)(\s+(qid|\d+):(%b))*\s*" % (_NUMBER, _NUMBER))


def files(path: Path) -> list[Path]:
    """Return the one file."""
    return [path]


def count_bytes(path: Path) -> int:
    """Return the size of the file, which is about that of the matrix in memory."""
    return path.stat().st_size


def count_rows(path: Path) -> int | None:
    """Return None: only a reading of the whole file counts its rows."""
    return None


def read(path: Path, source: DataSource) -> Matrix:
    """Return X as CSR, float64, and the labels. Raises BadData with the line that is broken."""
    with reading(path, "svmlight"), open_plain(path) as file:
        return _load(file, path, source)


def read_head(path: Path, source: DataSource) -> Matrix | None:
    """Return the first rows likewise."""
    with reading(path, "svmlight"), open_plain(path) as file:
        return _load(io.BytesIO(b"".join(file.readlines(_HEAD_BYTES))), path, source)


def notes(source: DataSource) -> list[str]:
    """Return what a user should know of how the file is read: nothing."""
    return []


def _load(file: Any, path: Path, source: DataSource) -> Matrix:
    from sklearn.datasets import load_svmlight_file

    if source.spec.target is not None:
        raise BadData(
            "an svmlight file has its target first on each line",
            where="data.target",
            hint="leave data.target out",
        )
    try:
        X, y = load_svmlight_file(file)
    except (ValueError, OverflowError) as error:
        raise _broken(path, str(error)) from None
    if X.shape[0] == 0:
        raise BadData("there are no rows", where=str(path))
    return Matrix(X, y, None)


def _broken(path: Path, words: str) -> BadData:
    with open_plain(path) as file:
        where, problem = _find_broken(file, words)
    return BadData(
        problem,
        where=f"{path}:{where}" if where else str(path),
        hint="write each line as: label index:value index:value, with rising indices",
    )


def _find_broken(file: BinaryIO, words: str) -> tuple[int, str]:
    for number, line in enumerate(file, start=1):
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
