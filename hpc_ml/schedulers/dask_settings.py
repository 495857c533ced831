"""How Dask is configured in every process of a run, wherever it starts."""

import shlex
from collections.abc import Mapping

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


def configuration() -> dict[str, object]:
    """Return the settings as `dask.config.set` takes them."""
    return {key: [] if value == "[]" else value for key, value in DASK_SETTINGS.items()}


def exports() -> str:
    """Return the shell line that sets them for a worker's process.

    See https://docs.dask.org/en/stable/configuration.html#environment-variables.
    """
    words = [f"{_variable(key)}={shlex.quote(str(value))}" for key, value in DASK_SETTINGS.items()]
    return "export " + " \\\n    ".join(words)


def _variable(key: str) -> str:
    return "DASK_" + key.upper().replace(".", "__").replace("-", "_")
