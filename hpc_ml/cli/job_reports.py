"""The scheduler's word on the jobs of runs, asked seldom and in one call for all."""

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from hpc_ml.errors import HpcMlError
from hpc_ml.run_jobs import list_jobs, open_run_scheduler
from hpc_ml.runs.record import RunRecord

if TYPE_CHECKING:
    from hpc_ml.schedulers.base import JobReport

# Sites ask for 30 s or more between automatic polls; a person watches, and not for long.
_INTERVAL_S = 15.0

Place = tuple[str, str | None]


class JobPoller:
    """Asks schedulers for the jobs of runs, at most each 15 s.

    `note` says why there was no answer, where there was none.
    """

    def __init__(self) -> None:
        self.note: str | None = None
        self._asked_at_s = float("-inf")
        self._reports: dict[Place, Mapping[str, JobReport]] = {}

    def ask(self, records: Iterable[RunRecord]) -> None:
        """Learn about the jobs of these runs, unless the last time is too near."""
        now_s = time.monotonic()
        if now_s - self._asked_at_s < _INTERVAL_S:
            return
        self._asked_at_s = now_s
        self.note = None
        places: dict[Place, list[RunRecord]] = {}
        for record in records:
            if record.scheduler is not None and list_jobs(record):
                places.setdefault((record.on, record.site), []).append(record)
        for place, there in places.items():
            self._ask_place(place, there)

    def reports(self, record: RunRecord) -> "Mapping[str, JobReport]":
        """Return what is known of the jobs of a run."""
        return self._reports.get((record.on, record.site), {})

    def _ask_place(self, place: Place, records: list[RunRecord]) -> None:
        try:
            job_ids = [job_id for record in records for job_id in list_jobs(record)]
            self._reports[place] = open_run_scheduler(records[0]).poll(job_ids)
        except HpcMlError as error:
            self.note = f"this is what the folder says, for the scheduler gave no answer: {error}"
