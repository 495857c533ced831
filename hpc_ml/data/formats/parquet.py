"""Parquet: one file, or a folder of them, also partitioned as Hive does (`year=2026/..`)."""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpc_ml.data.files import data_files, reading
from hpc_ml.data.formats.tables import Sink, pour
from hpc_ml.errors import BadData

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds

_ENDINGS = (".parquet", ".pq")
_BATCH_ROWS = 65_536


def files(path: Path) -> list[Path]:
    """Return the file, or those of the folder. Raises BadData for a folder without any."""
    found = data_files(path, *_ENDINGS)
    if not found:
        others = sorted(entry.name for entry in path.iterdir())
        raise BadData(
            f"the folder has no {' or '.join(_ENDINGS)} files",
            where=str(path),
            hint=f"name one of its files: {', '.join(others[:5])}" if others else None,
        )
    empty = [file for file in found if file.stat().st_size == 0]
    if empty:
        raise BadData("the file is empty", where=str(empty[0]))
    return found


def columns(path: Path) -> list[str]:
    """Return the names of the columns, those of Hive partitions last."""
    dataset = _dataset(path)
    with _explained(path):
        names = list(dataset.schema.names)
    if doubled := [name for name, count in Counter(names).items() if count > 1]:
        raise BadData(f"the column {doubled[0]!r} is there twice", where=str(path))
    return names


def read(path: Path, names: list[str]) -> "pa.Table":
    """Return these columns of all rows."""
    dataset = _dataset(path)
    with _explained(path):
        return dataset.to_table(columns=names, use_threads=False)


def feed(
    path: Path,
    names: list[str],
    start: "Callable[[pa.Schema], Sink]",
    limit_bytes: int | None = None,
) -> tuple[Any, bool]:
    """Pour all rows, or the first of them, batch by batch into the sink that `start` makes.

    Returns the sink and whether it has seen all rows.
    """
    dataset = _dataset(path)
    with _explained(path):
        batches = dataset.scanner(
            columns=names,
            batch_size=_BATCH_ROWS,
            batch_readahead=1,
            fragment_readahead=1,
            use_threads=False,
        ).to_reader()
    sink = start(batches.schema)
    complete, _last = pour(batches, lambda: _explained(path), sink, limit_bytes)
    return sink, complete


def place(path: Path, row: int) -> str:
    """Return the file and the row in it, from 1, of a row of them all, from 0."""
    from pyarrow import parquet

    for file in files(path):
        rows = parquet.read_metadata(file).num_rows
        if row < rows:
            return f"{file}, row {row + 1}"
        row -= rows
    return str(path)


def count_rows(path: Path) -> int | None:
    """Return the rows that the files' footers tell."""
    dataset = _dataset(path)
    with _explained(path):
        return int(dataset.count_rows())


def notes(path: Path) -> list[str]:
    """Return what a user should know of how the files are read."""
    found = len(files(path))
    return [f"{found} file{'' if found == 1 else 's'} of {path.name}"] if path.is_dir() else []


def _dataset(path: Path) -> "ds.Dataset":
    """Return the files as one, with types that fit all of them."""
    import pyarrow.dataset as ds
    from pyarrow.fs import LocalFileSystem

    base = path if path.is_dir() else path.parent
    options = ds.FileSystemFactoryOptions(
        partition_base_dir=str(base), partitioning=ds.HivePartitioning.discover()
    )
    names = [str(file) for file in files(path)]
    with _explained(path):
        factory = ds.FileSystemDatasetFactory(
            LocalFileSystem(), names, ds.ParquetFileFormat(), options
        )
        schema = factory.inspect(promote_options="permissive", fragments=None)
        return factory.finish(schema)


def _explained(path: Path) -> AbstractContextManager[None]:
    return reading(path, "Parquet")
