"""One machine-learning job: what is common to every task, and the task's own settings."""

import re
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import AfterValidator, Field

from hpc_ml.spec.data import Data
from hpc_ml.spec.model import SpecModel
from hpc_ml.spec.resources import Controller, Resources

SettingsT = TypeVar("SettingsT", bound=SpecModel)

PLACES = ("local", "slurm", "pbs", "tcp://HOST:PORT", "tls://HOST:PORT")
_ADDRESS = re.compile(r"(tcp|tls)://[A-Za-z0-9_.\[\]:-]+:\d+")


def _check_place(value: str) -> str:
    if value not in ("local", "slurm", "pbs") and not _ADDRESS.fullmatch(value):
        raise ValueError(f"{value!r} is no place to run: use {', '.join(PLACES)}")
    return value


Place = Annotated[str, AfterValidator(_check_place)]


class Job(SpecModel, Generic[SettingsT]):
    """A job as it is validated; in its file the keys of `settings` stand at the top level."""

    task: str = Field(description="what to do: the name of a task")
    data: Data = Field(Data(), description="what to learn from")
    on: Place = Field("local", description="where the workers run: " + ", ".join(PLACES))
    mode: Literal["jobs"] = Field("jobs", description="one batch job for each worker")
    site: str | None = Field(None, description="site profile: a name, or a path of a YAML file")
    resources: Resources = Field(Resources(), description="what each worker gets")
    controller: Controller = Field(Controller(), description="what a submitted controller gets")
    seed: int = Field(
        0, ge=0, lt=2**32, description="fills every random_state that the job leaves unset"
    )
    name: str | None = Field(
        None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", description="a name to know the run by"
    )
    settings: SettingsT = Field(description="the task's own keys")

    @property
    def on_scheduler(self) -> bool:
        """Whether the workers are batch jobs."""
        return self.on in ("slurm", "pbs")
