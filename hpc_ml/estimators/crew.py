"""The workers that serve a `Collective`: invited, heard, and missed when they are lost."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from socket import socket
from typing import TYPE_CHECKING, Any

from distributed import KilledWorker, wait

from hpc_ml.errors import NoCluster
from hpc_ml.estimators.links import Frames, Link, Listener, pack
from hpc_ml.estimators.partitions import Partitions
from hpc_ml.estimators.roster import Roster
from hpc_ml.estimators.serving import CutOff, Hello, Leaving, serve

if TYPE_CHECKING:
    from distributed import Client, Future

    from hpc_ml.estimators.surroundings import Checkpoint

_TICK_S = 0.2
_TELL_AFTER_S = 10.0
# Whoever reaches the port, a scanner say, may connect and say nothing for 20 s.
_GREETERS = 16
_FAREWELL_LIMIT_S = 1.0
_FIRST_WORKERS_LIMIT_S = 30.0
"""How long the first step waits for workers that are there but do not answer yet."""


@dataclass(eq=False)
class Member:
    """One worker that serves, the data set it knows, and the partitions that it was sent.

    `leaving`: it takes no more calls, since its walltime ends. `cut_off_s`: for how long it
    had worked on the call that it could not finish.
    """

    address: str
    host: str
    budget_bytes: float
    link: Link
    partitions: Partitions
    sent: set[int] = field(default_factory=set)
    leaving: bool = False
    cut_off_s: float | None = None


@dataclass(frozen=True)
class Heard:
    """A message of a member, or None when it is lost."""

    member: Member
    message: Any


class Crew:
    """Links to all workers of a client, kept up to date while steps are waited for."""

    def __init__(
        self, client: "Client", checkpoint: "Checkpoint", partitions: Callable[[], Partitions]
    ) -> None:
        self._linked: list[Member] = []
        self._left: set[str] = set()
        self._client = client
        self._checkpoint = checkpoint
        self._partitions = partitions
        self._roster = Roster(client)
        self._invited: dict[str, Future] = {}
        self._joined: SimpleQueue[Member] = SimpleQueue()
        self._heard: SimpleQueue[Heard] = SimpleQueue()
        self._failures: SimpleQueue[BaseException] = SimpleQueue()
        self._listener = Listener(client)
        self._greeters = ThreadPoolExecutor(_GREETERS, thread_name_prefix="hpc-ml-greeter")
        threading.Thread(target=self._accept, daemon=True).start()
        self._told_empty = False

    @property
    def members(self) -> list[Member]:
        """The workers that take calls."""
        return [member for member in self._linked if not member.leaving]

    def hears(self, member: Member) -> bool:
        """Return whether a worker may still answer."""
        return member in self._linked

    def gather(self) -> None:
        """Return when all workers that are there serve, or those that answer within a while."""
        deadline_s = time.monotonic() + _FIRST_WORKERS_LIMIT_S
        while not self.members or (self._invited_only() and time.monotonic() < deadline_s):
            self.check()
            self._look(timeout_s=0.02)

    def refresh(self) -> bool:
        """Take in workers that have come; return whether there are any."""
        before = len(self._linked)
        self._look(timeout_s=0)
        return len(self._linked) != before

    def hear(self) -> Heard | None:
        """Return the next message or loss, or None after a moment without any."""
        try:
            heard = self._heard.get(timeout=_TICK_S)
        except Empty:
            self._look(timeout_s=0)
            self.check()
            return None
        if heard.message is None and not self._drop(heard.member):
            return None
        return heard

    def send(self, member: Member, frames: Frames) -> None:
        """Send to a member; where it is gone, its loss will be heard."""
        with suppress(OSError):
            member.link.send(frames)

    def check(self) -> None:
        """Raise what must end the work; tell when nobody is there."""
        self._checkpoint.check()
        with suppress(Empty):
            error = self._failures.get_nowait()
            raise NoCluster(
                f"a worker cannot work for this process: {type(error).__name__}: {error}",
                where=":".join(map(str, self._listener.address)),
                hint="give the workers the packages of this environment, and see that they can "
                "connect to this host",
            )
        empty_since_s = self._roster.empty_since_s
        if empty_since_s is None:
            self._told_empty = False
        elif not self._told_empty and time.monotonic() - empty_since_s > _TELL_AFTER_S:
            self._told_empty = True
            self._checkpoint.tell("no worker is there: waiting for one")

    def dismiss(self, member: Member) -> None:
        """Let go of a member that waits for one that is lost; it is no loss to be heard of."""
        self._drop(member)

    def close(self) -> None:
        """Let all workers go."""
        self._listener.close()
        for member in self._linked:
            member.link.close()
        self._linked = []
        self._greeters.shutdown(wait=False, cancel_futures=True)
        # Workers whose task is taken from them before it has ended say so in their logs.
        with suppress(Exception):
            wait(list(self._invited.values()), timeout=_FAREWELL_LIMIT_S)
        for future in self._invited.values():
            future.release()

    def _invited_only(self) -> bool:
        known = {member.address for member in self._linked} | self._left
        return any(address not in known for address in self._roster.threads())

    def _look(self, timeout_s: float) -> None:
        """Invite workers that are new, take in those that have connected, miss those gone."""
        there = self._roster.threads()
        for address in there:
            if address not in self._invited and address not in self._left:
                self._invite(address)
        for address in [address for address in self._invited if address not in there]:
            self._invited.pop(address).release()
            for member in [one for one in self._linked if one.address == address]:
                member.link.close()  # its reader hears of it
        for member in self._arrivals(timeout_s):
            self._linked.append(member)
            threading.Thread(target=self._read, args=(member,), daemon=True).start()

    def _arrivals(self, timeout_s: float) -> Iterator[Member]:
        with suppress(Empty):
            yield self._joined.get(timeout=timeout_s) if timeout_s else self._joined.get_nowait()
            while True:
                yield self._joined.get_nowait()

    def _invite(self, address: str) -> None:
        future = self._client.submit(
            serve, self._listener.address, self._listener.secret,
            workers=[address], allow_other_workers=False, pure=False, priority=100,
        )  # fmt: skip
        future.add_done_callback(self._note_failure)
        self._invited[address] = future

    def _note_failure(self, future: "Future") -> None:
        if future.status == "error" and not self._listener.closed:
            error = future.exception()
            if not isinstance(error, KilledWorker):
                self._failures.put(error)

    def _accept(self) -> None:
        while not self._listener.closed:
            sock = self._listener.accept()
            if sock is not None:
                with suppress(RuntimeError):  # closed meanwhile
                    self._greeters.submit(self._greet, sock)

    def _greet(self, sock: socket) -> None:
        link = self._listener.admit(sock)
        if link is None:
            return
        partitions = self._partitions()
        try:
            link.send(pack(partitions))
            hello: Hello = link.receive()
        except OSError:
            link.close()
            return
        self._joined.put(Member(hello.address, hello.host, hello.budget_bytes, link, partitions))

    def _read(self, member: Member) -> None:
        try:
            while True:
                message = member.link.receive()
                if isinstance(message, Leaving):
                    member.leaving = True
                    self._left.add(member.address)
                elif isinstance(message, CutOff):
                    member.cut_off_s = message.worked_s
                else:
                    self._heard.put(Heard(member, message))
        except OSError:
            self._heard.put(Heard(member, None))

    def _drop(self, member: Member) -> bool:
        member.link.close()
        if member not in self._linked:
            return False
        self._linked.remove(member)
        if (future := self._invited.pop(member.address, None)) is not None:
            future.release()
        return True
