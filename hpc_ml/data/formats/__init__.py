"""The formats of files: a registry of names, each imported on use.

All have `files(path)`, the files that the data are made of; `count_rows(path)`, rows as far as a
header tells; and `notes`, what a user should know of how they are read.

A table format is a module with

    columns(path)                             names of the columns, from the header alone
    read(path, names)                         a pyarrow.Table of these columns
    feed(path, names, start, limit_bytes)     the same in batches, in bounded memory
    place(path, row)                          where a row (from 0) stands, in words

and a matrix format is a module with

    count_bytes(path)                         about how much memory the arrays take
    read(path, source)                        a Matrix
    read_head(path, source)                   its first rows, or None where that does not pay
"""

from importlib import import_module
from pathlib import Path
from typing import Any

from hpc_ml.errors import BadData
from hpc_ml.spec.data import FORMATS

_MODULES = {name: f"hpc_ml.data.formats.{name}" for name in FORMATS}
_ENDINGS = {
    ".csv": "csv", ".tsv": "csv",
    ".parquet": "parquet", ".pq": "parquet",
    ".npy": "npy", ".npz": "npz",
    ".svmlight": "svmlight", ".libsvm": "svmlight", ".svm": "svmlight",
}  # fmt: skip
_COMPRESSED = ("csv", "svmlight")
TABLES = ("csv", "parquet")


def find_format(path: Path, given: str | None) -> str:
    """Return the format's name: the one given, else by the ending; a folder is Parquet's."""
    if given is not None:
        if path.is_dir() and given != "parquet":
            raise BadData(f"a folder cannot be read as {given}", where=str(path), hint=_ADVICE)
        return given
    if path.is_dir():
        return "parquet"
    ending = path.suffix.lower()
    compressed = ending == ".gz"
    name = _ENDINGS.get(path.with_suffix("").suffix.lower() if compressed else ending)
    if name is None or (compressed and name not in _COMPRESSED):
        raise BadData(
            f"no format has the ending {''.join(path.suffixes[-2:]) or path.name!r}",
            where=str(path),
            hint=f"{_ADVICE}; known endings: {', '.join(_ENDINGS)}, .csv.gz, .svmlight.gz",
        )
    return name


_ADVICE = f"say what it is by data.format ({', '.join(FORMATS)})"


def load_format(name: str) -> Any:
    """Return the module of a format."""
    return import_module(_MODULES[name])
