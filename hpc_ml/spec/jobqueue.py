"""A site's existing Dask `jobqueue.yaml`, read as the base of a job.

Of dask-jobqueue's keys (0.9.0 and the names that came before) those with a counterpart here
are taken; the others that say something are named in the layer's notes.
"""

import os
import site
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hpc_ml.spec.layer import KeyPath, Layer
from hpc_ml.spec.quantities import (
    format_memory,
    format_walltime,
    parse_memory,
    parse_walltime,
)
from hpc_ml.spec.resources import Resources
from hpc_ml.spec.yaml_file import YamlFile, read_yaml

_COUNTERPARTS = {
    "queue": "queue",
    "account": "account", "project": "account",
    "walltime": "walltime",
    "cores": "cores",
    "memory": "memory",
    "python": "python",
    "job-extra": "directives", "job-extra-directives": "directives",
}  # fmt: skip
# What dask-jobqueue's own file holds: whoever copied it as it is has said nothing by it.
_SHIPPED = {
    "name": "dask-worker",
    "death-timeout": 60,
    "shebang": "#!/usr/bin/env bash",
    "worker-command": "distributed.cli.dask_worker",
}


def dask_jobqueue_layer(
    scheduler: str, environ: Mapping[str, str] | None = None, home: Path | None = None
) -> Layer:
    """Return the layer of the section of a scheduler in the Dask configuration of this host.

    Parameters
    ----------
    scheduler : str
        ``slurm``, ``pbs`` or ``torque``; the latter two share a section.
    environ, home
        Where Dask's configuration is looked for as Dask does; by default this process's.

    Returns
    -------
    Layer
        Empty where there is no such section, or one of nulls as importing dask-jobqueue leaves.

    Raises
    ------
    BadJob
        For a file that mentions jobqueue and is not YAML.
    """
    environ = os.environ if environ is None else environ
    section = "slurm" if scheduler == "slurm" else "pbs"
    resources: dict[str, Any] = {}
    places: dict[KeyPath, str] = {}
    notes: list[str] = []
    for file in _files(environ, Path.home() if home is None else home):
        taken: dict[str, Any] = {}
        for name, value, place in _section(file, section):
            try:
                key, read = _translate(name, value, section)
            except ValueError as reason:
                notes.append(f"{place}: {name} is not taken: {reason}")
                continue
            # Directives stand under the old name, the new one, or both.
            taken[key] = [*taken.get(key, ()), *read] if key == "directives" else read
            places["resources", key] = place
        resources |= taken
    values = {"resources": resources} if resources else {}
    return Layer("Dask's jobqueue.yaml", values, places, tuple(notes))


def _files(environ: Mapping[str, str], home: Path) -> Iterator[YamlFile]:
    """Yield the files that mention jobqueue, in the order in which Dask reads them."""
    folders = [environ.get("DASK_ROOT_CONFIG", "/etc/dask")]
    folders += [os.path.join(prefix, "etc", "dask") for prefix in (sys.prefix, *site.PREFIXES)]
    folders += [str(home / ".config" / "dask"), environ.get("DASK_CONFIG", "")]
    for folder in dict.fromkeys(filter(None, folders)):
        path = Path(folder)
        for file in sorted(path.glob("*.y*ml")) if path.is_dir() else [path]:
            if _mentions_jobqueue(file):
                yield read_yaml(file, empty_ok=True)


def _mentions_jobqueue(path: Path) -> bool:
    try:
        return b"jobqueue" in path.read_bytes()
    except OSError:  # Dask, too, passes over what it may not read
        return False


def _section(file: YamlFile, name: str) -> Iterator[tuple[str, Any, str]]:
    section: Any = file.values
    for part in ("jobqueue", name):
        section = section.get(part) if isinstance(section, dict) else None
    for key, value in section.items() if isinstance(section, dict) else ():
        dashed = str(key).replace("_", "-")
        if value not in (None, [], {}, _SHIPPED.get(dashed)):
            yield dashed, value, file.places["jobqueue", name, str(key)]


def _translate(name: str, value: Any, section: str) -> tuple[str, Any]:
    """Return a key's counterpart and its value there. Raises ValueError for what has none."""
    if name not in _COUNTERPARTS:
        raise ValueError("it has no counterpart here")
    key = _COUNTERPARTS[name]
    if key == "walltime":
        # dask-jobqueue passes it on as it is, and PBS reads a bare number as seconds.
        seconds = section == "pbs" and str(value).isdigit()
        return key, format_walltime(parse_walltime(f"{value}s" if seconds else value))
    if key == "memory":
        return key, format_memory(parse_memory(value))
    try:
        Resources.model_validate({key: value})
    except ValidationError as error:
        raise ValueError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
    return key, value
