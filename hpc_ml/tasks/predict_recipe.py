"""What the workers are told, made from the job's words and checked against data and model."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hpc_ml.errors import BadData, BadJob, BadRun
from hpc_ml.spec.nearest import nearest
from hpc_ml.tasks.predict_outputs import choose_outputs, taken_names
from hpc_ml.tasks.predict_part import Recipe
from hpc_ml.tasks.predict_rows import open_rows_to_predict
from hpc_ml.tasks.predict_scores import choose_scorers
from hpc_ml.tasks.stored_models import LoadedModel, model_stamp

if TYPE_CHECKING:
    from hpc_ml.data.column_scans import ColumnSummary
    from hpc_ml.data.partitioned import Partitioned
    from hpc_ml.data.partitioned_table import PartitionedTable
    from hpc_ml.data.source import DataSource
    from hpc_ml.tasks.predict import Settings
    from hpc_ml.tasks.registry import TaskRun

_MODEL_UNIT = "model"
_KIND_WORDS = {"numeric": "numbers", "boolean": "true and false", "category": "words"}


def make_recipe(
    source: "DataSource", settings: "Settings", model: LoadedModel, folder: str
) -> Recipe:
    """Return what the workers are told.

    Raises BadData for columns that do not fit the model, BadJob for outputs and scorers.
    """
    data = open_rows_to_predict(source)
    columns = _check_kinds(data, model)
    _check_width(data, model, len(columns))
    outputs = choose_outputs(model.estimator, settings.output, model.where)
    target = _stored_target(data, model, asked=bool(settings.scoring))
    judged = target is not None or source.supervised
    return Recipe(
        data=data,
        columns=columns,
        model=model.where,
        trust=settings.trust,
        outputs=outputs,
        carry=_choose_carried(data, settings.carry, outputs),
        target=target,
        scoring=choose_scorers(model, settings.scoring, there_is_a_target=judged),
        folder=folder,
    )


def _check_kinds(data: "Partitioned", model: "LoadedModel") -> "tuple[ColumnSummary, ...]":
    """Return the columns as the model was fitted on them.

    Raises BadData where a column holds another kind of values now.
    """
    from hpc_ml.data.partitioned_table import PartitionedTable

    trained = {column.name: column for column in model.columns or ()}
    columns = data.columns()
    if isinstance(data, PartitionedTable) and not data.is_text:
        for column in columns:
            if column.name in trained:
                _check_kind(column, trained[column.name].kind, data)
    return tuple(replace(column, missing=_missing(trained.get(column.name))) for column in columns)


def _check_kind(column: "ColumnSummary", trained: str, data: "PartitionedTable") -> None:
    if trained in ("any", column.kind):
        return
    raise BadData(
        f"column {column.name!r} holds {data.schema.field(column.name).type}, and the model was "
        f"fitted on {_KIND_WORDS[trained]}",
        where=data.plan.where,
        hint="give the column as it was then, or say its type by data.types (CSV, JSON lines)",
    )


def _missing(column: "ColumnSummary | None") -> int:
    return 0 if column is None else column.missing


def check_unchanged(recipe: Recipe, run: "TaskRun") -> None:
    """Raise BadRun where a resumed run would go on with another model than it began with."""
    from pathlib import Path

    stamp = [model_stamp(Path(recipe.model)), recipe.data.plan.key]
    before = run.finished().get(_MODEL_UNIT)
    if before is None:
        run.record(_MODEL_UNIT, stamp)
    elif before != stamp:
        raise BadRun(
            "the model or its data have changed since the run began",
            where=recipe.model,
            hint="run the job anew",
        )


def _check_width(data: "Partitioned", model: LoadedModel, columns: int) -> None:
    """Raise BadData where a table has not as many columns as a model that knows no names."""
    wanted = model.n_features
    if data.plan.kind != "table" or model.has_names or wanted is None or data.is_text:
        return
    if columns != wanted:
        raise BadData(
            f"the data have {columns} columns, and the model was fitted on {wanted}",
            where=data.plan.where,
            hint="name those that it was fitted on by data.columns, in their order",
        )


def _stored_target(data: "Partitioned", model: LoadedModel, *, asked: bool) -> str | None:
    """Return a table's target as its file names it; None where it has none of the model's kind."""
    target = data.source.spec.target
    if data.plan.kind != "table" or target is None:
        return None
    assert data.plan.names is not None
    assert data.plan.schema is not None
    stored = _stored_name(data, target)
    if stored not in data.plan.names:
        raise BadData(
            f"data.target names {target!r}, which is no column",
            where=data.plan.where,
            hint=nearest(target, data.plan.names),
        )
    kind = data.plan.schema.field(stored).type
    if _is_of_words(kind) == _has_words(model):
        return stored
    if not asked:
        return None
    raise BadData(
        f"the target {target!r} holds {kind}, and the model predicts "
        f"{'words' if _has_words(model) else 'numbers'}",
        where=data.plan.where,
        hint="name another column by data.target, or leave the score out",
    )


def _stored_name(data: "Partitioned", name: str) -> str:
    old_names = {new: old for old, new in data.source.spec.rename.items()}
    return old_names.get(name, name)


def _is_of_words(kind: Any) -> bool:
    from pyarrow import types

    from hpc_ml.data.columns import is_words

    return is_words(kind.value_type if types.is_dictionary(kind) else kind)


def _has_words(model: LoadedModel) -> bool:
    import numpy as np

    return model.classes is not None and np.asarray(model.classes).dtype.kind in "OU"


def _choose_carried(
    data: "Partitioned", carry: Sequence[str], outputs: Sequence[str]
) -> dict[str, str]:
    """Return the columns that are written beside the predictions, and what their files call them.

    Raises BadJob for names that are none, or that the predictions take.
    """
    plan = data.plan
    known = plan.names or tuple(map(str, range(0 if data.is_text else plan.n_columns)))
    taken = taken_names(outputs)
    carried = {}
    for name in carry:
        stored = _stored_name(data, name)
        if stored not in known:
            raise BadJob(
                f"carry: {name!r} is no column", where=plan.where, hint=nearest(name, known)
            )
        if taken(name):
            raise BadJob(
                f"carry: {name!r} is also the name of a column of predictions",
                where=plan.where,
                hint="give the carried column another name by data.rename",
            )
        carried[name] = stored
    return carried
