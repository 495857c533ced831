"""How Dask is configured in every process of a run, wherever it starts."""

import shlex
from collections.abc import Mapping
from pathlib import Path

# Dask's HTTP servers cannot be left out, and know no TLS: they answer nothing, on loopback alone.
HTTP_ADDRESS = "127.0.0.1:0"
DASK_SETTINGS: Mapping[str, str | bool] = {
    "distributed.scheduler.http.routes": "[]",
    "distributed.worker.http.routes": "[]",
    # What Dask measures of itself many times a second costs some 3 % of each core.
    "distributed.admin.system-monitor.interval": "2s",
    "distributed.admin.tick.interval": "1s",
    "distributed.worker.memory.monitor-interval": "500ms",
    "distributed.worker.profile.enabled": False,
}
# Dask has a worker give freed memory back above 64 KiB, so that each array of an iteration costs
# page faults anew, some 15 % of a step on 20,000 rows. Large ones are still given back at once.
# See https://man7.org/linux/man-pages/man3/mallopt.3.html.
_ALLOCATION: Mapping[str, str] = {
    "MALLOC_TRIM_THRESHOLD_": str(32 * 2**20),
    "MALLOC_MMAP_THRESHOLD_": str(4 * 2**20),
}


def configuration(scratch: Path) -> dict[str, object]:
    """Return the settings as `dask.config.set` takes them; `scratch` is for what Dask spills."""
    environ = "distributed.nanny.pre-spawn-environ"
    return {
        "temporary-directory": str(scratch),
        **{key: [] if value == "[]" else value for key, value in DASK_SETTINGS.items()},
        **{f"{environ}.{name}": value for name, value in _ALLOCATION.items()},
    }


def exports() -> str:
    """Return the shell line that sets them for a worker's process.

    See https://docs.dask.org/en/stable/configuration.html#environment-variables.
    """
    variables: dict[str, object] = {_variable(key): value for key, value in DASK_SETTINGS.items()}
    variables |= _ALLOCATION
    words = [f"{name}={shlex.quote(str(value))}" for name, value in variables.items()]
    return "export " + " \\\n    ".join(words)


def _variable(key: str) -> str:
    return "DASK_" + key.upper().replace(".", "__").replace("-", "_")
