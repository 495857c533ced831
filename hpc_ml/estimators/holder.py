"""A worker's side of a `Collective`: the partitions that it holds, and the steps it takes.

What is kept of a partition is rebuildable from its source: a worker may be lost at any moment.
"""

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial
from typing import Any

from hpc_ml.estimators.partitions import Partitions
from hpc_ml.estimators.resident import align

Memory = dict[str, Any]


class Holder:
    """Partitions in one process, read when they are needed and kept as far as memory allows.

    Parameters
    ----------
    partitions : Partitions
        The data set.
    budget_bytes : int
        Memory that kept partitions may take together; others are read again on each pass.
    rank, size, host
        Which worker of how many this is, and its host's name; 0, 1, "" for this process alone.
    """

    def __init__(
        self,
        partitions: Partitions,
        budget_bytes: float,
        *,
        rank: int = 0,
        size: int = 1,
        host: str = "",
    ) -> None:
        self.partitions = partitions
        self.numbers: tuple[int, ...] = tuple(range(len(partitions.rows)))
        self.rank, self.size, self.host = rank, size, host
        self._budget_bytes = budget_bytes
        self._kept: dict[int, Any] = {}
        self._kept_bytes = 0
        self._sent: dict[int, Any] = {}
        self._memories: dict[int, Memory] = {}
        self._ahead: tuple[int, Future[Any]] | None = None

    def assign(self, numbers: Iterable[int], rank: int, size: int) -> None:
        """Hold these partitions from now on, and forget others."""
        self.numbers, self.rank, self.size = tuple(numbers), rank, size
        for number in set(self._kept) - set(self.numbers):
            self._drop(number)

    def take(self, number: int, block: Any) -> None:
        """Take a partition that cannot be read here because it came from the controller."""
        self._sent[number] = align_block(block)

    def load(self, number: int) -> Any:
        """Return a partition, from memory where it is kept."""
        if number in self._sent:
            return self._sent[number]
        if number in self._kept:
            return self._kept[number]
        block = self._read(number)
        if number in self.numbers:
            self._keep(number, block)
        return block

    def step_each(self, step: Any, state: Any, numbers: list[int]) -> Iterator[tuple[int, Any]]:
        """Yield what `step` makes of each partition."""
        for number, block in self._load_each(numbers):
            yield number, step(block, state, self._memory(number))

    def visit(self, step: Any, state: Any, numbers: list[int]) -> Any:
        """Return the state after `step` has made it anew at each partition."""
        for number, block in self._load_each(numbers):
            state = step(block, state, self._memory(number))
        return state

    def _load_each(self, numbers: list[int]) -> Iterator[tuple[int, Any]]:
        """Yield partitions, with the next one being read meanwhile where it is not kept."""
        for position, number in enumerate(numbers):
            block = self.load(number)
            if position + 1 < len(numbers):
                self.read_ahead(numbers[position + 1])
            yield number, block

    def _memory(self, number: int) -> Memory:
        return self._memories.setdefault(number, {})

    def read_ahead(self, number: int) -> None:
        """Read a partition that will soon be needed, beside other work; one at a time."""
        if self._ahead is not None or number in self._kept or number in self._sent:
            return
        future: Future[Any] = Future()
        self._ahead = (number, future)
        # With this thread's context, in which Dask tells which worker it is.
        work = partial(copy_context().run, _fill, future, self.partitions, number)
        threading.Thread(target=work, daemon=True).start()

    def derive(self, partitions: Any) -> None:
        """Replace the data set by one that is made from it, without reading again."""
        self._forget_ahead()
        before, self._kept, self._kept_bytes = self._kept, {}, 0
        sent, self._sent = self._sent, {}
        self.partitions, self._memories = partitions, {}
        for number in sorted(before):
            self._keep(number, partitions.derive(before.pop(number), number))
        for number in sorted(sent):
            self._sent[number] = partitions.derive(sent.pop(number), number)

    def _read(self, number: int) -> Any:
        if self._ahead is not None and self._ahead[0] == number:
            (_, future), self._ahead = self._ahead, None
            return future.result()
        self._forget_ahead()
        return self.partitions.load(number)

    def _forget_ahead(self) -> None:
        """Let a reading end that nobody needs any more: two at once take twice the memory."""
        if self._ahead is not None:
            self._ahead[1].exception()
            self._ahead = None

    def _keep(self, number: int, block: Any) -> None:
        size_bytes = int(getattr(block, "nbytes", 0)) or self.partitions.bytes_each[number]
        if self._kept_bytes + size_bytes <= self._budget_bytes:
            self._kept[number] = block
            self._kept_bytes += size_bytes

    def _drop(self, number: int) -> None:
        block = self._kept.pop(number)
        self._memories.pop(number, None)
        size_bytes = int(getattr(block, "nbytes", 0)) or self.partitions.bytes_each[number]
        self._kept_bytes -= size_bytes


def align_block(block: Any) -> Any:
    """Return a block whose arrays are aligned and writable, as those of a message need not be."""
    for name in ("X", "y", "weight", "group"):
        setattr(block, name, align(getattr(block, name)))
    return block


def _fill(future: "Future[Any]", partitions: Partitions, number: int) -> None:
    try:
        future.set_result(partitions.load(number))
    except BaseException as error:
        future.set_exception(error)
