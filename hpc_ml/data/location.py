"""Where the data lie: a file, a folder, a glob, on this machine or behind a URL."""

import glob
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from hpc_ml.errors import BadData

_TIME_ERROR_NS = 2 * 10**9
_WILD = re.compile(r"[*?\[]")
_PACKAGES = {
    "s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "az": "adlfs",
    "http": "aiohttp", "https": "aiohttp", "sftp": "paramiko", "ssh": "paramiko",
    "smb": "smbprotocol", "github": "requests", "dropbox": "dropboxdrivefs", "oci": "ocifs",
}  # fmt: skip


@dataclass(frozen=True)
class DataFile:
    """One file of the data: its path or URL, its size, and what tells a change of it."""

    address: str
    size_bytes: int
    changed: str

    def __str__(self) -> str:
        return self.address

    @property
    def is_local(self) -> bool:
        """Whether it is a file of this machine."""
        return not is_url(self.address)

    @property
    def name(self) -> str:
        """The last part of the address."""
        return PurePosixPath(self.address).name

    def open(self) -> BinaryIO:
        """Open it as bytes. Raises BadData where it is another one than when it was found."""
        if not self.is_local:
            return cast(BinaryIO, filesystem(self.address).open(self.address, "rb"))
        return Path(self.checked_path()).open("rb")

    def checked_path(self) -> str:
        """Return the path of a local file. Raises BadData as `open` does."""
        status = os.stat(self.address)
        # A host may see the time of another one's file less exactly than that one.
        moved = abs(status.st_mtime_ns - int(self.changed)) > _TIME_ERROR_NS
        if status.st_size != self.size_bytes or moved:
            raise BadData(
                "the file was changed after the job began",
                where=self.address,
                hint="run the job again, and leave its data alone until it has ended",
            )
        return self.address


def is_url(address: str) -> bool:
    """Return whether an address is a URL and no path."""
    return "://" in address


def filesystem(address: str) -> Any:
    """Return the fsspec file system of a URL. Raises BadData where a package for it lacks."""
    import fsspec

    scheme = address.partition("://")[0]
    try:
        return fsspec.filesystem(scheme)
    except ImportError:
        package = _PACKAGES.get(scheme)
        raise BadData(
            f"reading {scheme}:// needs a package that is not installed",
            where=address,
            hint=f"pip install {package}" if package else "install fsspec's package for it",
        ) from None
    except ValueError:
        raise BadData(
            f"{scheme}:// is no kind of URL that can be read",
            where=address,
            hint="give a path, or one of s3://, gs://, abfs://, https://, sftp://",
        ) from None


@dataclass(frozen=True)
class Location:
    """Where the data of a job lie, as the job says it.

    Parameters
    ----------
    address : str
        A path, a URL, or a pattern of either with `*`, `?`, `[..]` and `**`.
    """

    address: str

    def __str__(self) -> str:
        return self.address

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine."""
        return not is_url(self.address)

    @property
    def name(self) -> str:
        """The last part of the address, without the query of an https:// address."""
        path = self.address.partition("?")[0] if not self.is_local else self.address
        return PurePosixPath(path.rstrip("/")).name

    @cached_property
    def is_pattern(self) -> bool:
        """Whether the address stands for all files that match it."""
        # In https:// a question mark begins a query, and folders cannot be listed.
        if not _WILD.search(self.address) or self.address.startswith(("http://", "https://")):
            return False
        return not (self.is_local and os.path.exists(self.address))

    @cached_property
    def is_folder(self) -> bool:
        """Whether the address is a folder."""
        if self.is_local:
            return os.path.isdir(self.address)
        return bool(filesystem(self.address).isdir(self.address))

    @property
    def is_file(self) -> bool:
        """Whether the address is one file."""
        return not self.is_folder and not self.is_pattern

    def has(self, *names: str) -> bool:
        """Return whether the folder holds a file with one of these names."""
        if self.is_local:
            return any(os.path.exists(os.path.join(self.address, name)) for name in names)
        system = filesystem(self.address)
        return any(system.exists(f"{self.address.rstrip('/')}/{name}") for name in names)

    @property
    def base(self) -> str:
        """The folder that the files lie in or below."""
        if self.is_folder:
            return self.address
        folders = self.address.split("/")[:-1]
        return "/".join(takewhile(lambda part: not _WILD.search(part), folders))

    @cached_property
    def files(self) -> tuple[DataFile, ...]:
        """All files, in the order of their names; of a folder, those in and below it."""
        return tuple(self._find())

    def files_ending(self, *endings: str) -> tuple[DataFile, ...]:
        """Return the file; of a folder or pattern, those of the files with one of these endings."""
        if self.is_folder:
            return tuple(file for file in self.files if file.name.lower().endswith(endings))
        return self.files

    def listing(self) -> Iterator[tuple[str, str]]:
        """Yield the name in the folder of each file, hidden ones too, and what tells a change."""
        if self.is_local:
            for path in sorted(Path(self.address).rglob("*")):
                status = path.stat()
                if path.is_file():
                    name = str(path.relative_to(self.address))
                    yield name, f"{status.st_size}:{status.st_mtime_ns}"
            return
        system = filesystem(self.address)
        root = system._strip_protocol(self.address)
        for name, info in sorted(system.find(self.address, detail=True).items()):
            yield name.removeprefix(root), f"{info['size']}:{_changed(info)}"

    def _find(self) -> Iterator[DataFile]:
        return self._find_local() if self.is_local else self._find_remote()

    def _find_local(self) -> Iterator[DataFile]:
        if self.is_pattern:
            matches = glob.glob(self.address, recursive=True)
            paths = sorted(path for path in matches if os.path.isfile(path))
        elif self.is_folder:
            root = Path(self.address)
            paths = sorted(
                str(path)
                for path in root.rglob("*")
                if path.is_file() and not is_hidden(path.relative_to(root).parts)
            )
        else:
            paths = [self.address]
        for path in paths:
            status = os.stat(path)
            yield DataFile(path, status.st_size, str(status.st_mtime_ns))

    def _find_remote(self) -> Iterator[DataFile]:
        system = filesystem(self.address)
        if self.is_pattern:
            found = system.glob(self.address, detail=True)
        elif self.is_folder:
            found = system.find(self.address, detail=True)
        else:
            found = {self.address: system.info(self.address)}
        root = system._strip_protocol(self.address) if self.is_folder else ""
        for name, info in sorted(found.items()):
            parts = PurePosixPath(name.removeprefix(root)).parts
            if info["type"] == "file" and not is_hidden(parts if self.is_folder else ()):
                yield DataFile(_url(system, name), int(info["size"] or 0), _changed(info))


def is_hidden(parts: tuple[str, ...]) -> bool:
    """Return whether a path is one that Spark, Dask or Arrow leaves beside its data.

    Such are _SUCCESS, _metadata and .crc files.
    """
    return any(part.startswith(("_", ".")) for part in parts)


def _url(system: Any, name: str) -> str:
    return name if is_url(name) else str(system.unstrip_protocol(name))


def _changed(info: dict[str, Any]) -> str:
    for key in ("ETag", "etag", "mtime", "LastModified", "last_modified", "created"):
        if info.get(key) is not None:
            return str(info[key])
    return ""
