"""Schedulers behind one interface; each is a module that is imported on use."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hpc_ml.schedulers.base import Scheduler
    from hpc_ml.sites.profile import SiteProfile

SCHEDULERS = {
    "slurm": "hpc_ml.schedulers.slurm:Slurm",
    "pbs": "hpc_ml.schedulers.pbs:PbsPro",
    "torque": "hpc_ml.schedulers.torque:Torque",
}


def open_scheduler(profile: "SiteProfile") -> "Scheduler":
    """Return the scheduler of a site; runs no command."""
    module, _, name = SCHEDULERS[profile.scheduler].partition(":")
    scheduler: type[Scheduler] = getattr(import_module(module), name)
    return scheduler(profile)
