"""The model of a run: kept in its folder, and loaded again to predict."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpc_ml.tasks.held_out import Measure
from hpc_ml.tasks.model_files import join_preparation, split_preparation, write_model_folder
from hpc_ml.tasks.tables import plain

if TYPE_CHECKING:
    from hpc_ml.tasks.registry import TaskRun
    from hpc_ml.tasks.rows import OpenRows

__all__ = ["join_preparation", "keep_model", "save_model"]


def keep_model(
    run: "TaskRun",
    rows: "OpenRows",
    model: Any,
    *,
    task: str,
    parameters: Mapping[str, Any],
    metrics: Mapping[str, Any],
) -> None:
    """Write a task's fitted model and what `predict` must know of it to the run's model folder.

    Parameters
    ----------
    run : TaskRun
        Its `model_folder` is written whole or not at all.
    rows : OpenRows
        The rows that it was fitted on: their preparation is kept with the model.
    model : estimator
        Fitted on prepared rows. One with `local_estimator()` is kept as that; a booster of
        XGBoost goes to `model.ubj`, of LightGBM to `model.txt`, all others to `model.skops`.
    task : str
        The task's name.
    parameters : mapping
        The estimator's parameters as the job words them.
    metrics : mapping
        What the model scored.

    Raises
    ------
    TaskFailed
        When there is no form for the model without pickle, or the disk is full.
    """
    classes = getattr(model, "classes_", rows.classes)
    local = model.local_estimator() if hasattr(model, "local_estimator") else model
    facts = {
        "task": task,
        "parameters": plain(dict(parameters)),
        "metrics": plain(dict(metrics)),
        "data_key": rows.collective.partitions.key,
        "columns": describe_columns(rows.preparation, rows.feature_names),
        "features": rows.feature_names,
        "classes": None if classes is None else plain(list(classes)),
    }
    write_model_folder(run.model_folder, local, rows.preparation, facts)


def save_model(folder: Path, model: Any, facts: Mapping[str, Any], measure: Measure) -> None:
    """Write a model that takes the rows as they lie in the source, as `keep_model` does.

    Parameters
    ----------
    folder : Path
        Where the files go.
    model : estimator
        Fitted; from `join_preparation` where the rows are prepared.
    facts : mapping
        Task, parameters, metrics and the digest of the data.
    measure : Measure
        Columns and classes of the data.

    Raises
    ------
    TaskFailed
        When there is no form for the model without pickle, or the disk is full.
    """
    preparation, bare = split_preparation(model)
    more = {
        "columns": describe_columns(preparation, measure.columns),
        "features": measure.columns,
        "classes": measure.classes,
    }
    write_model_folder(folder, bare, preparation, {**facts, **more})


def describe_columns(
    preparation: Any, features: tuple[str, ...] | None
) -> list[dict[str, str]] | None:
    """Return name and kind of each column that the rows must have as they lie in the source.

    None for texts, which have no columns.
    """
    if preparation is None or not hasattr(preparation, "feature_names_in_"):
        return (
            None if features is None else [{"name": name, "kind": "numeric"} for name in features]
        )
    kinds = {
        str(name): str(kind)
        for kind, _, names in getattr(preparation, "transformers_", ())
        for name in names
        if kind != "remainder"
    }
    return [
        {"name": str(name), "kind": kinds.get(str(name), "numeric")}
        for name in preparation.feature_names_in_
    ]
