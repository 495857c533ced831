"""Batch jobs that go on although their run is dead: which there are, and their end."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpc_ml.cli.dead_runs import hold, is_dead, settle
from hpc_ml.clusters.tls import remove_keys
from hpc_ml.errors import BadInput, BadRun, HpcMlError, SchedulerMissing
from hpc_ml.run_jobs import is_same_job
from hpc_ml.runs.folder import RunFolder
from hpc_ml.runs.layout import TAG_PREFIX, RunLayout
from hpc_ml.runs.record import RunRecord
from hpc_ml.runs.status import RunStatus, look
from hpc_ml.spec.owners import is_own_folder

if TYPE_CHECKING:
    from hpc_ml.schedulers.base import JobReport, NamedJob, Scheduler

_END_LIMIT_S = 60.0
# Workers whose scheduler is gone end by themselves within seconds.
_GRACE_S = 2.0


@dataclass(frozen=True)
class Orphan:
    """A job that waits or runs, and whose run is dead, or not to be found.

    `status` is how its run is doing; None where no run was found. `reason` says why the job is
    thought to be orphaned.
    """

    job_id: str
    state: str
    name: str
    folder: Path | None
    status: RunStatus | None
    reason: str

    def lies_in(self, runs_dir: Path) -> bool:
        """Return whether its run is one of this folder, which alone `clean` acts upon."""
        return (
            self.status is not None
            and self.folder is not None
            and os.path.realpath(self.folder.parent) == os.path.realpath(runs_dir)
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "job": self.job_id,
            "state": self.state,
            "run": self.status.record.id if self.status else None,
            "dir": str(self.folder) if self.folder else None,
            "certain": self.status is not None,
            "reason": self.reason,
        }


class JobsOfRuns:
    """This user's waiting and running jobs that carry the tag of a run.

    `note` says why a scheduler of this host could not be asked, where one could not.
    """

    def __init__(self) -> None:
        self.note: str | None = None
        self.jobs: dict[str, NamedJob] = {}
        self._schedulers: dict[str, Scheduler] = {}
        self._reports: dict[str, JobReport] = {}
        for scheduler in _open_installed():
            try:
                self._ask(scheduler)
            except HpcMlError as error:
                self.note = f"the jobs there are not known, for {error}"

    def _ask(self, scheduler: "Scheduler") -> None:
        new = [job for job in scheduler.list_jobs(TAG_PREFIX) if job.job_id not in self.jobs]
        self._reports |= scheduler.poll([job.job_id for job in new]) if new else {}
        self.jobs |= {job.job_id: job for job in new}
        self._schedulers |= {job.job_id: scheduler for job in new}

    def orphans(self) -> list[Orphan]:
        """Return the jobs whose run is dead, then those whose run is not to be found."""
        found = [self._judge(job) for job in self.jobs.values() if self._is_live(job.job_id)]
        orphans = [orphan for orphan in found if orphan is not None]
        return sorted(orphans, key=lambda orphan: orphan.status is None)

    def of_run(self, layout: RunLayout) -> list[str]:
        """Return the ids of a run's waiting and running jobs."""
        return [
            job.job_id
            for job in self.jobs.values()
            if job.name == layout.tag and self._is_live(job.job_id)
        ]

    def has_controller(self, record: RunRecord) -> bool:
        """Return whether a controller's job of the run is there, be it one that waits to go on."""
        return any(
            is_same_job(job_id, record.controller_job) and self._is_live(job_id)
            for job_id in self.jobs
        )

    def _is_live(self, job_id: str) -> bool:
        report = self._reports.get(job_id)
        return report is None or not report.state.ended

    def _judge(self, job: "NamedJob") -> Orphan | None:
        report = self._reports.get(job.job_id)
        state = str(report.state) if report else "unknown"
        folder = find_run_folder(job)
        if folder is None or not is_own_folder(folder.path):
            place = folder.path if folder else job.folder
            where = f" in {place}" if place else ""
            reason = f"its run is not to be found{where}"
            return Orphan(job.job_id, state, job.name, place, None, reason)
        try:
            status = look(folder, self._words_on(folder))
        except BadRun as error:
            return Orphan(job.job_id, state, job.name, folder.path, None, str(error))
        if not is_dead(folder, status) or self.has_controller(status.record):
            return None
        reason = status.reason or f"its run is {status.state}"
        return Orphan(job.job_id, state, job.name, folder.path, status, reason)

    def _words_on(self, folder: RunFolder) -> "Mapping[str, JobReport]":
        """Return the word on a run's jobs, that of its controller's with them where it ended."""
        controller = folder.read_record().controller_job
        if controller is not None and controller not in self._reports:
            scheduler = self._scheduler_of(folder)
            if scheduler is not None:
                self._reports |= scheduler.poll([controller])
        return self._reports

    def _scheduler_of(self, folder: RunFolder) -> "Scheduler | None":
        return next((self._schedulers[job] for job in self.of_run(folder.layout)), None)

    def end(self, job_ids: Iterable[str]) -> None:
        """End jobs, and return when they are gone. Raises NoCluster naming those that are not."""
        from hpc_ml.schedulers.endings import end_jobs

        together: dict[Scheduler, list[str]] = {}
        for job_id in job_ids:
            together.setdefault(self._schedulers[job_id], []).append(job_id)
        for scheduler, ids in together.items():
            end_jobs(scheduler, ids, limit_s=_END_LIMIT_S, grace_s=_GRACE_S)

    def end_dead_run(self, status: RunStatus) -> list[str]:
        """End all jobs of a dead run and record its end; return their ids.

        Nobody can resume it meanwhile. Raises BadRun where it lives after all.
        """
        folder = RunFolder.open(status.summary.dir)
        with hold(folder):
            ended = self.of_run(folder.layout)
            self.end(ended)
            remove_keys(folder.layout)
            settle(folder, status)
            folder.tell_event("jobs ended", jobs=ended, by="clean")
        return ended


def _open_installed() -> "list[Scheduler]":
    """Return the schedulers whose commands are on this host."""
    from hpc_ml.schedulers import open_scheduler
    from hpc_ml.sites.loading import choose_profile

    found = []
    for on in ("slurm", "pbs"):
        try:
            scheduler = open_scheduler(choose_profile(on, None))
            scheduler.check_commands()
        except SchedulerMissing:
            continue
        found.append(scheduler)
    return found


def find_run_folder(job: "NamedJob") -> RunFolder | None:
    """Return the run that a job was submitted for: it was submitted from its folder or its logs."""
    if job.folder is None:
        return None
    for path in (job.folder, job.folder.parent):
        layout = RunLayout(path)
        if layout.tag == job.name and layout.record_file.is_file():
            return RunFolder(layout)
    return None


def choose_named(orphans: Iterable[Orphan], job_ids: Iterable[str]) -> list[Orphan]:
    """Return the orphans of these ids. Raises BadInput for a job that is none."""
    known = {orphan.job_id: orphan for orphan in orphans}
    if wrong := [job_id for job_id in job_ids if job_id not in known]:
        raise BadInput(
            f"job {wrong[0]} is no orphaned job of a run",
            where="--job-id",
            hint="`hpc-ml clean` lists those that are; `hpc-ml cancel RUN` ends a run that lives",
        )
    return [known[job_id] for job_id in dict.fromkeys(job_ids)]
