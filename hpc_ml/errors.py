"""The errors of hpc-ml, each with the exit code that the command line ends with.

HpcMlError                 1
├── BadInput               2   whatever is found before a scheduler is asked
│   ├── BadJob                 a key, value or combination in job file, environment or flags
│   ├── BadData                the data cannot be read or cannot be learned from
│   ├── BadSite                a site profile that is not there or not valid
│   ├── SchedulerMissing       the scheduler's commands are not on this host
│   └── BadRun                 a run that is not there, or is not what the command needs
├── NoCluster              3   the scheduler refused, or the workers never came or all left
│   ├── SubmissionRefused
│   └── WorkersLost
├── TaskFailed             1   the task itself failed
│   └── RunFolderGone          the run's folder was removed while the run went on
└── RunStopped
    ├── Stopped           75   told to stop by a signal; resumable
    │   └── WalltimeReached    by its own timer or the scheduler's warning, before its job's end
    ├── Interrupted      130   Ctrl-C; resumable
    └── Cancelled        130   `hpc-ml cancel`
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """How an hpc-ml command can end."""

    DONE = 0
    FAILED = 1
    BAD_INPUT = 2
    NO_CLUSTER = 3
    PARTIAL = 4
    RESUMABLE = 75
    INTERRUPTED = 130


class HpcMlError(Exception):
    """What went wrong, where, and what to do next, in one line.

    Parameters
    ----------
    problem : str
        What was wrong, with what was given.
    where : str, optional
        The file and line, option or job it was found in.
    hint : str, optional
        The next step, as an imperative sentence.
    """

    exit_code: ExitCode = ExitCode.FAILED

    def __init__(self, problem: str, *, where: str | None = None, hint: str | None = None) -> None:
        self.problem = problem
        self.where = where
        self.hint = hint
        super().__init__(problem)

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f"; {self.hint}" if self.hint else ""
        return f"{place}{self.problem}{advice}"

    def __reduce__(self) -> tuple[object, ...]:
        # Errors travel from workers to the controller; keyword arguments must survive the trip.
        return (_rebuild, (type(self), self.problem, self.where, self.hint))


def _rebuild(
    kind: type[HpcMlError], problem: str, where: str | None, hint: str | None
) -> HpcMlError:
    return kind(problem, where=where, hint=hint)


class BadInput(HpcMlError):
    """Wrong words, job file or data: found before a scheduler is asked."""

    exit_code = ExitCode.BAD_INPUT


class BadJob(BadInput):
    """A key, value or combination in the job file, the environment or the flags."""


class BadData(BadInput):
    """Data that cannot be read, or that nothing can be learned from."""


class BadSite(BadInput):
    """A site profile that is not there or not valid."""


class SchedulerMissing(BadInput):
    """The scheduler's commands are not on this host."""


class BadRun(BadInput):
    """A run that is not there, or is not in the state that the command needs."""


class NoCluster(HpcMlError):
    """The scheduler refused, or the cluster never came up."""

    exit_code = ExitCode.NO_CLUSTER


class SubmissionRefused(NoCluster):
    """The scheduler refused a job; the message carries its own words."""


class WorkersLost(NoCluster):
    """No worker came, or all of them left."""


class TaskFailed(HpcMlError):
    """The task itself failed."""


class RunFolderGone(TaskFailed):
    """The run's folder was removed while the run went on."""


class RunStopped(HpcMlError):
    """The run was told to stop; what is finished is kept."""

    exit_code = ExitCode.RESUMABLE


class Stopped(RunStopped):
    """Stopped by a signal from outside."""


class WalltimeReached(Stopped):
    """Stopped by its own timer or the scheduler's warning, ahead of the end of its batch job."""


class Interrupted(RunStopped):
    """Stopped by Ctrl-C."""

    exit_code = ExitCode.INTERRUPTED


class Cancelled(RunStopped):
    """Stopped by `hpc-ml cancel`."""

    exit_code = ExitCode.INTERRUPTED
