"""Files that may be compressed by gzip or zstd, whatever they are called."""

import io
from typing import BinaryIO, cast

from hpc_ml.data.location import DataFile

_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_GUESS_BYTES = 4 * 2**20


def packing(file: DataFile) -> str | None:
    """Return gzip, zstd or None."""
    with file.open() as content:
        head = content.read(4)
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)


def open_plain(file: DataFile, packed: str | None = None) -> BinaryIO:
    """Open the file as bytes, unpacking them; `packed` says how where that is known."""
    import pyarrow as pa

    packed = packed or packing(file)
    content = file.open()
    if packed is None:
        return content
    stream = pa.CompressedInputStream(pa.PythonFile(content, "r"), packed)
    return cast(BinaryIO, io.BufferedReader(stream, 2**20))


def guess_plain_bytes(file: DataFile, packed: str) -> int:
    """Return about how many bytes a compressed file holds, from its first part."""
    import pyarrow as pa

    with file.open() as content:
        stream = pa.CompressedInputStream(pa.PythonFile(content, "r"), packed)
        plain = len(stream.read(_GUESS_BYTES))
        consumed = content.tell()
    if plain < _GUESS_BYTES:
        return plain
    return max(plain, int(plain / max(1, consumed) * file.size_bytes))
