"""Asking a scheduler that does not answer now again, for a while, and saying so once."""

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from hpc_ml.errors import NoCluster
from hpc_ml.runs.layout import RunLayout
from hpc_ml.schedulers.base import JobReport, Scheduler, SchedulerBusy, job_number

T = TypeVar("T")

PATIENCE_S = 600.0
"""How long a command is asked again; a controller of Slurm may take minutes to restart."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
# A scheduler that was slow to answer a submission may still be about to take it.
_SETTLING_S = 2.0


class Outage:
    """Whether a scheduler answers: told when it stops, and when it does again, by any thread."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._lock = threading.Lock()
        self._since_s: float | None = None

    def note(self, busy: SchedulerBusy) -> None:
        """Hear that the scheduler gave no answer."""
        with self._lock:
            if self._since_s is not None:
                return
            self._since_s = time.monotonic()
        self._tell(f"{busy.problem}: asking again until it answers")

    def end(self) -> None:
        """Hear that the scheduler answered."""
        with self._lock:
            since_s, self._since_s = self._since_s, None
        if since_s is not None:
            self._tell(f"the scheduler answers again, after {time.monotonic() - since_s:.0f} s")


class PatientScheduler:
    """Commands of a scheduler that are given again, ever more slowly, while it does not answer.

    Parameters
    ----------
    scheduler : Scheduler
    tell : callable
        Hears when the scheduler stops answering, and when it does again; may be called by any
        thread that gives a command.
    pause : callable
        Waits so many seconds, or returns True where nobody waits for the answer any more.
    patience_s : float
        After this long NoCluster says how long it was tried.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        tell: Callable[[str], None],
        *,
        pause: Callable[[float], bool | None] = time.sleep,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.outage = Outage(tell)
        self._scheduler = scheduler
        self._pause = pause
        self.unanswered = False
        """Whether a submission had no answer yet, and may have been taken."""
        self._patience_s = patience_s
        # One submission at a time: of jobs that are found, one alone can be the one in question.
        self._submitting = threading.Lock()

    def validate(self, script: Path) -> None:
        """Ask as `Scheduler.validate` does."""
        self._repeat(lambda: self._scheduler.validate(script))

    def cancel(self, job_ids: Iterable[str]) -> None:
        """Ask for the end of jobs as `Scheduler.cancel` does."""
        ids = list(job_ids)
        self._repeat(lambda: self._scheduler.cancel(ids))

    def poll(self, job_ids: Iterable[str]) -> Mapping[str, JobReport]:
        """Look jobs up as `Scheduler.poll` does."""
        ids = list(job_ids)
        return self._repeat(lambda: self._scheduler.poll(ids))

    def find(self, name: str) -> list[str]:
        """Look for jobs as `Scheduler.find` does."""
        return self._repeat(lambda: self._scheduler.find(name))

    def submit(
        self,
        script: Path,
        *,
        without_nodes: Collection[str] = (),
        known: Callable[[], Collection[str]] = tuple,
        after: str | None = None,
    ) -> str:
        """Submit a script of a run once, as `Scheduler.submit` does, and return the job's id.

        A submission without an answer may have been taken. Before it is repeated the job is
        looked for by its name; `known` returns the ids of the run's other jobs.
        """

        def submit_once() -> str:
            if self.unanswered and (job_id := self._find_taken(script, known())):
                return job_id
            self.unanswered = False
            try:
                return self._scheduler.submit(script, without_nodes=without_nodes, after=after)
            except SchedulerBusy:
                self.unanswered = True
                raise

        with self._submitting:
            job_id = self._repeat(submit_once)
            self.unanswered = False
            return job_id

    def _find_taken(self, script: Path, known: Collection[str]) -> str | None:
        tag = RunLayout(script.parent).tag
        if not (taken := _unknown(self._scheduler.find(tag), known)):
            self._pause(_SETTLING_S)
            taken = _unknown(self._scheduler.find(tag), known)
        return taken[0] if taken else None

    def _repeat(self, command: Callable[[], T]) -> T:
        started_s = time.monotonic()
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                answer = command()
            except SchedulerBusy as busy:
                self.outage.note(busy)
                tried_s = time.monotonic() - started_s
                if tried_s + pause_s > self._patience_s or self._pause(pause_s):
                    raise _give_up(busy, tried_s) from busy
                pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s)
            else:
                self.outage.end()
                return answer


def _unknown(found: Collection[str], known: Collection[str]) -> list[str]:
    numbers = {job_number(job_id) for job_id in known}
    return [job_id for job_id in found if job_number(job_id) not in numbers]


def _give_up(busy: SchedulerBusy, tried_s: float) -> NoCluster:
    return NoCluster(
        f"{busy.problem} (asked again for {tried_s:.0f} s)",
        hint="see whether the scheduler runs, and try again",
    )
