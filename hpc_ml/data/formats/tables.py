"""What the table formats share: how batches flow."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pyarrow as pa


class Sink(Protocol):
    """Takes a table batch by batch."""

    def add(self, batch: "pa.RecordBatch") -> None:
        """Take the next rows."""


def pour(
    batches: "Iterable[pa.RecordBatch]",
    explained: Callable[[], AbstractContextManager[None]],
    sink: Sink,
    limit_bytes: int | None,
) -> "tuple[bool, pa.RecordBatch | None]":
    """Give the sink all batches, or those up to a limit; return whether all, and the last one.

    Errors of the reader, and only those, are raised inside `explained`.
    """
    poured_bytes = 0
    last = None
    for batch in _guarded(batches, explained):
        if limit_bytes is not None and poured_bytes >= limit_bytes:
            return False, last
        sink.add(batch)
        poured_bytes += batch.nbytes
        last = batch if batch.num_rows else last
    return True, last


def _guarded(
    batches: "Iterable[pa.RecordBatch]", explained: Callable[[], AbstractContextManager[None]]
) -> "Iterator[pa.RecordBatch]":
    iterator = iter(batches)
    while True:
        with explained():
            batch = next(iterator, None)
        if batch is None:
            return
        yield batch
