"""Running a scheduler's commands: never in a shell, never without end, never inside another job."""

import errno
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hpc_ml.errors import SchedulerMissing
from hpc_ml.schedulers.base import SchedulerBusy

TIMEOUT_S = 60
# A job inherits it, and its scheduler writes its log by it.
_UMASK = 0o077
# A login node has limits on processes, memory and files that pass.
_SHORTAGES = {errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE}

# A job submitted from inside a job inherits that job's shape; SQUEUE_* and the like change what the
# commands print. What says which scheduler to talk to stays.
_INHERITED = re.compile(r"(SLURM|SBATCH|SQUEUE|SACCT|SCANCEL|SCONTROL|PBS)_\w*")
_KEPT = {
    "SLURM_CONF",
    "SLURM_CLUSTERS",
    "PBS_CONF_FILE",
    "PBS_DEFAULT",
    "PBS_EXEC",
    "PBS_HOME",
    "PBS_PRIMARY",
    "PBS_SECONDARY",
    "PBS_SERVER",
}


@dataclass(frozen=True)
class Answer:
    """What a command answered: its exit code and its two outputs."""

    exit_code: int
    output: str
    errors: str

    @property
    def words(self) -> str:
        """Everything it said, errors first."""
        return "\n".join(part.strip() for part in (self.errors, self.output) if part.strip())


def ask(command: Sequence[str], *, folder: Path | None = None) -> Answer:
    """Run a command and return its answer, whatever its exit code.

    Raises SchedulerMissing where the command is not there, SchedulerBusy after 60 s.
    """
    check_installed(command[:1])
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=clean_environment(os.environ),
            umask=_UMASK,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
        )
    except OSError as error:
        if error.errno in _SHORTAGES:
            raise SchedulerBusy(
                f"{command[0]} could not be started now: {error.strerror}", hint="try again later"
            ) from error
        raise SchedulerMissing(
            f"{command[0]} cannot be run on this host: {error.strerror}", hint="use a login node"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise SchedulerBusy(
            f"{command[0]} gave no answer in {TIMEOUT_S} s", hint="try again later"
        ) from error
    return Answer(done.returncode, done.stdout, done.stderr)


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without the variables of a surrounding job."""
    return {
        name: value
        for name, value in environment.items()
        if name in _KEPT or not _INHERITED.fullmatch(name)
    }


def check_installed(commands: Sequence[str]) -> None:
    """Raise SchedulerMissing for the first command that is not on this host."""
    for command in commands:
        if shutil.which(command) is None:
            raise SchedulerMissing(
                f"the command {command} is not on this host",
                hint="run hpc-ml on a login node of the cluster, or here with --on local",
            )
