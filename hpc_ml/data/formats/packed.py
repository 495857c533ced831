"""Files that may be gzipped, whatever they are called."""

import gzip
from pathlib import Path
from typing import BinaryIO, cast

_GZIP = b"\x1f\x8b"


def is_packed(path: Path) -> bool:
    """Return whether the file is gzip."""
    with path.open("rb") as file:
        return file.read(2) == _GZIP


def open_plain(path: Path) -> BinaryIO:
    """Open the file as bytes, unpacking gzip."""
    return cast(BinaryIO, gzip.open(path)) if is_packed(path) else path.open("rb")
