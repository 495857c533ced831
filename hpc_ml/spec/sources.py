"""The layers of a job, each from where it is written."""

import os.path
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hpc_ml.errors import BadJob
from hpc_ml.spec.keys import ENVIRONMENT_PREFIX, all_keys, common_keys
from hpc_ml.spec.layer import Complaint, Layer, LayerBuilder, refusal
from hpc_ml.spec.model import SpecModel
from hpc_ml.spec.nearest import nearest
from hpc_ml.spec.owners import name_other_owner
from hpc_ml.spec.reading import read_entry, read_value, read_word
from hpc_ml.spec.yaml_file import read_yaml

PROJECT_FILE = "hpc-ml.yaml"
# Variables that are no keys of a job: where runs lie, and whether errors show tracebacks.
RESERVED_VARIABLES = ("HPC_ML_RUNS", "HPC_ML_DEBUG")

_KEY = re.compile(r"\w+(\.\w+)*")


def task_layer(task: str) -> Layer:
    """Return the layer of the task that a command names."""
    return Layer("command", {"task": task}, {("task",): "command"})


def profile_layer(profile_name: str, defaults: Mapping[str, Any]) -> Layer:
    """Return the layer of what a site holds unless the user says otherwise."""
    return Layer(f"site {profile_name}", defaults)


def user_config_layer() -> Layer:
    """Return the layer of the user's own config.yaml; without such a file it is empty."""
    from platformdirs import user_config_path

    return _file_layer("user's config", user_config_path("hpc-ml") / "config.yaml")


def project_layer(folder: Path) -> Layer:
    """Return the layer of a folder's hpc-ml.yaml; without such a file it is empty.

    Raises BadJob where it is another user's: it is read without being asked for.
    """
    path = folder / PROJECT_FILE
    if os.path.exists(path) and (owner := name_other_owner(path)):
        raise BadJob(
            f"belongs to {owner}, and settings can name programs to run",
            where=str(path),
            hint="work in a folder of your own, and name the file with --job if you trust it",
        )
    return _file_layer("project", path)


def job_file_layer(path: Path) -> Layer:
    """Return the layer of a job file; raises BadJob where it cannot be read."""
    file = read_yaml(path)
    return Layer(f"job file {path}", file.values, file.places)


def _file_layer(origin: str, path: Path) -> Layer:
    if not os.path.exists(path):
        return Layer(origin, {})
    file = read_yaml(path, empty_ok=True)
    return Layer(f"{origin} {path}", file.values, file.places)


def environment_layer(environ: Mapping[str, str]) -> Layer:
    """Return the layer of the variables HPC_ML_*.

    A common key goes by its flag (HPC_ML_CORES) or in full (HPC_ML_RESOURCES__CORES); a variable
    that is empty says nothing.

    Raises
    ------
    BadJob
        For a variable that is no key, and for two variables of one key.
    """
    known = {variable: key for key in common_keys() for variable in key.variables}
    short = [key.variables[-1] for key in common_keys()] + list(RESERVED_VARIABLES)
    complaints = []
    layer = LayerBuilder("environment")
    for variable in sorted(name for name in environ if name.startswith(ENVIRONMENT_PREFIX)):
        if variable in RESERVED_VARIABLES or not environ[variable]:
            continue
        key = known.get(variable)
        if key is None:
            word, *words = (n.removeprefix(ENVIRONMENT_PREFIX) for n in (variable, *short))
            problem = f"unknown key {word!r} after {ENVIRONMENT_PREFIX}"
            complaints.append(Complaint(problem, variable, nearest(word, words)))
        else:
            layer.put(key.path, read_word(key, environ[variable], variable), variable)
    if complaints:
        raise refusal(complaints)
    return layer.build()


def assignment_layer(
    assignments: Iterable[str], settings_class: type[SpecModel] | None = None
) -> Layer:
    """Return the layer of ``resources.cores=4`` and the like, as `--set` takes them.

    `settings_class` makes the task's own keys known, so that their values are read as those of
    their flags are; without it they are read as YAML.
    """
    keys = common_keys() if settings_class is None else all_keys(settings_class)
    by_path = {key.path: key for key in keys}
    layer = LayerBuilder("--set")
    for assignment in assignments:
        dotted, equals, word = (part.strip() for part in assignment.partition("="))
        if not (equals and _KEY.fullmatch(dotted)):
            raise BadJob(
                f"{assignment!r} is not KEY=VALUE",
                where="--set",
                hint="write --set resources.cores=4",
            )
        path = tuple(dotted.split("."))
        place = f"--set {dotted}"
        if key := by_path.get(path):
            layer.put(path, read_word(key, word, place), place)
        elif owner := by_path.get(path[:-1]):
            layer.put(path, read_entry(owner, word, place), place)
        else:
            layer.put(path, read_value(word, place), place)
    return layer.build()
