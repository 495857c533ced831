"""The batch job that this process runs in: its id, how long it may still run, why it is ended.

slurm: sbatch(1), output environment variables; squeue(1), %L. PBS: qstat(1B), job attributes.
"""

import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from hpc_ml.errors import HpcMlError
from hpc_ml.runs.logs import last_lines
from hpc_ml.runs.processes import read_start_ticks
from hpc_ml.schedulers.commands import ask
from hpc_ml.spec.quantities import parse_walltime

_CLOCK = re.compile(r"((?P<days>\d+)-)?((?P<hours>\d+):)?(?P<minutes>\d+):(?P<seconds>\d+)")
_LINES_READ = 10
_ATTRIBUTE = re.compile(r"^\s+([\w.]+) = (\S+)$", re.MULTILINE)


class JobEnd(StrEnum):
    """Why a scheduler ends a job that runs."""

    WALLTIME = "walltime"
    PREEMPTION = "preemption"


# A job that a user or an operator cancels has another state.
_SLURM_STATES = {"PREEMPTED": JobEnd.PREEMPTION, "TIMEOUT": JobEnd.WALLTIME}
# What slurmstepd writes to the log of a job that it is told to end (slurmd, batch step).
_SLURM_NOTICES = {"DUE TO PREEMPTION": JobEnd.PREEMPTION, "DUE TO TIME LIMIT": JobEnd.WALLTIME}


@dataclass(frozen=True)
class OwnJob:
    """The batch job around this process; `left_s` is how long it may still run, where known."""

    id: str
    left_s: float | None
    scheduler: str

    def why_ended(self, log: Path) -> JobEnd | None:
        """Return why the scheduler ends the job just now; None where it is not known.

        PBS does not tell a job that is preempted from one that its user deletes. `log` is the
        job's own.
        """
        if self.scheduler != "slurm":
            return None
        words = ("-X", "-n", "-P", "-j", self.id, "-o", "State")
        return find_end(_ask("sacct", *words), last_lines(log, _LINES_READ))


def find_own_job(environ: Mapping[str, str], walltime_s: int | None = None) -> OwnJob | None:
    """Return the batch job that this process runs in; None outside of one.

    Parameters
    ----------
    environ : mapping
        The environment of the process.
    walltime_s : int, optional
        What the job was asked for, where it was made for this process alone: for schedulers that
        do not say how long it may still run.
    """
    age_s = read_age_s()
    asked_s = None if walltime_s is None else walltime_s - age_s
    if job_id := environ.get("SLURM_JOB_ID"):
        left_s = left_by_variables(environ, time.time())
        if left_s is None:
            left_s = parse_time_left(_ask("squeue", "-h", "-j", job_id, "-o", "%L"))
        return OwnJob(job_id, asked_s if left_s is None else left_s, "slurm")
    if job_id := environ.get("PBS_JOBID"):
        left_s = left_by_qstat(_ask("qstat", "-f", job_id), age_s)
        if left_s is None and environ.get("PBS_WALLTIME", "").isdecimal():
            left_s = int(environ["PBS_WALLTIME"]) - age_s
        return OwnJob(job_id, asked_s if left_s is None else left_s, "pbs")
    return None


def own_job_id(environ: Mapping[str, str]) -> str | None:
    """Return the id of the batch job that this process runs in; None outside of one."""
    return environ.get("SLURM_JOB_ID") or environ.get("PBS_JOBID")


def left_by_variables(environ: Mapping[str, str], now_s: float) -> float | None:
    """Return the seconds to the end that Slurm's variables tell; None where they do not.

    An end that lies behind, or further off than the whole walltime, is that of another clock.
    """
    start, end = environ.get("SLURM_JOB_START_TIME", ""), environ.get("SLURM_JOB_END_TIME", "")
    if not (start.isdecimal() and end.isdecimal()):
        return None
    left_s = int(end) - now_s
    return left_s if 0 < left_s <= int(end) - int(start) else None


def parse_time_left(text: str) -> float | None:
    """Return the seconds of Slurm's ``1-02:03:04`` or ``2:30``; None for ``UNLIMITED`` and such."""
    match = _CLOCK.fullmatch(text.strip())
    if match is None:
        return None
    days, hours, minutes, seconds = (
        int(match[name] or 0) for name in ("days", "hours", "minutes", "seconds")
    )
    return ((24.0 * days + hours) * 60 + minutes) * 60 + seconds


def left_by_qstat(output: str, age_s: float) -> float | None:
    """Return the seconds to the end of the one job in the output of `qstat -f`.

    What PBS says was used lags behind by minutes; a process has used its own age at least.
    """
    attributes = {name.lower(): value for name, value in _ATTRIBUTE.findall(output)}
    try:
        asked_s = parse_walltime(attributes.get("resource_list.walltime", ""))
    except ValueError:
        return None
    used_s = parse_time_left(attributes.get("resources_used.walltime", "")) or 0.0
    return asked_s - max(used_s, age_s)


def read_age_s() -> float:
    """Return for how long this process has run, `exec` not counting as a beginning."""
    started = read_start_ticks(os.getpid())
    if started is None:
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started / os.sysconf("SC_CLK_TCK")


def find_end(accounted: str, log_lines: Sequence[str]) -> JobEnd | None:
    """Return why Slurm ends a job, by its state in `sacct -o State`, else by its log.

    squeue and scontrol call every job that is being ended COMPLETING.
    """
    if end := _SLURM_STATES.get(accounted.strip()):
        return end
    notices = [line for line in log_lines if "slurmstepd" in line and " CANCELLED AT " in line]
    return next((end for words, end in _SLURM_NOTICES.items() if words in "".join(notices)), None)


def _ask(*command: str) -> str:
    try:
        answer = ask(command)
    except HpcMlError:
        return ""
    return answer.output if answer.exit_code == 0 else ""
