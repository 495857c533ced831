"""What `qstat -f` prints, read defensively: PBS Pro's, Torque's and that of Slurm's own qstat.

Text and not JSON: the JSON of several jobs holds only the first in some versions, and is no
valid JSON in others.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hpc_ml.errors import NoCluster
from hpc_ml.schedulers.base import NamedJob

_SUBMITTED = re.compile(r"\d+(\[\])?(\.[\w.-]+)?")
_RECORD = re.compile(r"Job Id:\s*(\S+)")
_ATTRIBUTE = re.compile(r"( +|\t)([A-Za-z][\w.-]*) = (.*)")
# A comma in a value of the list is written as `\,`.
_FOLDER = re.compile(r"PBS_O_WORKDIR=((?:[^,\\]|\\.)+)")
_EXIT_STATUS = re.compile(r"-?\d{1,9}")


@dataclass(frozen=True)
class JobFacts:
    """A job in PBS's words; `exit_status` is None where there is none (yet), `node` its first."""

    state: str
    comment: str = ""
    exit_status: int | None = None
    hold_types: str = ""
    node: str = ""


def parse_submission(output: str) -> str:
    """Return the id that qsub printed. Raises NoCluster."""
    for line in reversed(output.splitlines()):
        if _SUBMITTED.fullmatch(line.strip()):
            return line.strip()
    raise NoCluster(
        f"qsub took the job, but gave no id: {' '.join(output.split())!r}",
        hint="look for the job with qstat",
    )


def parse_qstat(output: str) -> dict[str, JobFacts]:
    """Return the facts of each job in the output of `qstat -f`."""
    facts = {}
    for job_id, attributes in _records(output.splitlines()):
        state = attributes.get("job_state", "").strip()
        if len(state) == 1 and state.isascii() and state.isalpha():
            status = attributes.get("exit_status", "").strip()
            facts[job_id] = JobFacts(
                state.upper(),
                attributes.get("comment", "").strip(),
                int(status) if _EXIT_STATUS.fullmatch(status) else None,
                attributes.get("hold_types", "").strip(),
                _first_node(attributes.get("exec_host", "")),
            )
    return facts


def parse_names(output: str) -> list[NamedJob]:
    """Return the jobs in the output of `qstat -f`, with the folders they were submitted from."""
    jobs = []
    for job_id, attributes in _records(output.splitlines()):
        if name := attributes.get("job_name", "").strip():
            match = _FOLDER.search(attributes.get("variable_list", ""))
            folder = Path(re.sub(r"\\(.)", r"\1", match[1])) if match else None
            jobs.append(NamedJob(job_id, name, folder))
    return jobs


def _first_node(hosts: str) -> str:
    """Return `vm` of `vm/0*2+other/1`, and of Torque's `vm/0-3`."""
    return hosts.strip().partition("+")[0].partition("/")[0]


def find_facts(facts: Mapping[str, JobFacts], job_id: str) -> JobFacts | None:
    """Return the facts of a job; qsub and qstat may name its server differently."""
    if job_id in facts:
        return facts[job_id]
    number = job_id.partition(".")[0]
    return next((fact for known, fact in facts.items() if known.partition(".")[0] == number), None)


def _records(lines: Iterable[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each job's id and attributes, names in lower case, long values joined."""
    job_id, attributes, indent, last = "", dict[str, str](), "", ""
    for line in lines:
        if record := _RECORD.match(line):
            if job_id:
                yield job_id, attributes
            job_id, attributes, indent, last = record[1], {}, "", ""
        # A long value goes on in lines that begin with a tab, which Slurm's own qstat has before
        # every attribute; the first attribute shows which of them it is.
        elif (match := _ATTRIBUTE.match(line)) and indent in ("", match[1]):
            indent, last = match[1], match[2].lower()
            attributes[last] = match[3]
        elif last and line.startswith("\t"):
            attributes[last] += line[1:]
        else:
            last = ""
    if job_id:
        yield job_id, attributes
