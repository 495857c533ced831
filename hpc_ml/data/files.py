"""Files of data: found there, told apart by digest, and their errors in words."""

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from hpc_ml.data.location import DataFile, Location
from hpc_ml.errors import BadData
from hpc_ml.spec.data import BUNDLED

# Up to this size the content decides the digest, beyond it size and time of change.
_HASHED_BYTES = 64 * 2**20
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def check_there(location: Location) -> None:
    """Raise BadData unless the file, folder or pattern is there, can be read and is not empty."""
    if not location.is_local:
        _check_remote(location)
        return
    path = Path(location.address)
    with reading(path, "data"):
        if location.is_pattern:
            _check_pattern(location)
            return
        if not path.exists():
            raise BadData("no such file or folder", where=str(path), hint=_near_miss(path))
        if not path.is_file() and not path.is_dir():
            raise BadData("this is neither a file nor a folder", where=str(path))
        if path.is_dir():
            next(path.iterdir(), None)
        else:
            with path.open("rb") as file:
                file.read(1)
    if path.is_file() and path.stat().st_size == 0:
        raise BadData("the file is empty", where=str(path))


def _check_pattern(location: Location) -> None:
    if not location.files:
        raise BadData(
            "no file matches the pattern",
            where=location.address,
            hint="check it, with quotes around it: the shell must not expand it",
        )


def _check_remote(location: Location) -> None:
    with reading(location, "data"):
        if location.is_pattern:
            _check_pattern(location)
            return
        try:
            found = location.files
        except FileNotFoundError:
            raise BadData(
                "no such file or folder", where=location.address, hint="check the URL"
            ) from None
    if len(found) == 1 and not found[0].size_bytes and not location.is_folder:
        raise BadData("the file is empty", where=location.address)


def _near_miss(path: Path) -> str:
    if path.name in BUNDLED:
        return f"the bundled table is data.name: {path.name}"
    folder = path.parent
    if not folder.is_dir():
        return f"the folder {folder} is not there either"
    try:
        names = [entry.name for entry in folder.iterdir()]
    except OSError:
        return "check the path"
    close = get_close_matches(path.name, names, n=1) or [n for n in names if path.name in n]
    return f"did you mean {str(folder / close[0])!r}?" if close else "check the path"


@contextmanager
def reading(where: object, form: str, passing: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Turn whatever a reader raises into BadData.

    The readers raise a dozen kinds of error on a damaged file, those of zlib, zipfile, struct,
    tokenize and Arrow among them; all of them mean that the file cannot be read. Those of
    `passing` go through, for a caller that can say more of them.
    """
    try:
        yield
    except BadData:
        raise
    except PermissionError:
        raise BadData(
            "you may not read it", where=str(where), hint="ask its owner for read permission"
        ) from None
    except passing:
        raise
    except MemoryError:
        raise BadData(f"does not fit into memory as {form}", where=str(where)) from None
    except Exception as error:
        words = " ".join(_ADDRESS.sub("", str(error)).split())[:200] or type(error).__name__
        raise BadData(
            f"cannot be read as {form}: {words}",
            where=str(where),
            hint="make sure that the file is complete, or say its kind by data.format",
        ) from None


def size_bytes(files: Sequence[DataFile]) -> int:
    """Return how much the files take on disk."""
    return sum(file.size_bytes for file in files)


def digest(files: Sequence[DataFile]) -> str:
    """Return a digest that changes when the data do.

    Small data of this machine by size and content; others by size and time of change.
    """
    local = all(file.is_local for file in files)
    small = local and size_bytes(files) <= _HASHED_BYTES
    base = os.path.commonpath([os.path.dirname(file.address) for file in files]) if local else ""
    sha = hashlib.sha256()
    for file in files:
        sha.update(f"{file.address.removeprefix(base)}:{file.size_bytes}:".encode())
        if small:
            with file.open() as content:
                sha.update(hashlib.file_digest(cast(Any, content), "sha256").digest())
        else:
            sha.update(file.changed.encode())
    return sha.hexdigest()
