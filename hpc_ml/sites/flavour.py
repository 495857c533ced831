"""Which of the schedulers that answer to qsub and qstat is on this host."""

import re
import shutil
import subprocess
from functools import cache
from typing import Literal

from hpc_ml.errors import BadSite, SchedulerMissing

Flavour = Literal["pbs", "torque", "torque-over-slurm"]

_TIMEOUT_S = 30
_HINT = "name the site with --site, or its kind with --site pbs or --site torque"


def installed_flavour() -> Flavour:
    """Return the flavour of the installed qstat.

    Raises SchedulerMissing where there is none, BadSite where it does not say what it is.
    """
    qstat = shutil.which("qstat")
    if qstat is None:
        raise SchedulerMissing(
            "the command qstat is not on this host",
            hint="run hpc-ml on a login node of the cluster; for a dry run, name the site "
            "with --site",
        )
    return _ask_flavour(qstat)


@cache
def _ask_flavour(qstat: str) -> Flavour:
    try:
        done = subprocess.run(
            [qstat, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BadSite(f"{qstat} --version cannot be asked: {error}", hint=_HINT) from error
    return read_flavour(f"{done.stdout}\n{done.stderr}")


def read_flavour(answer: str) -> Flavour:
    """Return the flavour that an answer to `qstat --version` tells of. Raises BadSite."""
    if re.search(r"pbs_version\s*=", answer):
        return "pbs"
    if re.search(r"^\s*version:\s*\d", answer, re.IGNORECASE | re.MULTILINE):
        return "torque"
    # The Perl scripts that Slurm brings know no --version.
    if "Unknown option: version" in answer:
        return "torque-over-slurm"
    said = " ".join(answer.split())[:80]
    raise BadSite(f"cannot tell PBS Pro from Torque: qstat --version says {said!r}", hint=_HINT)
