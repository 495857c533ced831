"""XGBoost: boosted trees for classes, numbers and rankings, on one worker or all of them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

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

SUMMARY = "boost trees by XGBoost, for classes, numbers or rankings"


def _find_unknown(params: Mapping[str, Any], warnings: Sequence[str]) -> list[str]:
    unused = [text for text in warnings if "not used" in text]
    return [name for name in params if any(f'"{name}"' in text for text in unused)]


_LIBRARY = Library(
    "xgboost",
    {"classes": "XGBClassifier", "numbers": "XGBRegressor", "ranking": "XGBRanker"},
    ("tree_method", "device"),
    _find_unknown,
)


class Settings(BoostingSettings):
    """The keys of a booster; parameters are named as XGBoost's scikit-learn interface has them."""

    tree_method: Literal["hist", "approx", "exact"] | None = Field(
        None, description="how splits are found (default: hist)"
    )
    device: Literal["cpu", "cuda"] | None = Field(
        None, description="where to train (default: cuda on workers that have GPUs, else cpu)"
    )


def source(job: "Job[Settings]") -> "DataSource":
    """Return the recipe of the data."""
    return make_source(job, _LIBRARY)


def check(job: "Job[Settings]", summary: "DataSummary") -> None:
    """Raise BadJob for what parameters, data and this build of XGBoost already rule out."""
    import xgboost

    asked = job.resources.gpus > 0 or job.settings.device == "cuda"
    if asked and not xgboost.build_info().get("USE_CUDA"):
        raise BadJob(
            f"this XGBoost ({xgboost.__version__}) is built without CUDA",
            where="--gpus" if job.resources.gpus else "device",
            hint="pip uninstall xgboost-cpu, then pip install 'hpc-ml[gpu]'",
        )
    check_job(job, summary, _LIBRARY)


def run(client: "Client", source: "DataSource", settings: Settings, run: TaskRun) -> TaskResult:
    """Train, score the held-out rows; leave history.csv, importances.csv and the model."""
    return run_job(client, source, settings, run, _LIBRARY)
