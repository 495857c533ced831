"""hpc-ml takes a machine-learning job from a laptop to a PBS or Slurm cluster unchanged."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hpc_ml.version import __version__

if TYPE_CHECKING:
    from hpc_ml.api import dry_run, make_job, open_run, resolve, resume, run, submit

__all__ = ["__version__", "dry_run", "make_job", "open_run", "resolve", "resume", "run", "submit"]


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    # The names of the API are imported on use, so that `import hpc_ml` stays cheap.
    if name in __all__:
        return getattr(import_module("hpc_ml.api"), name)
    raise AttributeError(f"module 'hpc_ml' has no attribute {name!r}")
