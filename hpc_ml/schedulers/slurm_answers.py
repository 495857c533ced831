"""What Slurm's commands print, read defensively: a line that is not understood is passed over."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from hpc_ml.errors import NoCluster
from hpc_ml.schedulers.base import NamedJob

SQUEUE_FORMAT = "%A|%T|%N|%r"
NAMES_FORMAT = "%A|%j|%Z"
SACCT_FIELDS = "JobIDRaw,State,ExitCode,NodeList"

WAITING = {
    "PENDING",
    "CONFIGURING",
    "REQUEUED",
    "REQUEUE_FED",
    "REQUEUE_HOLD",
    "RESV_DEL_HOLD",
    "SPECIAL_EXIT",
}
ENDED = {
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "REVOKED",
    "TIMEOUT",
}
_SUBMITTED = re.compile(r"\d+(;[\w.-]+)?")
_STATE = re.compile(r"[A-Z_]+")
_NODE = re.compile(r"[A-Za-z0-9][\w.-]*")
_EXIT_CODE = re.compile(r"(\d+):(\d+)")


@dataclass(frozen=True)
class JobFacts:
    """A job in Slurm's words: `state` as squeue -o %T has it, `reason` why it waits or ended.

    `exit_code` is the script's, or None where it is not known; `signal` what killed it, or 0;
    `cancelled_by` the numeric user id of who cancelled it, or empty; `node` where it runs or ran.
    """

    state: str
    reason: str = ""
    exit_code: int | None = None
    signal: int = 0
    cancelled_by: str = ""
    node: str = ""

    @property
    def ended(self) -> bool:
        return self.state in ENDED


def parse_submission(output: str) -> str:
    """Return the id, `ID` or `ID;CLUSTER`, that `sbatch --parsable` printed. Raises NoCluster."""
    for line in reversed(output.splitlines()):
        if _SUBMITTED.fullmatch(line.strip()):
            return line.strip()
    raise NoCluster(
        f"sbatch took the job, but gave no id: {' '.join(output.split())!r}",
        hint="look for the job with squeue --me",
    )


def parse_squeue(output: str) -> dict[str, JobFacts]:
    """Return the facts of each job in the output of `squeue -h -o '%A|%T|%N|%r'`."""
    facts = {}
    for line in output.splitlines():
        job_id, _, rest = line.strip().partition("|")
        state, _, rest = rest.partition("|")
        node, _, reason = rest.partition("|")
        if job_id.isdecimal() and _STATE.fullmatch(state):
            facts[job_id] = JobFacts(state, "" if reason == "None" else reason, node=_node(node))
    return facts


def parse_names(output: str) -> list[NamedJob]:
    """Return the jobs in the output of `squeue -h -o '%A|%j|%Z'`."""
    jobs = []
    for line in output.splitlines():
        job_id, _, rest = line.strip().partition("|")
        name, _, folder = rest.partition("|")
        if job_id.isdecimal() and name:
            jobs.append(NamedJob(job_id, name, Path(folder) if folder.startswith("/") else None))
    return jobs


def parse_sacct(output: str) -> dict[str, JobFacts]:
    """Return the facts of each job in the output of `sacct -X -P -n -o` with `SACCT_FIELDS`."""
    facts = {}
    for line in output.splitlines():
        fields = line.strip().split("|")
        if len(fields) < 3 or not fields[0].isdecimal():
            continue
        state, _, by = fields[1].partition(" by ")
        if _STATE.fullmatch(state):
            ended = _with_exit(state, "", fields[2], by)
            facts[fields[0]] = replace(ended, node=_node(fields[3]) if len(fields) > 3 else "")
    return facts


def parse_scontrol(output: str) -> dict[str, JobFacts]:
    """Return the facts of each job in the output of `scontrol -o show job ID`."""
    facts = {}
    for line in output.splitlines():
        words = dict(word.partition("=")[::2] for word in line.split())
        job_id, state = words.get("JobId", ""), words.get("JobState", "")
        if job_id.isdecimal() and _STATE.fullmatch(state):
            reason = words.get("Reason", "")
            ended = _with_exit(state, "" if reason == "None" else reason, words.get("ExitCode", ""))
            facts[job_id] = replace(ended, node=_node(words.get("NodeList", "")))
    return facts


def _node(text: str) -> str:
    """Return the node of a job of one node; Slurm has `(null)` or `None assigned` for none."""
    return text if _NODE.fullmatch(text) else ""


def _with_exit(state: str, reason: str, code_and_signal: str, by: str = "") -> JobFacts:
    match = _EXIT_CODE.fullmatch(code_and_signal)
    if match is None:
        return JobFacts(state, reason, cancelled_by=by)
    return JobFacts(state, reason, int(match[1]), int(match[2]), by)
