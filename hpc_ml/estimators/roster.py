"""Which workers there are, asked for without waiting long for the answer."""

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distributed import Client

_ASK_EVERY_S = 1.0
_ASK_EVERY_WHEN_EMPTY_S = 0.1
_FIRST_ANSWER_S = 0.1


class Roster:
    """The addresses of the workers and their threads, as they were about a second ago.

    With `taking_work`, only of those that begin new tasks: others leave, or have full memory.
    """

    def __init__(self, client: "Client", *, taking_work: bool = False) -> None:
        self._client = client
        self._taking_work = taking_work
        self._threads: dict[str, int] = {}
        self._asked: Future[Any] | None = None
        self._asked_s = float("-inf")
        self.empty_since_s: float | None = time.monotonic()

    def threads(self) -> Mapping[str, int]:
        """Return the number of threads by worker."""
        pause_s = _ASK_EVERY_S if self._threads else _ASK_EVERY_WHEN_EMPTY_S
        if self._asked is None and time.monotonic() - self._asked_s >= pause_s:
            self._ask()
        if self._asked is not None and self._asked.done():
            self._hear(self._asked)
            self._asked = None
        return self._threads

    def _ask(self) -> None:
        self._asked_s = time.monotonic()
        self._asked = asyncio.run_coroutine_threadsafe(
            self._ask_scheduler(), self._client.loop.asyncio_loop
        )
        if not self._threads:
            # Nothing can be sent before the first answer.
            wait([self._asked], timeout=_FIRST_ANSWER_S)

    def _ask_scheduler(self) -> Any:
        scheduler = self._client.scheduler
        return scheduler.ncores_running() if self._taking_work else scheduler.ncores()

    def _hear(self, answer: "Future[Any]") -> None:
        # Of a scheduler that does not answer the futures and the checkpoint will tell.
        if answer.cancelled() or answer.exception() is not None:
            return
        self._threads = answer.result()
        if self._threads:
            self.empty_since_s = None
        elif self.empty_since_s is None:
            self.empty_since_s = time.monotonic()
