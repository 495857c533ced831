"""The tasks by name, each imported on use; other packages add theirs as entry points.

A task is a module with

    SUMMARY: str                       one line for the help
    Settings: type[SpecModel]          its own keys of the job file
    EXAMPLE: Mapping                   a small job that runs when no data are named
    source(job) -> DataSource          the recipe by which its workers read their data
    check(job, summary)                refuses with BadJob what the data already rule out
    run(client, source, settings, run) -> TaskResult

and its heavy imports inside its functions. It may also have

    settle(job, runs_dir) -> Job       makes words absolute that mean something else later
    inspect(source) -> DataSummary     where the data are not to be learned from
    extendable(settings) -> keys       that may change in a run, finished units being valid still
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from hpc_ml.errors import BadJob
from hpc_ml.estimators.surroundings import Checkpoint
from hpc_ml.spec.job import Job
from hpc_ml.spec.model import SpecModel
from hpc_ml.spec.nearest import nearest

if TYPE_CHECKING:
    from distributed import Client

    from hpc_ml.data.inspection import DataSummary
    from hpc_ml.data.source import DataSource

ENTRY_POINTS = "hpc_ml.tasks"
_SHIPPED = {
    "forest": "hpc_ml.tasks.forest",
    "gridsearch": "hpc_ml.tasks.gridsearch",
    "kmeans": "hpc_ml.tasks.kmeans",
    "lightgbm": "hpc_ml.tasks.lightgbm",
    "linear": "hpc_ml.tasks.linear",
    "predict": "hpc_ml.tasks.predict",
    "sgd": "hpc_ml.tasks.sgd",
    "xgboost": "hpc_ml.tasks.xgboost",
}


class TaskRun(Checkpoint, Protocol):
    """What a task knows of its run: the checkpoint, the seed and where its files go."""

    @property
    def seed(self) -> int: ...

    @property
    def cv_results_file(self) -> Path: ...

    @property
    def history_file(self) -> Path: ...

    @property
    def importances_file(self) -> Path: ...

    @property
    def sample_file(self) -> Path: ...

    @property
    def predictions_folder(self) -> Path: ...

    @property
    def model_folder(self) -> Path: ...


@dataclass(frozen=True)
class TaskResult:
    """What a task leaves: metrics by the field's names, and whether they cover all of the work."""

    metrics: Mapping[str, Any] = field(default_factory=dict)
    partial: bool = False


class Task(Protocol):
    """The interface of a task's module; see the text above."""

    SUMMARY: str
    Settings: type[SpecModel]
    EXAMPLE: Mapping[str, Any]

    def source(self, job: Job) -> "DataSource": ...

    def check(self, job: Job, summary: "DataSummary") -> None: ...

    def run(
        self, client: "Client", source: "DataSource", settings: Any, run: TaskRun
    ) -> TaskResult: ...


def _modules() -> dict[str, str]:
    return _SHIPPED | {entry.name: entry.value for entry in entry_points(group=ENTRY_POINTS)}


def names() -> list[str]:
    """Return the names of all tasks."""
    return sorted(_modules())


def load(name: str) -> Task:
    """Return a task's module. Raises BadJob for a name that is none."""
    modules = _modules()
    if name not in modules:
        raise BadJob(f"there is no task {name!r}", hint=nearest(name, sorted(modules)))
    return cast(Task, import_module(modules[name]))


def summary(name: str) -> str:
    """Return one line that says what a task does."""
    return load(name).SUMMARY


def settings_class(name: str) -> type[SpecModel]:
    """Return the model of a task's own keys."""
    return load(name).Settings
