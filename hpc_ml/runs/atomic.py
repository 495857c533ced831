"""Files that appear whole or not at all, and that only their owner reads."""

import errno
import json
import math
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hpc_ml.errors import TaskFailed

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_DISK = (*_NO_SPACE, errno.EROFS)
_CANNOT_SYNC_FOLDERS = (errno.EINVAL, errno.EBADF, errno.ENOTSUP)


def write_text(path: Path, text: str, *, sync: bool = True) -> None:
    """Replace a file at once, with mode 0600; a reader sees the old text or the new.

    Unless `sync`, what a crash of the whole host may cost is not waited for.
    Raises OSError, with the file that was there untouched.
    """
    write_bytes(path, text.encode(), sync=sync)


def write_bytes(path: Path, content: bytes, *, sync: bool = True) -> None:
    """Replace a file at once, as `write_text` does."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if sync:
                os.fsync(descriptor)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if sync:
        sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Bring a file that a library has written to the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where its file system can do that."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC_FOLDERS:
            raise
    finally:
        os.close(descriptor)


def write_json(path: Path, value: Any, *, sync: bool = True) -> None:
    """Replace a JSON file at once; NaN and infinities, which JSON has not, become null."""
    text = json.dumps(replace_non_finite(value), indent=2, allow_nan=False) + "\n"
    write_text(path, text, sync=sync)


def replace_non_finite(value: Any) -> Any:
    """Return the value with null for each NaN and infinity in it."""
    if isinstance(value, dict):
        return {key: replace_non_finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [replace_non_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def explain_write_failure(path: Path, error: OSError) -> TaskFailed:
    """Return the error to raise when a file of a run could not be written."""
    hint = "see that the folder can be written to"
    if error.errno in _NO_SPACE:
        hint = "make room there"
    # Libraries put words of their own around those of the system.
    words = os.strerror(error.errno) if error.errno in _DISK else error.strerror or error
    return TaskFailed(
        f"cannot write: {words}",
        where=str(path),
        hint=f"{hint}, then run the job again",
    )


@contextmanager
def explained_writes(path: Path) -> Iterator[None]:
    """Turn the refusal of a disk that is full or read-only, wherever it is met, into an error.

    Raises TaskFailed, naming the file where the refusal does, else `path`.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK:
            raise
        raise explain_write_failure(Path(error.filename or path), error) from error
