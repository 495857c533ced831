"""The long task by which a Dask worker serves a `Collective` until it closes."""

import os
import pickle
import socket
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

from hpc_ml.estimators.holder import Holder
from hpc_ml.estimators.links import Link, connect, pack
from hpc_ml.estimators.partitions import Partitions
from hpc_ml.estimators.sums import TreeSum

# Of the worker's memory, beside what it takes already and what is worked on: Dask pauses a worker
# at 80 % and its nanny ends it at 95 %.
_MEMORY_SHARE = 0.6
_IN_WORK = 4
_SEND_EVERY_S = 0.2


@dataclass(frozen=True)
class Hello:
    """What a worker says when it has heard what the data set is."""

    address: str
    host: str
    budget_bytes: float


@dataclass(frozen=True)
class Assign:
    """Which partitions the worker holds, and its place among the workers."""

    numbers: tuple[int, ...]
    rank: int
    size: int


@dataclass(frozen=True)
class Derive:
    """The data set that takes the place of the one before."""

    call: int
    partitions: Any


@dataclass(frozen=True)
class Ahead:
    """A partition that will soon be needed here."""

    number: int


@dataclass(frozen=True)
class Call:
    """One step over some partitions.

    `how` is map (an answer each), reduce (their sums along the tree), visit (the state travels
    along) or each (the step gets the holder).
    """

    call: int
    how: str
    step: bytes
    state: Any
    numbers: tuple[int, ...]
    sent: dict[int, Any]


@dataclass(frozen=True)
class Leaving:
    """Word that the worker takes no more calls, and finishes the one that it is at."""


@dataclass(frozen=True)
class CutOff:
    """Word that the call in progress is given up after so long, since the worker must leave."""

    worked_s: float


@dataclass(frozen=True)
class Answer:
    """What came of a call: part of it (`last` False), all of it, or why it failed."""

    call: int
    value: Any = None
    last: bool = True
    error: Any = None


def serve(address: tuple[str, int], secret: bytes) -> None:
    """Connect to the controller and do as it says until it closes the connection."""
    from distributed import get_worker, secede

    worker = get_worker()
    secede()
    link = connect(address, secret, worker)
    try:
        partitions: Partitions = link.receive()
        budget_bytes = _budget_bytes(worker, partitions)
        link.send(pack(Hello(worker.address, socket.gethostname(), budget_bytes)))
        with _Server(link, Holder(partitions, budget_bytes, host=socket.gethostname())) as server:
            while True:
                command = link.receive()
                server.working_since_s = time.monotonic()
                server.obey(command)
                server.working_since_s = None
    except OSError:
        return  # the controller has closed, or is gone
    finally:
        link.close()


def announce_leaving() -> None:
    """Have all who serve in this process say that the worker leaves."""
    for server in list(_serving):
        server.say(Leaving())


def working_since_s() -> float | None:
    """Return since when a call is in progress in this process, on the monotonic clock."""
    begun_s = [server.working_since_s for server in list(_serving)]
    return min((since_s for since_s in begun_s if since_s is not None), default=None)


def close_links() -> None:
    """End the serving of this process, after word of what it is cut off from."""
    for server in list(_serving):
        since_s = server.working_since_s
        if since_s is not None:
            server.say(CutOff(time.monotonic() - since_s))
        server.close()


def _budget_bytes(worker: Any, partitions: Partitions) -> float:
    import psutil

    limit_bytes = worker.memory_manager.memory_limit
    if not limit_bytes:
        return float("inf")
    used_bytes = psutil.Process().memory_info().rss
    in_work_bytes = _IN_WORK * max(partitions.bytes_each, default=0)
    return max(0.0, _MEMORY_SHARE * limit_bytes - used_bytes - in_work_bytes)


_serving: "set[_Server]" = set()


class _Server:
    def __init__(self, link: Link, holder: Holder) -> None:
        self._link = link
        self._holder = holder
        self._steps: dict[bytes, Callable[..., Any]] = {}
        self._settings = ExitStack()
        self.working_since_s: float | None = None

    def __enter__(self) -> "_Server":
        _serving.add(self)
        return self

    def __exit__(self, *error: Any) -> None:
        _serving.discard(self)
        self._settings.close()

    def say(self, word: Any) -> None:
        """Send word from another thread, unless the controller is gone."""
        with suppress(OSError):
            self._link.send(pack(word))

    def close(self) -> None:
        """Close the link, so that the controller gives the work to others."""
        self._link.close()

    def obey(self, command: Any) -> None:
        match command:
            case Call():
                self._answer(command.call, lambda: self._take(command))
            case Assign():
                self._holder.assign(command.numbers, command.rank, command.size)
            case Ahead():
                self._holder.read_ahead(command.number)
            case Derive():
                self._answer(command.call, lambda: self._holder.derive(command.partitions))

    def _answer(self, call: int, work: Callable[[], Any]) -> None:
        try:
            answer = Answer(call, work())
        except Exception as error:
            answer = Answer(call, error=_portable(error))
        self._link.send(pack(answer))

    def _step(self, packed: bytes) -> Callable[..., Any]:
        if packed not in self._steps:
            self._steps[packed] = pickle.loads(packed)
            self._limit_native_threads()
        return self._steps[packed]

    def _limit_native_threads(self) -> None:
        """One native thread a worker's thread; libraries may have come with the step."""
        from threadpoolctl import threadpool_limits

        if len(self._steps) == 1 or os.environ.get("OMP_NUM_THREADS") != "1":
            self._settings.enter_context(threadpool_limits(limits=1))

    def _take(self, call: Call) -> Any:
        for number, block in call.sent.items():
            self._holder.take(number, block)
        step = self._step(call.step)
        if call.how == "each":
            return step(self._holder, call.state)
        numbers = list(call.numbers)
        if call.how == "visit":
            return self._holder.visit(step, call.state, numbers)
        answers = self._holder.step_each(step, call.state, numbers)
        if call.how == "map":
            return self._send_parts(call.call, answers)
        sums = TreeSum(len(self._holder.partitions.rows))
        for number, answer in answers:
            sums.add((0, number), answer)
        return sums.nodes

    def _send_parts(self, call: int, answers: Any) -> dict[int, Any]:
        """Return the last answers; those before leave as they are there, that none be lost."""
        ready: dict[int, Any] = {}
        sent_s = time.monotonic()
        for number, answer in answers:
            now_s = time.monotonic()
            if ready and now_s - sent_s > _SEND_EVERY_S:
                self._link.send(pack(Answer(call, ready, last=False)))
                ready, sent_s = {}, now_s
            ready[number] = answer
        return ready


def _portable(error: Exception) -> Exception:
    """Return the error with where it was raised as a note, or one like it that can travel."""
    if isinstance(error, MemoryError):
        return MemoryError("a worker has too little memory")
    lines = "".join(traceback.format_exception(error)).rstrip()
    error.__traceback__ = error.__cause__ = error.__context__ = None
    try:
        portable: Exception = pickle.loads(pickle.dumps(error))
    except Exception:
        portable = RuntimeError(f"{type(error).__name__}: {error}")
    portable.add_note(f"on worker {socket.gethostname()}:\n{lines}")
    return portable
