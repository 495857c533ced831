"""PBS's states, comments and exit codes in words that a user can act on.

States: qstat(1B). Exit codes: PBS Professional Reference Guide, job exit status; Torque
administrator guide, "Job exit status".
"""

import re
from collections.abc import Mapping

from hpc_ml.schedulers.base import JobReport, JobState
from hpc_ml.schedulers.exit_codes import explain_exit, explain_signal
from hpc_ml.schedulers.pbs_answers import JobFacts

End = tuple[JobState, str]

_TIMEOUT: End = (JobState.TIMEOUT, "reached its walltime")
_MEMORY: End = (JobState.OUT_OF_MEMORY, "used more memory than it asked for")
_NOT_STARTED: End = (JobState.FAILED, "could not be started on its node")

# The exit codes that are not the script's own.
PBS_PRO_ENDS: Mapping[int, End] = {
    -1: _NOT_STARTED,
    -2: _NOT_STARTED,
    -3: _NOT_STARTED,
    -24: (JobState.FAILED, "used more cores than it asked for"),
    -25: (JobState.FAILED, "used more cores than it asked for"),
    -26: _MEMORY,
    -27: _MEMORY,
    -28: (JobState.TIMEOUT, "reached its limit of CPU time"),
    -29: _TIMEOUT,
}
TORQUE_ENDS: Mapping[int, End] = {
    -1: _NOT_STARTED,
    -2: _NOT_STARTED,
    -3: _NOT_STARTED,
    -8: _NOT_STARTED,
    -9: (JobState.FAILED, "could not write its output: is the folder of its log there?"),
    -10: _MEMORY,
    -11: _TIMEOUT,
    -12: (JobState.TIMEOUT, "reached its limit of CPU time"),
    -14: _NOT_STARTED,
}
_FINISHED = "CFMX"
_WAITS = {
    "H": "is held",
    "T": "is being moved to another queue or server",
    "W": "waits for its start time",
}
_RUNS = {"E": "is ending", "S": "is suspended", "U": "is suspended"}
_HOLDS = {
    "u": "is held by you; release it with qrls",
    "o": "is held by an operator; ask the administrators why",
    "s": "is held by PBS or the administrators; ask them why",
    "p": "is held because of a bad password",
}


def describe(job_id: str, facts: JobFacts | None, ends: Mapping[int, End]) -> JobReport:
    """Return the report of a job.

    Parameters
    ----------
    job_id : str
    facts : JobFacts or None
        None: PBS does not know the job.
    ends : mapping
        What the exit codes mean that are not the script's own.
    """
    if facts is None:
        return JobReport(
            job_id, JobState.GONE, explanation="is not known to PBS any more: it keeps no history"
        )
    exit_code, never_runs = None, False
    if facts.state in _FINISHED:
        state, explanation = _describe_end(facts, ends)
        if state in (JobState.COMPLETED, JobState.FAILED):
            exit_code = _script_exit_code(facts.exit_status)
    elif facts.state == "Q" or facts.state in _WAITS:
        state = JobState.PENDING
        explanation, never_runs = _describe_wait(facts)
    else:
        state, explanation = JobState.RUNNING, _RUNS.get(facts.state, "runs")
    return JobReport(
        job_id, state, facts.state, facts.comment, exit_code, explanation, never_runs, facts.node
    )


def _describe_wait(facts: JobFacts) -> tuple[str, bool]:
    if facts.state == "H":
        held = next((words for letter, words in _HOLDS.items() if letter in facts.hold_types), "")
        return held or _WAITS["H"], False
    verdict, _, reason = facts.comment.partition(":")
    reason = reason.strip().rstrip(".")
    if verdict.lower() == "can never run":
        return f"can never run: {reason}", True
    if verdict.lower() == "not running":
        return f"waits: {reason}", False
    if facts.state == "W":
        return _WAITS["W"], False
    return (f"waits: {facts.comment}" if facts.comment else "waits for PBS to look at it"), False


def _describe_end(facts: JobFacts, ends: Mapping[int, End]) -> End:
    status = facts.exit_status
    by = re.search(r"\bterminated by (\S+)", facts.comment)
    if "exceeded resource walltime" in facts.comment:
        return _TIMEOUT
    if by is not None:
        return JobState.CANCELLED, f"was cancelled by {by[1]}"
    if facts.state == "M":
        return JobState.GONE, "was moved to another server"
    if status is None:
        # PBS Pro keeps no exit code of a job that was deleted before it ran.
        if facts.state == "F":
            return JobState.CANCELLED, "was cancelled before it ran"
        return JobState.GONE, "ended, and its exit code was not kept"
    if status in ends:
        return ends[status]
    if status < 0:
        return JobState.FAILED, f"was ended by PBS (exit status {status})"
    if status == 271:
        return JobState.CANCELLED, "was cancelled, or ended by PBS, while it ran"
    if status > 256:
        return JobState.FAILED, f"was {explain_signal(status - 256)}"
    return (JobState.FAILED if status else JobState.COMPLETED), explain_exit(status)


def _script_exit_code(status: int | None) -> int | None:
    # PBS adds 256 to the number of a signal, where a shell adds 128; negative codes are its own.
    if status is None or status < 0:
        return None
    return status - 128 if status > 256 else status
