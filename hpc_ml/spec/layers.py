"""From layers of configuration to one job, with the origin of each value.

Later wins: defaults, Dask's `jobqueue.yaml`, site profile, user's config, project's
`hpc-ml.yaml`, job file, environment, flags.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic

from hpc_ml.errors import BadJob
from hpc_ml.spec.complaints import validate
from hpc_ml.spec.job import Job, SettingsT
from hpc_ml.spec.jobqueue import dask_jobqueue_layer
from hpc_ml.spec.keys import KeyPath, all_keys
from hpc_ml.spec.layer import Layer
from hpc_ml.spec.merging import Merged, job_shape, merge
from hpc_ml.spec.sources import (
    assignment_layer,
    environment_layer,
    job_file_layer,
    profile_layer,
    project_layer,
    task_layer,
    user_config_layer,
)
from hpc_ml.spec.yaml_file import dump_yaml

__all__ = [
    "Layer", "Resolved", "assignment_layer", "dask_jobqueue_layer", "dump_job",
    "environment_layer", "job_file_layer", "peek", "profile_layer", "project_layer", "resolve",
    "task_layer", "user_config_layer",
]  # fmt: skip

DEFAULT = "default"


@dataclass(frozen=True)
class Resolved(Generic[SettingsT]):
    """A job, for each of its keys (``resources.cores``) the origin of its value, and what the
    user should hear of the layers."""

    job: Job[SettingsT]
    origins: Mapping[str, str]
    notes: tuple[str, ...] = ()


def resolve(layers: Sequence[Layer], settings_class: type[SettingsT]) -> Resolved[SettingsT]:
    """Return the job that the layers, later ones winning, describe.

    Parameters
    ----------
    layers : sequence of Layer
        From the weakest to the strongest.
    settings_class : type of SpecModel
        The task's own keys.

    Raises
    ------
    BadJob
        For unknown keys, values that are not allowed and layers of different tasks.
    """
    _agree_on_task(layers)
    merged = merge(layers, job_shape(settings_class))
    own = {name: v for name, v in merged.values.items() if name in settings_class.model_fields}
    common = {name: v for name, v in merged.values.items() if name not in own}

    def place_of(path: KeyPath) -> str | None:
        return merged.place_of(path[1:] if path[:1] == ("settings",) else path)

    job = validate(Job[settings_class], {**common, "settings": own}, place_of)  # type: ignore[valid-type]
    notes = tuple(note for layer in layers for note in layer.notes)
    return Resolved(job, _origins(merged, settings_class), notes)


def peek(layers: Sequence[Layer], dotted_key: str) -> Any:
    """Return the value of a key that would win, as it was given; None where nobody gives it."""
    for layer in reversed(layers):
        value: Any = layer.values
        for name in dotted_key.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        if value is not None:
            return value
    return None


def dump_job(job: Job[SettingsT]) -> str:
    """Return the job as a job file: reading it gives an equal job. Unset keys are left out."""
    values = _without_unset(job.model_dump(exclude={"settings"}), depth=2)
    return dump_yaml(values | _without_unset(job.settings.model_dump(), depth=1))


def _without_unset(values: Mapping[str, Any], depth: int) -> dict[str, Any]:
    """Leave out what is None, down to the keys of the common models but not in free mappings."""
    kept = {}
    for name, value in values.items():
        if isinstance(value, dict) and depth > 1:
            value = _without_unset(value, depth - 1)
        if value is not None:
            kept[name] = value
    return kept


def _agree_on_task(layers: Sequence[Layer]) -> None:
    given = [layer for layer in layers if layer.values.get("task") is not None]
    for layer in given[:-1]:
        other, asked = layer.values["task"], given[-1].values["task"]
        if other != asked:
            raise BadJob(
                f"task is {other!r} here, but {asked!r} was asked for",
                where=layer.place_of(("task",)),
                hint=f"use hpc-ml run {other}, or another job file",
            )


def _origins(merged: Merged, settings_class: type[SettingsT]) -> dict[str, str]:
    origins = {key.dotted: DEFAULT for key in all_keys(settings_class) if key.form != "source"}
    given = {".".join(path): layer.origin for path, layer in merged.winners.items()}
    return origins | given
