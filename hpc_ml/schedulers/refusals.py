"""A scheduler's own words when it refuses a job, and the step that follows from them."""

import re
from collections.abc import Sequence

from hpc_ml.schedulers.commands import Answer

Advice = Sequence[tuple[str, str]]

SLURM_ADVICE: Advice = (
    (r"invalid partition", "choose one that sinfo -s lists, with --queue"),
    (r"partition.*(not available|inactive|down)|Required partition", "choose another with --queue"),
    (r"not permitted to use this partition", "choose another partition with --queue"),
    (
        r"Invalid account|account.*not (permitted|valid)",
        "choose an account that sacctmgr show associations user=$USER lists, with --account",
    ),
    (r"Memory specification", "ask for less with --memory; sinfo -o '%P %m' says what nodes have"),
    (r"CPU count", "ask for fewer --cores; sinfo -o '%P %c' says what nodes have"),
    (
        r"node configuration is not available",
        "ask for fewer --cores, less --memory or other --gpus: no node of that partition has "
        "them (sinfo -o '%P %c %m %G')",
    ),
    (r"time limit", "ask for a shorter --walltime; sinfo -o '%P %l' lists the limits"),
    (r"generic resource|gres|GPU", "ask for other --gpus; sinfo -o '%P %G' lists what there is"),
    (r"Invalid qos", "choose one that sacctmgr show associations user=$USER lists"),
    (
        r"(submit|job).*limit|QOS policy",
        "wait until some of your jobs have ended, or ask for fewer --workers",
    ),
    (
        r"feature specification|unrecognized option|invalid option|requires an argument",
        "check the directives of the job and of the site profile",
    ),
)
PBS_ADVICE: Advice = (
    (r"Unknown queue|invalid partition", "choose one that qstat -Q lists, with --queue"),
    (r"Queue is not enabled", "choose another queue with --queue; qstat -Q says which are enabled"),
    (r"Resource_List\.walltime", "ask for another --walltime"),
    (r"Resource_List\.mem|select\.mem|Memory specification", "ask for other --memory"),
    (
        r"violates queue and/or server resource limits|exceed.*limit",
        "ask for less with --walltime, --cores, --memory, or choose another --queue "
        "(qstat -Qf lists the limits)",
    ),
    (r"Unknown resource|Illegal attribute", "check the directives of the job and the site profile"),
    (r'cannot be used with "select"', "set resource_style to fit in the site profile"),
    (
        r"[Aa]ccount|[Pp]roject|[Aa]llocation",
        "choose an account that you may use, with --account",
    ),
    (r"Bad UID", "submit as an ordinary user: PBS takes no jobs of root"),
    (r"[Uu]nauthorized|not authorized|Access", "choose a queue that you may use, with --queue"),
    (
        r"would exceed|[Mm]aximum number of jobs",
        "wait until some of your jobs have ended, or ask for fewer --workers",
    ),
    (r"illegal -\w value|Unrecognized", "check the directives of the job and of the site profile"),
)
_GENERIC = "check what is asked for with --queue, --account, --cores, --memory, --walltime"

_TRANSIENT = re.compile(
    r"Socket timed out|Unable to contact slurm|Zero Bytes were transmitted|RPC rate limit"
    r"|in standby mode|Message (send|receive) failure|Unexpected message received"
    r"|Connection (refused|reset|timed out)|Transport endpoint|temporarily un(av|able)"
    r"|Problem loading|cannot connect to server|Communication failure|Batch Protocol|End of File"
    r"|server (is )?(shutting down|busy)|No free connections|Premature end of message",
    re.IGNORECASE,
)
# PBS: a server that is not there, which qstat calls 255 and the others an error of the system.
_TRANSIENT_EXIT_CODES = (162, 255)


def is_transient(answer: Answer) -> bool:
    """Return whether a command failed in a way that asking again may help."""
    if answer.exit_code == 0:
        return False
    wordless = not answer.words and answer.exit_code in _TRANSIENT_EXIT_CODES
    return wordless or bool(_TRANSIENT.search(answer.words))


def quote(answer: Answer) -> str:
    """Return a scheduler's own words in one line: what it calls errors, or all it said."""
    lines = [line.strip().removeprefix("'") for line in answer.words.splitlines()]
    lines = [line for line in lines if not line.startswith('Try "')]
    errors = [line for line in lines if re.search(r"error:|failure:|failed:", line)]
    told = [re.sub(r"^\w+: (error: )?", "", line) for line in errors or lines if line]
    return "; ".join(dict.fromkeys(told)) or f"exit code {answer.exit_code}, no words"


def advise(answer: Answer, advice: Advice) -> str:
    """Return the next step that follows from a refusal."""
    for pattern, step in advice:
        if re.search(pattern, answer.words, re.IGNORECASE):
            return step
    return _GENERIC
