"""Parquet: one file, or a folder or pattern of them, also partitioned as Hive does (`year=2026/`).

A partition is a range of rows: whole row groups where they are small, and parts of one where it
is large. A part is decoded as a stream, which is kept open for the part that follows it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from hpc_ml.data.files import reading
from hpc_ml.data.formats import find_files
from hpc_ml.data.formats.tables import check_names, complete_columns, row_bytes, wanted_names
from hpc_ml.data.location import DataFile, Location, filesystem
from hpc_ml.data.pieces import Extent, Layout, Piece, Span, count_rows, cut, place_in_rows
from hpc_ml.data.source import DataSource
from hpc_ml.errors import BadData

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds
    from pyarrow import parquet as pq

ENDINGS = (".parquet", ".pq")
place = place_in_rows
_BATCH_ROWS = 65_536
# Larger row groups than this are told, where they make several partitions.
_LARGE_GROUP_BYTES = 256 * 2**20
_BUFFERED_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Reading:
    """The values of Hive's partition columns in each file, by name."""

    hive: tuple[Mapping[str, Any], ...]


def plan(source: DataSource) -> Layout:
    """Return the partitions, from the footers of the files."""
    location = source.location
    files = _find(source)
    with reading(location, "Parquet"):
        dataset = _dataset(location, files)
        schema = dataset.schema
        check_names(schema, location)
        wanted = wanted_names(schema.names, source.spec)
        fragments = list(dataset.get_fragments())
        extents = list(_extents(fragments, schema, wanted))
        hive = tuple(_hive_values(fragment) for fragment in fragments)
    pieces, sizes = cut(extents, source.spec.partition_size)
    return Layout(
        kind="table",
        form="parquet",
        files=files,
        pieces=pieces,
        rows=count_rows(pieces),
        bytes_each=sizes,
        names=tuple(schema.names),
        schema=schema.remove_metadata(),
        n_columns=len(schema.names),
        notes=tuple(_notes(location, files, extents, sizes)),
        reading=Reading(hive),
    )


def read_piece(layout: Layout, piece: Piece, columns: Sequence[str]) -> "pa.Table":
    """Return these columns of the rows of a partition."""
    import pyarrow as pa

    return pa.concat_tables([_read_span(layout, span, columns) for span in piece])


def _notes(
    location: Location,
    files: Sequence[DataFile],
    groups: Sequence[Extent],
    sizes: Sequence[int],
) -> Iterator[str]:
    if not location.is_file:
        yield f"{len(files)} file{'' if len(files) == 1 else 's'} of {location.name}"
    largest = max((group.memory_bytes for group in groups), default=0)
    if largest > max(_LARGE_GROUP_BYTES, 2 * max(sizes, default=0)):
        yield (
            f"row groups of up to {largest / 2**20:,.0f} MiB: a partition inside of one is decoded "
            "from the start of it, unless it follows the one before; smaller groups read faster"
        )


def _find(source: DataSource) -> tuple[DataFile, ...]:
    files = find_files(source, ENDINGS)
    for file in source.location.files_ending(*ENDINGS):
        if not file.size_bytes:
            raise BadData("the file is empty", where=str(file))
    return files


def _dataset(location: Location, files: Sequence[DataFile]) -> "ds.Dataset":
    """Return the files as one, with types that fit all of them."""
    import pyarrow.dataset as ds
    from pyarrow.fs import FSSpecHandler, LocalFileSystem, PyFileSystem

    names, base, system = [file.address for file in files], location.base, LocalFileSystem()
    if not location.is_local:
        remote = filesystem(location.address)
        names = [remote._strip_protocol(name) for name in names]
        base, system = remote._strip_protocol(base), PyFileSystem(FSSpecHandler(remote))
    options = ds.FileSystemFactoryOptions(
        partition_base_dir=base, partitioning=ds.HivePartitioning.discover()
    )
    factory = ds.FileSystemDatasetFactory(system, names, ds.ParquetFileFormat(), options)
    schema = factory.inspect(promote_options="permissive", fragments=None)
    return factory.finish(schema)


def _hive_values(fragment: "ds.ParquetFileFragment") -> Mapping[str, Any]:
    import pyarrow.dataset as ds

    values: Mapping[str, Any] = ds.get_partition_keys(fragment.partition_expression)
    return values


def _extents(
    fragments: Sequence["ds.ParquetFileFragment"], schema: "pa.Schema", wanted: Sequence[str]
) -> Iterator[Extent]:
    """Yield the row groups of all files."""
    fixed, loose = row_bytes(schema, wanted)
    for number, fragment in enumerate(fragments):
        metadata = fragment.metadata
        start = 0
        columns = _column_numbers(metadata, loose) if loose else []
        for group in range(metadata.num_row_groups):
            meta = metadata.row_group(group)
            size = meta.num_rows * fixed + sum(_column_bytes(meta, at) for at in columns)
            if meta.num_rows:
                yield Extent(number, start, start + meta.num_rows, int(size))
            start += meta.num_rows


