"""One machine-learning job: what is common to every task, and the task's own settings."""

import re
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import AfterValidator, Field

from hpc_ml.spec.data import Data
from hpc_ml.spec.model import SpecModel
from hpc_ml.spec.resources import Controller, Resources

SettingsT = TypeVar("SettingsT", bound=SpecModel)

PLACES = ("local", "slurm", "pbs", "tcp://HOST:PORT", "tls://HOST:PORT")
_RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_ADDRESS = re.compile(r"(tcp|tls)://[A-Za-z0-9_.\[\]:-]+:\d+")


def _check_place(value: str) -> str:
    if value not in ("local", "slurm", "pbs") and not _ADDRESS.fullmatch(value):
        raise ValueError(f"{value!r} is no place to run: use {', '.join(PLACES)}")
    return value


def _check_run_name(value: str) -> str:
    if not _RUN_NAME.fullmatch(value):
        raise ValueError(
            f"{value!r} is no name of a run: use up to 64 letters, digits and _ . -, "
            "a letter or digit first"
        )
    return value


Place = Annotated[str, AfterValidator(_check_place)]
RunName = Annotated[str, AfterValidator(_check_run_name)]


class Job(SpecModel, Generic[SettingsT]):
    """A job as it is validated; in its file the keys of `settings` stand at the top level."""

    task: str = Field(
        description="what to do: the name of a task", json_schema_extra={"flag": None}
    )
    data: Data = Field(
        Data(),
        description="file, folder or URL; or a table bundled with scikit-learn (digits) or a "
        "generator call (make_classification(n_samples=1000, random_state=0))",
        json_schema_extra={"flag": "--data", "form": "source", "flag_prefix": ""},
    )
    on: Place = Field("local", description="where the workers run: " + ", ".join(PLACES))
    mode: Literal["jobs"] = Field("jobs", description="one batch job for each worker")
    site: str | None = Field(None, description="site profile: a name, or a path of a YAML file")
    resources: Resources = Field(
        Resources(), description="what each worker gets", json_schema_extra={"flag_prefix": ""}
    )
    controller: Controller = Field(Controller(), description="what a submitted controller gets")
    seed: int = Field(
        0, ge=0, lt=2**32, description="fills every random_state that the job leaves unset"
    )
    name: RunName | None = Field(None, description="a name to know the run by")
    settings: SettingsT = Field(
        description="the task's own keys", json_schema_extra={"flag_prefix": ""}
    )

    @property
    def on_scheduler(self) -> bool:
        """Whether the workers are batch jobs."""
        return self.on in ("slurm", "pbs")
