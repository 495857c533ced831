"""Dask's scheduler for workers that are batch jobs, whose ends are not always their work's fault.

Dask counts every worker that is lost against the tasks that were on it, and gives them up after
the fourth: walltimes and preemption would count too. Here only deaths count that the batch
scheduler does not explain, and a task that is cut off by the ends of its workers' jobs is given
up once it has had the time of a whole worker.
"""

import pickle
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import dask
from distributed import KilledWorker, Scheduler
from distributed.core import Status

from hpc_ml.estimators.cut_off import outlives, too_long

_ERRING_STATES = ("processing", "queued", "no-worker")


@dataclass(frozen=True)
class LostWorker:
    """A worker process that is gone without a word.

    Parameters
    ----------
    address, name : str
    lost_s : float
        When, on the monotonic clock.
    keys : tuple
        The tasks that were on it.
    worked_s : mapping
        The seconds that those had taken which were being worked on.
    """

    address: str
    name: str
    lost_s: float
    keys: tuple[Hashable, ...]
    worked_s: dict[Hashable, float]
    state: Any


class JobScheduler(Scheduler):
    """A Dask scheduler that is told whether the loss of a worker was blameless.

    Attributes
    ----------
    life_s : float
        How long a worker lives, from its start to the end of its walltime.
    left : set of str
        Names of the workers that left by themselves.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.life_s = float("inf")
        self.left: set[str] = set()
        self._most_deaths: int = dask.config.get("distributed.scheduler.allowed-failures")
        self.allowed_failures = sys.maxsize
        self._undecided: dict[str, LostWorker] = {}
        self._verdicts: dict[str, bool] = {}
        self._deaths: defaultdict[Hashable, int] = defaultdict(int)
        self._cuts: defaultdict[Hashable, list[float]] = defaultdict(list)
        self._given_up: dict[Hashable, Exception] = {}

    async def remove_worker(
        self, address: str, *, stimulus_id: str, expected: bool = False, close: bool = True
    ) -> Any:
        state = self.workers.get(self.coerce_address(address))
        if state is not None and self.status not in (Status.closing, Status.closed):
            self._note_loss(state, expected)
        return await super().remove_worker(
            address, stimulus_id=stimulus_id, expected=expected, close=close
        )

    def names(self) -> dict[str, bool]:
        """Return the names of the worker processes, and whether each is about to leave."""
        return {
            str(state.name): state.status == Status.closing_gracefully
            for state in list(self.workers.values())
        }

    def judge(self, decide: Callable[[str, float], bool | None]) -> None:
        """Ask about each worker that was lost: blameless or not, or None where it is not known yet.

        `decide` gets its name and the seconds since; may be called from any thread.
        """
        now_s = time.monotonic()
        for lost in list(self._undecided.values()):
            blameless = decide(lost.name, now_s - lost.lost_s)
            if blameless is not None and self._undecided.pop(lost.address, None) is not None:
                self.loop.add_callback(self._settle, lost, blameless)
        if self._given_up:
            self.loop.add_callback(self._give_up)

    def verdict(self, address: str) -> bool | None:
        """Return whether a worker was lost blamelessly; None where it is not known yet.

        A worker that was never missed is one that was not lost at all.
        """
        if address in self._verdicts:
            return self._verdicts[address]
        return None if address in self._undecided or address in self.workers else False

    def _note_loss(self, state: Any, expected: bool) -> None:
        silent_s = max(0.0, time.time() - state.last_seen)
        lost = LostWorker(
            address=state.address,
            name=str(state.name),
            lost_s=time.monotonic(),
            keys=tuple(task.key for task in state.processing),
            worked_s={
                task.key: seconds + silent_s
                for task, seconds in state.executing.items()
                if task not in state.long_running
            },
            state=state.clean(),
        )
        if expected:
            self.left.add(lost.name)
            self._settle(lost, True)
        else:
            self._undecided[lost.address] = lost

    def _settle(self, lost: LostWorker, blameless: bool) -> None:
        self._verdicts[lost.address] = blameless
        for key in lost.keys:
            if key not in self.tasks:
                continue
            if not blameless:
                self._count_death(key, lost)
            elif key in lost.worked_s:
                self._count_cut(key, lost.worked_s[key])
        self._give_up()

    def _count_death(self, key: Hashable, lost: LostWorker) -> None:
        self._deaths[key] += 1
        if self._deaths[key] > self._most_deaths:
            self._given_up[key] = KilledWorker(key, lost.state, self._most_deaths)

    def _count_cut(self, key: Hashable, seconds: float) -> None:
        cuts = self._cuts[key]
        cuts.append(seconds)
        if outlives(cuts, self.life_s):
            self._given_up[key] = too_long(f"a {str(key).partition('-')[0]}", cuts)

    def _give_up(self) -> None:
        """Err the tasks that are given up, as soon as they are in a state that can."""
        for key, error in list(self._given_up.items()):
            task = self.tasks.get(key)
            if task is None or task.state in ("memory", "erred", "forgotten"):
                del self._given_up[key]
            elif task.state in _ERRING_STATES:
                del self._given_up[key]
                stimulus_id = f"given-up-{time.time()}"
                self.transitions(
                    self.transition(
                        key, "erred", stimulus_id, cause=key, exception=pickle.dumps(error),
                        exception_text=str(error),
                    ),
                    stimulus_id,
                )  # fmt: skip
