"""One run's side of the Dask client: what it has on the workers, and what they are doing."""

import asyncio
import queue
import time
import uuid
from collections.abc import Callable
from concurrent.futures import wait
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

import dask
from distributed.scheduler import KilledWorker

from hpc_ml.errors import TaskFailed, WorkersLost
from hpc_ml.estimators.recipe import pack
from hpc_ml.estimators.roster import Roster
from hpc_ml.estimators.surroundings import Checkpoint
from hpc_ml.estimators.units import refit

if TYPE_CHECKING:
    from distributed import Client, Future

_TICK_S = 0.1
_TELL_AFTER_S = 10.0
MORE_MEMORY = "see the workers' logs; most often they need more --memory, or fewer --cores share it"


class DiedError(Exception):
    """The worker died each time that this was tried."""

    def __init__(self, times: int) -> None:
        super().__init__(times)
        self.times = times


def _keep(value: Any) -> Any:
    return value


class Engine:
    """Futures of one run; leaving the block cancels them and frees the workers' memory.

    Every function that is submitted gets what is `resident` on the workers first: the data of a
    search, or the recipe by which they are read.
    """

    def __init__(self, client: "Client", checkpoint: Checkpoint, resident: Any) -> None:
        self._client = client
        self._checkpoint = checkpoint
        self._answers: queue.SimpleQueue[Future] = queue.SimpleQueue()
        self._held: set[Future] = set()
        self._embedded: set[str] = set()
        self._checked_s = float("-inf")
        self._told_empty = False
        self.roster = Roster(client, taking_work=True)
        self._resident = self.embed("data", resident)

    def __enter__(self) -> "Engine":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Not left to the garbage collector: a traceback that somebody keeps would keep the data.
        # A scheduler that is gone has cancelled everything itself.
        with suppress(Exception):
            self._client.cancel(list(self._held), force=True)
        self._held.clear()

    def embed(self, name: str, value: Any) -> "Future":
        """Send something once; the scheduler keeps it and can give it to any worker, any time."""
        threshold = {"distributed.admin.large-graph-warning-threshold": "1 PiB"}
        with dask.config.set(threshold):
            future = self._client.submit(_keep, value, key=f"{name}-{uuid.uuid4()}", pure=False)
        self._held.add(future)
        self._embedded.add(future.key)
        return future

    def release(self, future: "Future") -> None:
        """Let the scheduler forget what a future holds."""
        self._held.discard(future)
        future.release()

    def submit(
        self, name: str, function: Callable[..., Any], *args: Any, worker: str | None = None
    ) -> "Future":
        """Let a worker call a function with the data and `args`; `worker` had best be the one."""
        place = {} if worker is None else {"workers": [worker], "allow_other_workers": True}
        future = self._client.submit(
            function, self._resident, *args, key=f"{name}-{uuid.uuid4()}", pure=False, **place
        )
        self._held.add(future)
        future.add_done_callback(self._answers.put)
        return future

    def finished(self) -> "list[Future]":
        """Return the futures that have ended, after a tenth of a second at most."""
        ended = []
        with suppress(queue.Empty):
            ended.append(self._answers.get(timeout=_TICK_S))
            while True:
                ended.append(self._answers.get_nowait())
        self._check()
        return ended

    def result(self, future: "Future") -> Any:
        """Return what an ended future holds, and release it.

        Raises what its function raised, DiedError, or WorkersLost when it was given up.
        """
        try:
            return self._wait(future)
        finally:
            self.release(future)

    def _wait(self, future: "Future") -> Any:
        if future.status == "error":
            raise self._translate(future.exception())
        # Asked for once: a gather that a timeout cuts off begins anew, so that a large answer
        # would never come, and the client goes on to share the one that was cut off.
        answer = asyncio.run_coroutine_threadsafe(
            self._gather(future), self._client.loop.asyncio_loop
        )
        while not wait([answer], timeout=_TICK_S).done:
            self._check()
        try:
            return answer.result()
        except KilledWorker as died:
            raise self._translate(died) from None
        except Exception:
            if future.status in ("cancelled", "lost"):
                self._raise_lost()
            raise

    async def _gather(self, future: "Future") -> Any:
        return await self._client.gather(future, asynchronous=True)

    def _translate(self, error: Exception) -> Exception:
        if not isinstance(error, KilledWorker):
            return error
        times = error.allowed_failures + 1
        if error.task in self._embedded:
            return TaskFailed(
                f"the worker that took the data died, {times} times", hint=MORE_MEMORY
            )
        return DiedError(times)

    def _raise_lost(self) -> None:
        self._checkpoint.check()
        raise WorkersLost(
            "the Dask scheduler gave up the run's work",
            hint="see whether the scheduler and its workers still run, then resume",
        )

    def refit(self, parameters: Any) -> tuple[bytes, float, list[Any]]:
        """Fit one candidate on all rows; return the pickled model, seconds and warnings."""
        future = self.submit("refit", refit, pack(parameters, "the best parameters"))
        while future not in self.finished():
            pass
        try:
            return self.result(future)
        except DiedError as died:
            raise TaskFailed(
                f"the worker that fitted the best candidate on all rows died, {died.times} times",
                hint=MORE_MEMORY,
            ) from None

    def _check(self) -> None:
        now_s = time.monotonic()
        if now_s - self._checked_s < _TICK_S:
            return
        self._checked_s = now_s
        self._checkpoint.check()
        empty_since_s = self.roster.empty_since_s
        if empty_since_s is None:
            self._told_empty = False
        elif not self._told_empty and now_s - empty_since_s > _TELL_AFTER_S:
            self._told_empty = True
            self._checkpoint.tell("no worker takes work now: waiting for one")
