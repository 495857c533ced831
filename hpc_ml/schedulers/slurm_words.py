"""Slurm's states and reasons in words that a user can act on.

Reasons: https://slurm.schedmd.com/job_reason_codes.html
"""

import pwd

from hpc_ml.schedulers.base import JobReport, JobState
from hpc_ml.schedulers.exit_codes import explain_exit, explain_signal
from hpc_ml.schedulers.slurm_answers import WAITING, JobFacts

_WAITS = {
    "Priority": "waits behind jobs of higher priority",
    "Resources": "is next in line and waits for free nodes",
    "BeginTime": "waits for its start time",
    "Dependency": "waits for another job",
    "JobHeldUser": "is held by you; release it with scontrol release",
    "JobHeldAdmin": "is held by the administrators; ask them why",
    "PartitionDown": "waits because its partition is down",
    "PartitionInactive": "waits because its partition is inactive",
    # Said of what a partition never has, but also while its nodes are down or drained.
    "PartitionConfig": "asks for more than its partition has now",
    "PartitionNodeLimit": "asks for more nodes than its partition allows or has up now",
    "ReqNodeNotAvail": "waits for nodes that are down, drained or reserved",
    "NodeDown": "waits for a node that is down",
    "Licenses": "waits for a licence",
    "Reservation": "waits for its reservation to begin",
    "ReservationDeleted": "waits for a reservation that is no more",
    "Cleaning": "waits for an earlier run of itself to be cleaned up",
    "Prolog": "waits while its node is prepared",
    "NodeConfig": "waits while its node is prepared",
    "JobArrayTaskLimit": "waits for other tasks of its array",
    "SystemFailure": "waits after a failure of Slurm, the file system or the network",
    "launch failed requeued held": "is held because it could not be started; ask the "
    "administrators",
    "JobHoldMaxRequeue": "is held because it could not be started several times",
}
_NEVER_RUNS = {
    "PartitionTimeLimit": "asks for a longer walltime than its partition allows: "
    "ask for less with --walltime",
    "BadConstraints": "asks for what no node has",
    "InvalidAccount": "names an account that may not be used: choose another with --account",
    "InvalidQOS": "names a quality of service that may not be used",
    "AccountNotAllowed": "names an account that its partition does not take",
    "QOSNotAllowed": "has a quality of service that its partition does not take",
    "DependencyNeverSatisfied": "waits for a job that failed",
    "QOSMaxWallDurationPerJobLimit": "asks for a longer walltime than its quality of service "
    "allows: ask for less with --walltime",
    "AssocMaxWallDurationPerJobLimit": "asks for a longer walltime than its account allows: "
    "ask for less with --walltime",
}
_ENDS = {
    "BOOT_FAIL": (JobState.NODE_FAILED, "ended because its node did not start"),
    "DEADLINE": (JobState.TIMEOUT, "was ended at its deadline"),
    "NODE_FAIL": (JobState.NODE_FAILED, "ended because its node failed"),
    "OUT_OF_MEMORY": (JobState.OUT_OF_MEMORY, "used more memory than it asked for"),
    "PREEMPTED": (JobState.PREEMPTED, "was ended in favour of a job of higher priority"),
    "REVOKED": (JobState.CANCELLED, "was taken over by another cluster"),
    "TIMEOUT": (JobState.TIMEOUT, "reached its walltime"),
}


def describe(job_id: str, facts: JobFacts | None) -> JobReport:
    """Return the report of a job; facts None: Slurm does not know the job."""
    if facts is None:
        return JobReport(
            job_id, JobState.GONE, explanation="is not known to Slurm any more, nor to accounting"
        )
    never_runs = False
    exit_code = None
    if facts.ended:
        state, explanation = _describe_end(facts)
        if state in (JobState.COMPLETED, JobState.FAILED):
            exit_code = 128 + facts.signal if facts.signal else facts.exit_code
    elif facts.state in WAITING:
        state = JobState.PENDING
        explanation, never_runs = _describe_wait(facts)
    else:
        state, explanation = JobState.RUNNING, _describe_run(facts)
    return JobReport(
        job_id, state, facts.state, facts.reason, exit_code, explanation, never_runs, facts.node
    )


def _describe_wait(facts: JobFacts) -> tuple[str, bool]:
    if facts.state == "CONFIGURING":
        return "has its node, which is being prepared", False
    # Of ReqNodeNotAvail, squeue tells the nodes too: `ReqNodeNotAvail, UnavailableNodes:n1`.
    reason = facts.reason.strip("()").partition(",")[0]
    if reason in _NEVER_RUNS:
        return _NEVER_RUNS[reason], True
    if reason in _WAITS:
        return _WAITS[reason], False
    if reason.startswith("QOS"):
        return f"waits for a limit of its quality of service ({reason})", False
    if reason.startswith(("Assoc", "Account", "Grp", "Max")):
        return f"waits for a limit of its account or user ({reason})", False
    return (f"waits ({reason})" if reason else "waits to be looked at by Slurm"), False


def _describe_run(facts: JobFacts) -> str:
    if facts.state == "SUSPENDED":
        return "is suspended"
    if facts.state == "COMPLETING":
        return "is ending"
    return "runs" if facts.state == "RUNNING" else f"is {facts.state} in Slurm's words"


def _describe_end(facts: JobFacts) -> tuple[JobState, str]:
    if facts.state in _ENDS:
        return _ENDS[facts.state]
    if facts.state == "CANCELLED":
        by = f" by {_user_name(facts.cancelled_by)}" if facts.cancelled_by else ""
        return JobState.CANCELLED, f"was cancelled{by}"
    if facts.state == "COMPLETED":
        return JobState.COMPLETED, "ended by itself"
    if facts.reason == "OutOfMemory":
        return _ENDS["OUT_OF_MEMORY"]
    if facts.signal:
        return JobState.FAILED, f"was {explain_signal(facts.signal)}"
    if facts.exit_code:
        return JobState.FAILED, explain_exit(facts.exit_code)
    return JobState.FAILED, "failed"


def _user_name(user_id: str) -> str:
    try:
        return pwd.getpwuid(int(user_id)).pw_name
    except (KeyError, ValueError, OverflowError):
        return f"user {user_id}"
