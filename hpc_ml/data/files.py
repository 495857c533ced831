"""Files and folders of data: found, sized, told apart by digest, and their errors in words."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path

from hpc_ml.errors import BadData
from hpc_ml.spec.data import BUNDLED

# Up to this size the content decides the digest, beyond it size and time of change.
_HASHED_BYTES = 64 * 2**20
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def check_there(path: Path) -> None:
    """Raise BadData unless the file or folder is there, can be read and is not empty."""
    with reading(path, "data"):
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
def reading(path: Path, form: str, passing: tuple[type[Exception], ...] = ()) -> Iterator[None]:
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
            "you may not read it", where=str(path), hint="ask its owner for read permission"
        ) from None
    except passing:
        raise
    except MemoryError:
        raise BadData(f"does not fit into memory as {form}", where=str(path)) from None
    except Exception as error:
        words = " ".join(_ADDRESS.sub("", str(error)).split())[:200] or type(error).__name__
        raise BadData(
            f"cannot be read as {form}: {words}",
            where=str(path),
            hint="make sure that the file is complete, or say its kind by data.format",
        ) from None


def data_files(path: Path, *endings: str) -> list[Path]:
    """Return the file, or the files with these endings in and below a folder, in order."""
    if path.is_file():
        return [path]
    return sorted(
        entry
        for entry in path.rglob("*")
        if entry.name.endswith(endings) and not _is_hidden(entry.relative_to(path))
    )


def _is_hidden(relative: Path) -> bool:
    # What Spark, Dask and Arrow leave beside their data: _SUCCESS, _metadata, .crc files.
    return any(part.startswith(("_", ".")) for part in relative.parts)


def size_bytes(files: list[Path]) -> int:
    """Return how much the files take on disk."""
    return sum(file.stat().st_size for file in files)


def digest(files: list[Path]) -> str:
    """Return a digest that changes when the data do.

    Small data by size and content; larger by size and time of change.
    """
    small = size_bytes(files) <= _HASHED_BYTES
    sha = hashlib.sha256()
    for path in files:
        status = path.stat()
        sha.update(f"{path.name}:{status.st_size}:".encode())
        if small:
            with path.open("rb") as file:
                sha.update(hashlib.file_digest(file, "sha256").digest())
        else:
            sha.update(str(status.st_mtime_ns).encode())
    return sha.hexdigest()
