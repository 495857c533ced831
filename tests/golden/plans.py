"""One CPU job for every shipped profile, and one GPU job where it knows how to ask for GPUs."""

from pathlib import Path
from typing import Any

import hpc_ml.sites
from hpc_ml.schedulers.scripts import Plan
from hpc_ml.sites.loading import load_profile
from hpc_ml.sites.profile import SiteProfile
from hpc_ml.spec.job import Job
from hpc_ml.spec.model import SpecModel

SHIPPED = Path(hpc_ml.sites.__file__).parent / "profiles"
SITES = sorted(path.stem for path in SHIPPED.glob("*.yaml"))
RUN_DIR = Path("/scratch/ab12/runs/20261120-101500-x7k2q1")
PYTHON = "/scratch/ab12/venv/bin/python"


class NoSettings(SpecModel):
    """A task without keys of its own."""


def shipped_profile(site: str) -> SiteProfile:
    """Return a profile as it is shipped, whatever the user of this machine has of that name."""
    return load_profile(str(SHIPPED / f"{site}.yaml"))


def make_plan(site: str, *, launcher: str = "dask-cuda", **resources: Any) -> Plan:
    """Return the plan of a job that takes the site's defaults but for these resources."""
    profile = shipped_profile(site)
    defaults = profile.defaults
    job = Job[NoSettings](
        task="gridsearch",
        on="slurm" if profile.scheduler == "slurm" else "pbs",
        site=site,
        resources={**defaults["resources"], **resources},
        controller=defaults.get("controller", {}),
        settings={},
    )
    return Plan(RUN_DIR, job, profile, PYTHON, launcher)


def golden_plan(site: str, kind: str) -> Plan:
    """Return the plan whose scripts lie in this folder as SITE-KIND-{controller,worker}.sh."""
    words: dict[str, Any] = {"account": "ab12"}
    if needed := shipped_profile(site).required_directives:
        words["directives"] = tuple(needed.values())
    if kind == "gpu":
        words |= GPU_WORDS[site]
    return make_plan(site, **words)


# What a user says beside --account where each site has its own rules.
GPU_WORDS: dict[str, dict[str, Any]] = {
    "casper": {"gpus": 1},
    "gadi": {"gpus": 2, "cores": 24},
    "imperial": {"gpus": 1},
    "lumi": {"gpus": 2, "cores": 14},
    "pbs": {"gpus": 1, "launcher": "plain", "queue": "gpu"},
    "perlmutter": {"gpus": 1, "cores": 32},
    "polaris": {"gpus": 4},
    "puhti": {"gpus": 1},
    "roihu": {"gpus": 1},
    "slurm": {"gpus": 2, "launcher": "plain", "queue": "gpu"},
    "stampede3": {"gpus": 4},
    "torque": {"gpus": 1, "queue": "gpu"},
}
CASES = [(site, "cpu") for site in SITES] + [(site, "gpu") for site in GPU_WORDS]
