"""What a run goes on with when it is resumed: a job, its place, and what is finished."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpc_ml.errors import BadRun
from hpc_ml.identity import data_facts, deciding_keys, find_changes, word_changes
from hpc_ml.new_run import read_versions
from hpc_ml.run_jobs import is_job_alive
from hpc_ml.runs.atomic import explain_write_failure, write_text
from hpc_ml.runs.cancellation import clear_cancel
from hpc_ml.runs.folder import RunFolder
from hpc_ml.runs.listener import Listener
from hpc_ml.runs.ownership import check_free, read_owner
from hpc_ml.runs.record import RunRecord, RunState, read_clock
from hpc_ml.spec.job import Job
from hpc_ml.spec.layers import dump_job

if TYPE_CHECKING:
    from hpc_ml.data.inspection import DataSummary


@dataclass(frozen=True)
class Resumption:
    """A run that may go on: with which job, and whether what is finished counts."""

    folder: RunFolder
    record: RunRecord
    job: Job
    data: "DataSummary"
    keeps_work: bool
    listener: Listener

    def begin(self) -> None:
        """Bring the run's files to the job that goes on; only for who owns the run.

        Raises TaskFailed when they cannot be written.
        """
        clear_cancel(self.folder.layout)
        versions = read_versions()
        for line in word_versions(self.record.versions, versions):
            self.listener.tell(line)
        if not self.keeps_work:
            self._set_work_aside()
        self._write_job()
        self.folder.update(
            walltimes_reached=0,
            idle_terms=0,
            versions=versions,
            data_digest=self.data.digest,
            data=data_facts(self.data),
            job=deciding_keys(self.job),
        )
        resources = self.job.resources
        self.folder.tell_event(
            "resumed", was=self.record.state, was_on=self.record.on, on=self.job.on,
            workers=resources.workers, cores=resources.cores, keeps_work=self.keeps_work,
        )  # fmt: skip

    def _write_job(self) -> None:
        path, text = self.folder.layout.job_file, dump_job(self.job)
        try:
            if path.read_text() != text:
                write_text(path, text)
        except OSError as error:
            raise explain_write_failure(path, error) from error

    def _set_work_aside(self) -> None:
        layout = self.folder.layout
        ledger = layout.ledger_file.parent
        aside = ledger.with_name(f"ledger-until-{read_clock():%Y%m%d-%H%M%S}")
        try:
            ledger.rename(aside)
            ledger.mkdir(mode=0o700)
            layout.heartbeat_file.unlink(missing_ok=True)  # it tells how far the work was
        except OSError as error:
            raise explain_write_failure(ledger, error) from error
        self.listener.tell(f"all is computed anew; what was finished before is in {aside.name}")


def check_idle(folder: RunFolder, record: RunRecord) -> None:
    """Raise BadRun where a run goes on, or waits or goes on under a batch job, naming who has it.

    Where the scheduler cannot be asked, a run that has begun is left to its heartbeat.
    """
    check_free(folder.layout)
    job_id = record.controller_job
    if record.state.ended or job_id is None:
        return
    alive = is_job_alive(record, job_id)
    if alive is False or (alive is None and record.state is not RunState.PENDING):
        return
    owner = read_owner(folder.layout)
    who = f", owned by {owner.describe()}" if owner else ""
    raise BadRun(
        f"run {folder.run_id} is {record.state} under job {job_id}{who}",
        hint=f"end that first: hpc-ml cancel {folder.run_id}",
    )


def check_changes(
    folder: RunFolder, record: RunRecord, job: Job, data: "DataSummary", *, accepted: bool
) -> bool:
    """Return whether what is finished counts for the job and its data as they are now.

    Raises BadRun, naming what differs, unless changes are accepted.
    """
    changes = find_changes(record, job, data)
    sound = all(change.sound for change in changes)
    if changes and not accepted:
        kept = "keeps what is finished" if sound else "computes all of it anew"
        raise BadRun(
            f"run {folder.run_id} is not what it was when it began: {word_changes(changes)}",
            where=str(folder.layout.job_file),
            hint=f"put that back, or go on with --accept-changes, which {kept}",
        )
    return sound


def word_versions(was: dict[str, str], now: dict[str, str]) -> list[str]:
    """Return a line where the run goes on under other versions than it had before."""
    other = [
        f"{name} was {was[name]}, is {version}"
        for name, version in now.items()
        if was.get(name, version) != version
    ]
    if not other:
        return []
    return [f"{', '.join(other)}: the last digits of the result may differ"]
