"""Predictions of a fitted model over data of any size, partition by partition."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from hpc_ml.runs.index import runs_dir as choose_runs_dir
from hpc_ml.spec.data import ColumnName
from hpc_ml.spec.model import SpecModel
from hpc_ml.spec.words import ScorerNames
from hpc_ml.tasks.predict_outputs import Output, last_step
from hpc_ml.tasks.registry import TaskResult, TaskRun

if TYPE_CHECKING:
    from distributed import Client

    from hpc_ml.data.inspection import DataSummary
    from hpc_ml.data.source import DataSource
    from hpc_ml.spec.job import Job
    from hpc_ml.tasks.stored_models import LoadedModel

SUMMARY = "predict by a run's model, or a model file, over data of any size"
EXAMPLE_MODEL = "example"
EXAMPLE: Mapping[str, Any] = {
    "data": {"name": "iris"},
    "model": EXAMPLE_MODEL,
    "output": ["label", "probability"],
}


class Settings(SpecModel):
    """The keys of a prediction."""

    model: str = Field(
        min_length=1,
        description="the run whose model predicts (id, start of one, name, path; last: the newest "
        "with a model), a model folder, or a file: .skops, .ubj or .json (XGBoost), .txt "
        "(LightGBM); example: a small logistic regression of iris, fitted on the spot",
    )
    output: tuple[Output, ...] = Field(
        (),
        description="what to write of each row: label, value (a regressor's), cluster, "
        "probability, decision, distance, leaf (default: what predict gives)",
    )
    carry: tuple[ColumnName, ...] = Field(
        (), description="columns of the data to write beside the predictions"
    )
    scoring: str | ScorerNames | None = Field(
        None,
        description="scorer, or several, where the data have a target (default: accuracy, or r2)",
    )
    trust: tuple[str, ...] = Field(
        (), description="types that a model file may hold beyond known ones: package.module.Class"
    )


def settle(job: "Job[Settings]", runs_dir: Path | None) -> "Job[Settings]":
    """Return the job with the path of its model, which stays when there are newer runs."""
    from hpc_ml.tasks.stored_models import find_model

    words = job.settings.model
    if words == EXAMPLE_MODEL:
        return job
    path = find_model(words, choose_runs_dir(runs_dir, os.environ))
    settings = job.settings.model_copy(update={"model": str(path)})
    return job.model_copy(update={"settings": settings})


def source(job: "Job[Settings]") -> "DataSource":
    """Return the recipe of the rows, made as those that the model was fitted on."""
    from hpc_ml.data.source import DataSource
    from hpc_ml.tasks.predict_rows import predict_source
    from hpc_ml.tasks.predict_scores import is_judged

    bare = DataSource.from_job(job, supervised=False, stratify=False, test_size=0.0)
    model = _model(job.settings)
    return predict_source(bare, model, scored=is_judged(model, job.settings.scoring))


def inspect(source: "DataSource") -> "DataSummary":
    """Return what the headers of the data tell: there is nothing to be learned from the rows."""
    from hpc_ml.data.inspection import DataSummary
    from hpc_ml.tasks.predict_rows import plan_once

    plan = plan_once(source)
    rows = "" if plan.n_rows is None else f"{plan.n_rows:,} rows in "
    parts = "1 partition" if len(plan) == 1 else f"{len(plan):,} partitions, a file of each"
    return DataSummary(
        rows=plan.n_rows,
        n_features=plan.n_columns,
        size_bytes=plan.size_bytes,
        digest=plan.data_digest,
        complete=False,
        notes=(*plan.notes, f"{rows}{parts}"),
    )


def check(job: "Job[Settings]", summary: "DataSummary") -> None:
    """Raise BadJob or BadData for what model, columns, outputs and scorers already rule out."""
    from hpc_ml.tasks.predict_recipe import make_recipe

    make_recipe(source(job), job.settings, _model(job.settings), folder="")


def run(client: "Client", source: "DataSource", settings: Settings, run: TaskRun) -> TaskResult:
    """Predict every partition to a file of its own; judge the predictions by the target."""
    from hpc_ml.tasks.predict_dispatch import predict_all
    from hpc_ml.tasks.predict_recipe import check_unchanged, make_recipe
    from hpc_ml.tasks.predict_scores import join_scores

    if settings.model == EXAMPLE_MODEL:
        settings = _keep_example(settings, run)
    model = _model(settings)
    folder = run.predictions_folder
    recipe = make_recipe(source, settings, model, str(folder))
    check_unchanged(recipe, run)
    folder.mkdir(mode=0o700, exist_ok=True)
    name = type(last_step(model.estimator)).__name__.removesuffix("Model")
    run.tell(f"{name} gives {', '.join(recipe.outputs)} of each row")
    parts = predict_all(client, recipe, run)
    for path in folder.glob(".part-*"):  # what workers that were killed have begun
        path.unlink(missing_ok=True)
    metrics: dict[str, Any] = {"rows": sum(part["rows"] for part in parts), "files": len(parts)}
    if left_out := sum(part["left_out"] for part in parts):
        metrics["rows_without_prediction"] = left_out
    return TaskResult(metrics | join_scores(recipe.scoring, parts, model, run))


def _model(settings: Settings) -> "LoadedModel":
    from hpc_ml.tasks.predict_example import example_model
    from hpc_ml.tasks.stored_models import find_model, hold_model

    if settings.model == EXAMPLE_MODEL:
        return example_model()
    path = find_model(settings.model, choose_runs_dir(None, os.environ))
    return hold_model(str(path), settings.trust)


def _keep_example(settings: Settings, run: TaskRun) -> Settings:
    """Write the example's model to the run, where workers read it; return where it lies.

    A run that goes on predicts by the model that it began with.
    """
    from hpc_ml.tasks.model_files import write_model_folder

    if not run.model_folder.exists():
        model = _model(settings)
        write_model_folder(run.model_folder, model.estimator, None, model.facts)
    return settings.model_copy(update={"model": str(run.model_folder)})
