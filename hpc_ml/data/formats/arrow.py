"""Arrow's own files, Feather among them, and its streams.

A partition is a range of rows. Record batches that are not compressed are mapped and only the
rows of the partition copied, so that a file of one large batch is read in parts too.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

from hpc_ml.data.files import reading
from hpc_ml.data.formats import find_files
from hpc_ml.data.formats.tables import check_names, complete_columns, row_bytes, wanted_names
from hpc_ml.data.location import DataFile
from hpc_ml.data.pieces import Extent, Layout, Piece, Span, count_rows, cut, place_in_rows
from hpc_ml.data.source import DataSource

if TYPE_CHECKING:
    import pyarrow as pa

ENDINGS = (".arrow", ".feather", ".ipc")
place = place_in_rows
_MAGIC = b"ARROW1"


@dataclass(frozen=True)
class Reading:
    """Where the record batches of each file begin (rows, the last one their end).

    `mapped` says in which files rows are read without the rest of their batch: in those of this
    machine that are not compressed.
    """

    starts: tuple[tuple[int, ...], ...]
    mapped: tuple[bool, ...]


def plan(source: DataSource) -> Layout:
    """Return the partitions, from the headers of the record batches."""
    import pyarrow as pa

    files = find_files(source, ENDINGS)
    with reading(source.location, "Arrow"):
        schema = pa.unify_schemas([_schema(file) for file in files], promote_options="permissive")
    schema = schema.remove_metadata()
    check_names(schema, source.location)
    wanted = wanted_names(schema.names, source.spec)
    starts: list[tuple[int, ...]] = []
    mapped: list[bool] = []
    extents: list[Extent] = []
    for number, file in enumerate(files):
        with reading(file, "Arrow"):
            mapped.append(_is_mapped(file))
            starts.append(_batch_starts(file, mapped=mapped[-1]))
            row_size = _row_bytes(file, starts[-1], schema, wanted, mapped=mapped[-1])
        extents += [
            Extent(number, start, stop, int(row_size * (stop - start)), mapped[-1])
            for start, stop in pairwise(starts[-1])
            if stop > start
        ]
    pieces, sizes = cut(extents, source.spec.partition_size)
    return Layout(
        kind="table",
        form="arrow",
        files=files,
        pieces=pieces,
        rows=count_rows(pieces),
        bytes_each=sizes,
        names=tuple(schema.names),
        schema=schema,
        n_columns=len(schema.names),
        notes=(f"{len(files)} files of {source.location.name}",) if len(files) > 1 else (),
        reading=Reading(tuple(starts), tuple(mapped)),
    )


def read_piece(layout: Layout, piece: Piece, columns: Sequence[str]) -> "pa.Table":
    """Return these columns of the rows of a partition."""
    import pyarrow as pa

    return pa.concat_tables([_read_span(layout, span, columns) for span in piece])


def _read_span(layout: Layout, span: Span, columns: Sequence[str]) -> "pa.Table":
    import pyarrow as pa

    file, starts = layout.files[span.file], layout.reading.starts[span.file]
    assert layout.schema is not None
    with reading(file, "Arrow"):
        here = set(_schema(file).names)
        stored = [name for name in columns if name in here]
        numbers = [
            number
            for number, (start, stop) in enumerate(pairwise(starts))
            if start < span.stop and span.start < stop
        ]
        table = pa.table({})
        if stored:
            batches = _batches(file, stored, numbers, mapped=layout.reading.mapped[span.file])
            table = _copied(_overlap(batch, starts[number], span) for number, batch in batches)
            # A damaged file may hold offsets that lead elsewhere.
            table.validate(full=True)
        rows = span.stop - span.start
        return complete_columns(table, rows, {}, layout.schema, columns)


def _overlap(batch: "pa.RecordBatch", start: int, span: Span) -> "pa.RecordBatch":
    """Return the rows of a batch, which begins at row `start`, that lie in a span."""
    first = max(0, span.start - start)
    return batch.slice(first, span.stop - start - first)


def _copied(batches: "Iterable[pa.RecordBatch]") -> "pa.Table":
    """Return the rows of slices, and no more than them, in memory of their own."""
    import pyarrow as pa

    return pa.Table.from_batches([_copy(batch) for batch in batches])


def _copy(batch: "pa.RecordBatch") -> "pa.RecordBatch":
    import pyarrow as pa

    # The first sink only counts, so that the second one is no larger than it must be.
    count = pa.MockOutputStream()
    with pa.ipc.new_stream(count, batch.schema) as writer:
        writer.write_batch(batch)
    buffer = pa.allocate_buffer(count.size())
    with pa.ipc.new_stream(pa.FixedSizeBufferWriter(buffer), batch.schema) as writer:
        writer.write_batch(batch)
    return pa.ipc.open_stream(buffer).read_next_batch()


def _is_mapped(file: DataFile) -> bool:
    """Return whether a record batch lies in the map of the file, as it is."""
    if not file.is_local:
        return False
    with _open(file) as content:
        start = content.read_buffer(1).address
        content.seek(0)
        for batch in _iterate(_reader(content, ())):
            found = [buffer for column in batch.columns for buffer in column.buffers()]
            places = [buffer.address - start for buffer in found if buffer and buffer.size]
            return all(0 <= place < file.size_bytes for place in places)
    return False


def _row_bytes(
    file: DataFile,
    starts: Sequence[int],
    schema: "pa.Schema",
    wanted: Sequence[str],
    *,
    mapped: bool,
) -> float:
    """Return the memory of a row; that of words is taken from the first record batch."""
    size, loose = row_bytes(schema, wanted)
    here = _schema(file).names
    stored = [name for name in loose if name in here]
    if stored and starts[-1]:
        first = next(number for number, stop in enumerate(starts[1:]) if stop)
        for _, batch in _batches(file, stored, [first], mapped=mapped):
            size += batch.nbytes / batch.num_rows
    return size


@lru_cache(maxsize=64)
def _schema(file: DataFile) -> "pa.Schema":
    with _open(file) as content:
        return _reader(content, ()).schema


def _batch_starts(file: DataFile, *, mapped: bool) -> tuple[int, ...]:
    """Return where the record batches begin, from the column that is read soonest."""
    schema = _schema(file)
    if not schema.names:
        return (0,)
    _, loose = row_bytes(schema, schema.names)
    fixed = [name for name in schema.names if name not in loose]
    cheapest = min(fixed, key=lambda name: schema.field(name).type.bit_width, default=None)
    batches = _batches(file, [cheapest or schema.names[0]], None, mapped=mapped)
    return (0, *accumulate(batch.num_rows for _, batch in batches))


def _batches(
    file: DataFile, names: Sequence[str], numbers: Sequence[int] | None, *, mapped: bool
) -> "Iterator[tuple[int, pa.RecordBatch]]":
    """Yield columns of these record batches, or of all, with their numbers."""
    # Arrow copies the columns that it is to pick, even from a map.
    indices = [] if mapped else [_schema(file).get_field_index(name) for name in names]
    with _open(file) as content:
        reader = _reader(content, indices)
        if numbers is not None and hasattr(reader, "get_batch"):
            for number in numbers:
                yield number, _picked(reader.get_batch(number), names)
            return
        for number, batch in enumerate(_iterate(reader)):
            if numbers is None or number in numbers:
                yield number, _picked(batch, names)


def _iterate(reader: Any) -> "Iterator[pa.RecordBatch]":
    """Yield the record batches of a file or a stream."""
    if not hasattr(reader, "get_batch"):
        yield from reader
        return
    for number in range(reader.num_record_batches):
        yield reader.get_batch(number)


def _picked(batch: "pa.RecordBatch", names: Sequence[str]) -> "pa.RecordBatch":
    """Return these columns, of which a damaged file may hold fewer rows than it says."""
    picked = batch.select(list(names))
    picked.validate()
    return picked


def _open(file: DataFile) -> Any:
    import pyarrow as pa

    if file.is_local:
        return pa.memory_map(file.checked_path())
    return pa.PythonFile(file.open(), "r")


def _reader(content: Any, indices: Sequence[int]) -> Any:
    """Return Arrow's reader of a file or, where it is one, of a stream."""
    import pyarrow as pa

    options = pa.ipc.IpcReadOptions(included_fields=list(indices), use_threads=False)
    head = content.read(len(_MAGIC))
    content.seek(0)
    if head == _MAGIC:
        return pa.ipc.open_file(content, options=options)
    return pa.ipc.open_stream(content, options=options)
