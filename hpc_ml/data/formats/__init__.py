"""The formats of files: a registry of names, each imported on use.

A format is a module with

    ENDINGS                                    how the names of its files end
    plan(source)                               a Layout: the partitions, from headers alone
    read_piece(layout, piece, columns)         the rows of a partition: a pyarrow.Table of these
                                               columns, or a Matrix of these (None: of all)
    place(layout, piece, row)                  where a row of it (from 0) stands, in words

`generator` and `bundled` are formats too, of data that a name stands for.
"""

from importlib import import_module
from pathlib import PurePosixPath
from typing import Any

from hpc_ml.data.files import reading
from hpc_ml.data.location import DataFile, Location
from hpc_ml.data.source import DataSource
from hpc_ml.errors import BadData
from hpc_ml.spec.data import FORMATS

TABLES = ("csv", "jsonl", "parquet", "arrow")

_NAMED = ("bundled", "generator")
_MODULES = {name: f"hpc_ml.data.formats.{name}" for name in (*FORMATS, *_NAMED)}
_ENDINGS = {
    ".csv": "csv", ".tsv": "csv",
    ".jsonl": "jsonl", ".ndjson": "jsonl",
    ".parquet": "parquet", ".pq": "parquet",
    ".arrow": "arrow", ".feather": "arrow", ".ipc": "arrow",
    ".npy": "npy", ".npz": "npz",
    ".zarr": "zarr",
    ".h5": "hdf5", ".hdf5": "hdf5", ".hdf": "hdf5",
    ".svmlight": "svmlight", ".libsvm": "svmlight", ".svm": "svmlight",
}  # fmt: skip
_COMPRESSED = ("csv", "jsonl", "svmlight")
_PACKED_ENDINGS = (".gz", ".zst")
_ZARR_FILES = ("zarr.json", ".zgroup", ".zarray")
_ADVICE = f"say what it is by data.format ({', '.join(FORMATS)})"


def find_format(location: Location, given: str | None) -> str:
    """Return the format's name: the one given, else by the ending of the file or of the files."""
    if given is not None:
        if location.is_file and given == "zarr":
            raise BadData("a file cannot be read as zarr", where=str(location), hint=_ADVICE)
        return given
    if location.is_folder:
        return _find_in_folder(location)
    if location.is_pattern:
        return _find_in_pattern(location)
    return _find_by_name(location.name, location)


def _find_in_folder(location: Location) -> str:
    if location.name.endswith(".zarr") or location.has(*_ZARR_FILES):
        return "zarr"
    found = {name for file in location.files if (name := _known(file.name)) is not None}
    if len(found) > 1:
        raise BadData(
            f"the folder has files of several formats: {', '.join(sorted(found))}",
            where=str(location),
            hint="name the files by a pattern, such as 'folder/*.csv', or one by data.format",
        )
    if not found:
        others = [file.name for file in location.files[:5]]
        raise BadData(
            "the folder has no file of a known format",
            where=str(location),
            hint=f"say what they are by data.format: {', '.join(others)}" if others else None,
        )
    return found.pop()


def _find_in_pattern(location: Location) -> str:
    names = {_find_by_name(file.name, location) for file in location.files}
    if len(names) > 1:
        raise BadData(
            f"the pattern matches files of several formats: {', '.join(sorted(names))}",
            where=str(location),
            hint="add the ending to it",
        )
    return names.pop()


def _known(name: str) -> str | None:
    stem, dot, ending = name.lower().rpartition(".")
    compressed = f".{ending}" in _PACKED_ENDINGS
    if compressed:
        stem, dot, ending = stem.rpartition(".")
    found = _ENDINGS.get(f"{dot}{ending}") if stem else None
    return found if not compressed or found in _COMPRESSED else None


def _find_by_name(name: str, location: Location) -> str:
    found = _known(name)
    if found is None:
        endings = "".join(PurePosixPath(name).suffixes[-2:])
        raise BadData(
            f"no format has the ending {endings or name!r}",
            where=str(location),
            hint=f"{_ADVICE}; known endings: {', '.join(_ENDINGS)}, .csv.gz, .svmlight.zst",
        )
    return found


def find_files(source: DataSource, endings: tuple[str, ...]) -> tuple[DataFile, ...]:
    """Return the files of a format that hold anything.

    Of a folder those with one of the endings, or all where data.format says what they are.
    Raises BadData where there are none, and where the only one is empty.
    """
    location = source.location
    with reading(location, "data"):
        found = location.files_ending(*endings)
        if not found and source.spec.format is not None:
            found = location.files
    if not found:
        raise BadData(f"the folder has no {' or '.join(endings[:4])} files", where=str(location))
    filled = tuple(file for file in found if file.size_bytes)
    if not filled:
        raise BadData("the file is empty", where=str(found[0]))
    return filled


def load_format(name: str) -> Any:
    """Return the module of a format."""
    return import_module(_MODULES[name])