def _column_numbers(metadata: Any, names: Sequence[str]) -> list[int]:
    """Return the numbers of the leaf columns that lie below these columns."""
    wanted = set(names)
    paths = (metadata.schema.column(number).path for number in range(metadata.num_columns))
    return [number for number, path in enumerate(paths) if path.split(".")[0] in wanted]


def _column_bytes(group: Any, number: int) -> int:
    """Return about how much memory a column of words takes in a row group."""
    chunk = group.column(number)
    statistics = chunk.statistics if chunk.is_stats_set else None
    length = 0.0
    if statistics is not None and statistics.has_min_max:
        ends = (statistics.min, statistics.max)
        length = sum(len(end) for end in ends if isinstance(end, str | bytes)) / 2
    # Words that repeat are written once, so the size in the file may be far too small.
    return max(int(chunk.total_uncompressed_size), int(group.num_rows * (4 + length)))


def _read_span(layout: Layout, span: Span, columns: Sequence[str]) -> "pa.Table":
    import pyarrow as pa

    file = layout.files[span.file]
    assert layout.schema is not None
    with reading(file, "Parquet"):
        here = set(_metadata(file).schema.to_arrow_schema().names)
        stored = tuple(name for name in columns if name in here)
        batches = _take_rows(file, stored, span)
        rows = span.stop - span.start
        table = pa.Table.from_batches(batches) if stored else pa.table({})
        constants = layout.reading.hive[span.file]
        return complete_columns(table, rows, constants, layout.schema, columns)


@lru_cache(maxsize=8)
def _metadata(file: DataFile) -> Any:
    from pyarrow import parquet as pq

    parquet = pq.ParquetFile(_content(file))
    parquet.close(force=True)
    return parquet.metadata


def _open(file: DataFile, buffer_bytes: int) -> "pq.ParquetFile":
    from pyarrow import parquet as pq

    return pq.ParquetFile(
        _content(file), metadata=_metadata(file), buffer_size=buffer_bytes, pre_buffer=False
    )


def _content(file: DataFile) -> Any:
    import pyarrow as pa

    return file.checked_path() if file.is_local else pa.PythonFile(file.open(), "r")


@dataclass
class _Stream:
    """The rows of a file from one row group on, decoded batch by batch."""

    parquet: "pq.ParquetFile"
    batches: Iterator["pa.RecordBatch"]
    row: int
    left: "list[pa.RecordBatch]" = field(default_factory=list)

    def take(self, rows: int) -> "Iterator[pa.RecordBatch]":
        """Yield the next rows."""
        while rows > 0:
            batch = self.left.pop() if self.left else next(self.batches, None)
            if batch is None:
                raise EOFError("it has fewer rows than its footer tells")
            if batch.num_rows > rows:
                self.left.append(batch.slice(rows))
                batch = batch.slice(0, rows)
            rows -= batch.num_rows
            self.row += batch.num_rows
            yield batch

    def close(self) -> None:
        """Close the file."""
        self.parquet.close(force=True)


# The stream that a partition left within a row group, for the partition that goes on there.
_left_open: dict[tuple[DataFile, tuple[str, ...], int], _Stream] = {}


def _take_rows(file: DataFile, names: tuple[str, ...], span: Span) -> "list[pa.RecordBatch]":
    if not names:
        return []
    stream = _left_open.pop((file, names, span.start), None) or _start(file, names, span)
    for _ in stream.take(span.start - stream.row):
        pass
    batches = list(stream.take(span.stop - span.start))
    if stream.row in _group_starts(file):
        stream.close()
    else:
        while _left_open:
            _left_open.popitem()[1].close()
        _left_open[file, names, stream.row] = stream
    return batches


def _start(file: DataFile, names: tuple[str, ...], span: Span) -> _Stream:
    """Open a stream at the row group in which a span begins."""
    parquet = _open(file, min(max(_BUFFERED_BYTES // len(names), 2**14), 2**20))
    starts = _group_starts(file)
    first = max(number for number, start in enumerate(starts[:-1]) if start <= span.start)
    batches = parquet.iter_batches(
        batch_size=_BATCH_ROWS,
        row_groups=list(range(first, len(starts) - 1)),
        columns=list(names),
        use_threads=False,
    )
    return _Stream(parquet, batches, starts[first])


def _group_starts(file: DataFile) -> list[int]:
    """Return the row that each row group begins with, and the end of the last."""
    metadata = _metadata(file)
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    return [0, *accumulate(group.num_rows for group in groups)]
