"""What every scheduler answers to."""

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Literal

from hpc_ml.errors import NoCluster
from hpc_ml.sites.profile import SiteProfile

LogStem = Literal["controller", "worker"]


class SchedulerBusy(NoCluster):
    """The scheduler did not answer now, and may answer later: ask again.

    A submission that ended so may have been taken: look for it with `find` before repeating it.
    """


@dataclass(frozen=True)
class BatchJob:
    """One job as it is asked for, before a scheduler's own words.

    Parameters
    ----------
    name : str
        Name of the job; the run's tag, so that its jobs can be found again.
    cores, gpus : int
        Cores and GPUs of the job.
    memory_bytes : int or None
        Memory of the job; None asks for none.
    walltime_s : int
        Walltime in seconds.
    queue, account : str or None
        Where it runs and who pays.
    directives : tuple of str
        Further directives, as the scheduler's own command takes them.
    log_folder : Path
        Absolute path of the folder that the job's log is written to.
    log_stem : str
        The log is `log_folder/log_stem-JOBID.log`.
    body : tuple of str
        Shell lines, already quoted, that the job runs after the prologue.
    warn_s : int
        Seconds before the walltime at which Slurm shall send the job USR1; 0: never.
    """

    name: str
    cores: int
    memory_bytes: int | None
    gpus: int
    walltime_s: int
    queue: str | None
    account: str | None
    directives: tuple[str, ...]
    log_folder: Path
    log_stem: LogStem
    body: tuple[str, ...]
    warn_s: int = 0


def job_number(job_id: str) -> str:
    """Return `12` of `12.server` and `12;CLUSTER`: commands and jobs name the rest differently."""
    return re.split(r"\D", job_id, maxsplit=1)[0]


class JobState(StrEnum):
    """A job's state, whatever its scheduler calls it."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"
    PREEMPTED = "preempted"
    OUT_OF_MEMORY = "out of memory"
    NODE_FAILED = "node failed"
    GONE = "gone"  # the scheduler does not know it any more, and kept no record

    @property
    def ended(self) -> bool:
        return self not in (JobState.PENDING, JobState.RUNNING)


@dataclass(frozen=True)
class JobReport:
    """What a scheduler says of one job.

    `native_state` and `native_reason` are its own words. `explanation` says why the job waits or
    how it ended, in words that follow on "the job"; `never_runs` says that waiting is in vain.
    `exit_code` is that of a job that ended by itself, 128 and more for signals, where it is known.
    `node` is where it runs or ran, where that is told.
    """

    job_id: str
    state: JobState
    native_state: str = ""
    native_reason: str = ""
    exit_code: int | None = None
    explanation: str = ""
    never_runs: bool = False
    node: str = ""


@dataclass(frozen=True)
class NamedJob:
    """A job that waits or runs, its name, and the folder that it was submitted from, if known."""

    job_id: str
    name: str
    folder: Path | None


class Scheduler(ABC):
    """A scheduler reached through its own commands, as one site wants to be asked.

    Rendering is pure. Every other method runs commands, with the variables of a surrounding
    job (SLURM_*, PBS_*) left out of their environment, and may raise SchedulerMissing, or
    SchedulerBusy where asking again may help.
    """

    name: ClassVar[str]
    commands: ClassVar[tuple[str, ...]]
    job_id_word: ClassVar[str]
    """The job's own id, as its script says it."""
    leaves_out_nodes: ClassVar[bool] = False
    """Whether a submission can name nodes that the job must not run on."""

    def __init__(self, profile: SiteProfile) -> None:
        self.profile = profile

    @abstractmethod
    def render(self, job: BatchJob) -> str:
        """Return the whole batch script. Raises BadJob for what this site cannot honour."""

    @abstractmethod
    def check_commands(self) -> None:
        """Raise SchedulerMissing when the scheduler's commands are not on this host."""

    @abstractmethod
    def validate(self, script: Path) -> None:
        """Ask the scheduler whether it would take the script, where it can be asked.

        Raises SubmissionRefused with its reason and the next step.
        """

    @abstractmethod
    def submit(
        self, script: Path, *, without_nodes: Collection[str] = (), after: str | None = None
    ) -> str:
        """Submit the script and return the job's id. Raises SubmissionRefused.

        Nodes are left out where the scheduler `leaves_out_nodes`, and nowhere else. `after` is a
        job whose end, however it ends, the new one waits for.
        """

    @abstractmethod
    def poll(self, job_ids: Iterable[str]) -> Mapping[str, JobReport]:
        """Return a report for every id asked, in one batched call where the scheduler allows."""

    @abstractmethod
    def cancel(self, job_ids: Iterable[str]) -> None:
        """Ask for the end of jobs; those that have ended already are no error."""

    @abstractmethod
    def find(self, name: str) -> list[str]:
        """Return the ids of this user's waiting and running jobs of that name."""

    @abstractmethod
    def list_jobs(self, prefix: str) -> list[NamedJob]:
        """Return this user's waiting and running jobs whose names begin so."""
