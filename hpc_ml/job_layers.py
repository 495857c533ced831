"""The job that all layers of configuration make together."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hpc_ml.errors import BadJob
from hpc_ml.sites.loading import choose_profile
from hpc_ml.spec.job import Job
from hpc_ml.spec.layers import (
    Layer,
    Resolved,
    assignment_layer,
    dask_jobqueue_layer,
    environment_layer,
    job_file_layer,
    peek,
    profile_layer,
    project_layer,
    task_layer,
    user_config_layer,
)
from hpc_ml.spec.layers import resolve as resolve_layers
from hpc_ml.tasks import registry


def resolve(
    task: str | None = None,
    *,
    flags: Layer | None = None,
    job_file: Path | None = None,
    assignments: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Resolved:
    """Return the job that all layers of configuration make, and where each value came from.

    Later layers win: the site's defaults, the user's configuration, `hpc-ml.yaml` in `folder`
    (default: the present one), the job file, `HPC_ML_*` of `environ`, assignments, flags.

    Raises
    ------
    BadJob, BadSite
        Naming file and line, key, what was given and what is allowed.
    """
    files = [
        user_config_layer(),
        project_layer(folder or Path.cwd()),
        *([job_file_layer(job_file)] if job_file is not None else []),
        environment_layer(os.environ if environ is None else environ),
    ]
    words = [*([flags] if flags is not None else []), *([task_layer(task)] if task else [])]
    name = peek([*files, *words], "task")
    if name is None:
        raise BadJob("the job has no task", hint=f"known: {', '.join(registry.names())}")
    settings_class = registry.settings_class(name)
    given = [*files, assignment_layer(assignments, settings_class), *words]
    return resolve_layers(
        [*site_layers(given), _example_layer(name, given), *given], settings_class
    )


def make_job(task: str, **keys: Any) -> Job:
    """Return a job from keys as a job file has them: ``make_job("gridsearch", on="slurm", ..)``."""
    return resolve(task, flags=Layer("make_job", keys)).job


def site_layers(given: Sequence[Layer]) -> list[Layer]:
    """Return the defaults of the site that the given layers choose, where it is a scheduler's."""
    on, site = peek(given, "on"), peek(given, "site")
    if on not in ("slurm", "pbs") or not isinstance(site, str | None):
        return []  # what is no word is refused when the layers are one
    profile = choose_profile(on, site)
    return [dask_jobqueue_layer(profile.scheduler), profile_layer(profile.name, profile.defaults)]


def _example_layer(task: str, given: Sequence[Layer]) -> Layer:
    """Return the task's example, where the job names neither data nor an estimator of its own."""
    example = dict(registry.load(task).EXAMPLE)
    if peek(given, "data.path") or peek(given, "data.name"):
        return Layer("example", {})
    if peek(given, "estimator"):
        example = {"data": example["data"]}
    return Layer("example", example)
