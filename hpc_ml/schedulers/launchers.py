"""How GPU workers are started, by what is installed."""

from importlib.util import find_spec
from typing import Literal


def gpu_launcher() -> Literal["dask-cuda", "plain"]:
    """Return dask-cuda where it is installed, else one plain worker for each GPU."""
    return "dask-cuda" if find_spec("dask_cuda") else "plain"
