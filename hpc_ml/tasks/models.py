"""The model of a run: kept in its folder, and loaded again to predict."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpc_ml.tasks.held_out import Measure, prepared_words
from hpc_ml.tasks.model_files import join_preparation, split_preparation, write_model_folder
from hpc_ml.tasks.stored_models import LoadedModel, find_model, load_model
from hpc_ml.tasks.tables import plain

if TYPE_CHECKING:
    from hpc_ml.data.column_scans import ColumnSummary
    from hpc_ml.tasks.registry import TaskRun
    from hpc_ml.tasks.rows import OpenRows

__all__ = [
    "LoadedModel", "find_model", "join_preparation", "keep_model", "load_model", "save_model",
]  # fmt: skip


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
    classes = _classes_of(model, rows)
    local = model.local_estimator() if hasattr(model, "local_estimator") else model
    partitions: Any = rows.collective.partitions
    recipe = partitions.recipe
    facts = {
        "task": task,
        "parameters": _as_words(dict(parameters)),
        "metrics": _as_words(dict(metrics)),
        "data_key": recipe.key,
        "columns": None if recipe.data.is_text else [_describe(one) for one in recipe.columns],
        "features": rows.feature_names,
        "classes": None if classes is None else plain(list(classes)),
        "target": recipe.data.target,
        "data": prepared_words(recipe.data.source.spec),
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
        "columns": _columns_of(preparation, measure.columns),
        "features": measure.columns,
        "classes": measure.classes,
        "target": measure.target,
        "data": measure.data,
    }
    write_model_folder(folder, bare, preparation, {**facts, **more})


def _classes_of(model: Any, rows: "OpenRows") -> Any:
    """Return a classifier's labels; None for others, also where their target is whole numbers."""
    from sklearn.base import is_clusterer, is_regressor

    if hasattr(model, "classes_"):
        return model.classes_
    is_other = hasattr(model, "fit") and (is_regressor(model) or is_clusterer(model))
    return None if is_other else rows.classes


def _as_words(value: Any) -> Any:
    """Return a value as JSON has it; objects among the parameters as they are written."""
    value = plain(value)
    if isinstance(value, Mapping):
        return {str(name): _as_words(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_as_words(item) for item in value]
    return value if isinstance(value, str | int | float | None) else repr(value)


def _describe(column: "ColumnSummary") -> dict[str, Any]:
    return {"name": column.name, "kind": column.kind, "missing": column.missing > 0}


def _columns_of(preparation: Any, features: tuple[str, ...] | None) -> list[dict[str, Any]] | None:
    """Return the columns that rows must have; None for texts."""
    from hpc_ml.data.preparation import column_transformer

    transform = None if preparation is None else column_transformer(preparation)
    if transform is None or not hasattr(transform, "transformers"):
        return None if features is None else [_numeric(name) for name in features]
    return [
        {**_numeric(name), "kind": group.partition("-")[0]}
        for group, _, names in transform.transformers
        for name in names
    ]


def _numeric(name: str) -> dict[str, Any]:
    return {"name": name, "kind": "numeric", "missing": False}
