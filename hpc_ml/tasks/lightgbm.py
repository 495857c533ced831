"""LightGBM: boosted trees for classes, numbers and rankings, on one worker or all of them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field, PositiveInt

from hpc_ml.errors import BadJob
from hpc_ml.tasks.boosting import (
    EXAMPLE,
    BoostingSettings,
    Library,
    check_job,
    make_source,
    run_job,
)
from hpc_ml.tasks.registry import TaskResult, TaskRun

if TYPE_CHECKING:
    from distributed import Client

    from hpc_ml.data.inspection import DataSummary
    from hpc_ml.data.source import DataSource
    from hpc_ml.spec.job import Job

__all__ = ["EXAMPLE", "SUMMARY", "Settings", "check", "run", "source"]

SUMMARY = "boost trees by LightGBM, for classes, numbers or rankings"


def _find_unknown(params: Mapping[str, Any], warnings: Sequence[str]) -> list[str]:
    from hpc_ml.estimators.lightgbm_estimators import find_known

    known = find_known()
    return [name for name in params if name not in known]


_LIBRARY = Library(
    "lightgbm",
    {"classes": "LGBMClassifier", "numbers": "LGBMRegressor", "ranking": "LGBMRanker"},
    ("num_leaves",),
    _find_unknown,
)


class Settings(BoostingSettings):
    """The keys of a booster; parameters are named as LightGBM's scikit-learn interface has them."""

    num_leaves: PositiveInt | None = Field(None, description="most leaves of a tree (default: 31)")


def source(job: "Job[Settings]") -> "DataSource":
    """Return the recipe of the data."""
    return make_source(job, _LIBRARY)


def check(job: "Job[Settings]", summary: "DataSummary") -> None:
    """Raise BadJob for what parameters, data and this build of LightGBM already rule out."""
    from hpc_ml.estimators.lightgbm_device import find_device

    if job.resources.gpus and find_device() is None:
        raise BadJob(
            "this LightGBM is built without GPUs",
            where="--gpus",
            hint="leave --gpus out, or build it: "
            "https://lightgbm.readthedocs.io/en/stable/Installation-Guide.html",
        )
    check_job(job, summary, _LIBRARY)


def run(client: "Client", source: "DataSource", settings: Settings, run: TaskRun) -> TaskResult:
    """Train, score the held-out rows; leave history.csv, importances.csv and the model."""
    return run_job(client, source, settings, run, _LIBRARY)
