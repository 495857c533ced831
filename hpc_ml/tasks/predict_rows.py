"""The rows to predict, made as those were that the model was fitted on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hpc_ml.data.source import DataSource
from hpc_ml.errors import BadData
from hpc_ml.spec.nearest import nearest

if TYPE_CHECKING:
    from hpc_ml.data.partitioned import Partitioned
    from hpc_ml.data.plan import PartitionPlan
    from hpc_ml.spec.data import Data
    from hpc_ml.tasks.stored_models import LoadedModel

_TEXT_FORMS = ("csv", "jsonl")
# What a job says of single columns, which need not be those of the data to predict.
_OF_COLUMNS = (
    "rename", "target", "text", "columns", "drop", "dates", "categorical", "impute", "weight",
    "group", "split", "order_by",
)  # fmt: skip
_PLANS_KEPT = 4
_FOR_TRAINING = ("weight", "group", "order_by", "split", "test_size")


def predict_source(source: DataSource, model: "LoadedModel", *, scored: bool) -> DataSource:
    """Return the recipe of rows for a model: the job's data, the training's words about them.

    What the job itself says of the columns goes before what the training said. Nothing is held
    out, and there is a target where one is found.

    Parameters
    ----------
    source : DataSource
        The job's data.
    model : LoadedModel
        Whose columns the rows must have.
    scored : bool
        Whether a target is of use.

    Raises
    ------
    BadData
        Naming the columns that are missing.
    """
    from hpc_ml.data.formats import TABLES
    from hpc_ml.data.plan import find_form

    _refuse_roles(source)
    form = find_form(source)
    if form in TABLES:
        return _table_source(source, model, scored=scored)
    return _matrix_source(source, model, form, scored=scored)


# The plans that were made last: some formats are read for one, and several steps need it.
_plans: "dict[Any, PartitionPlan]" = {}


def plan_once(source: DataSource) -> "PartitionPlan":
    """Return the partitions of a source, planned once as long as its files are the same."""
    from hpc_ml.data.plan import find_form, plan_partitions

    find_form(source)  # has words for data that are not there
    key = (source.key, source.location.files if source.spec.name is None else ())
    plan = _plans.get(key)
    if plan is None:
        plan = plan_partitions(source)
        while len(_plans) >= _PLANS_KEPT:
            del _plans[next(iter(_plans))]
        _plans[key] = plan
    return plan


def open_rows_to_predict(source: DataSource) -> "Partitioned":
    """Return the rows of `predict_source` in partitions."""
    from hpc_ml.data.partitioned_matrix import PartitionedMatrix
    from hpc_ml.data.partitioned_table import PartitionedTable

    plan = plan_once(source)
    kind = PartitionedTable if plan.kind == "table" else PartitionedMatrix
    return kind(plan, source)


def _refuse_roles(source: DataSource) -> None:
    for key in _FOR_TRAINING:
        if getattr(source.spec, key):
            raise BadData(
                f"data.{key} is for training, and predict holds no rows out and weighs none",
                where=source.where,
                hint=f"leave data.{key} out",
            )


def _forget_columns(spec: "Data") -> "Data":
    return type(spec).model_validate(spec.model_dump(exclude={*_OF_COLUMNS}))


def _table_source(source: DataSource, model: "LoadedModel", *, scored: bool) -> DataSource:
    from hpc_ml.spec.data import Data

    bare = replace(source, spec=_forget_columns(source.spec), supervised=False, test_size=0.0)
    plan = plan_once(bare)
    own = source.spec.model_dump(exclude_defaults=True)
    trained = dict(model.facts.get("data", {}))
    assert plan.names is not None
    rename = {
        old: new
        for old, new in {**trained.pop("rename", {}), **own.pop("rename", {})}.items()
        if old in plan.names
    }
    seen = [rename.get(name, name) for name in plan.names]
    words = {**trained, **own, "rename": rename}
    words.pop("drop", None)  # columns that the model does not take are not read
    words["target"] = _find_target(own.get("target"), model, seen) if scored else None
    if words.get("text") is None:
        if model.takes_texts:
            raise BadData(
                "the model was fitted on texts, and the job does not say which column holds them",
                where=source.where,
                hint=f"name it by --text (data.text): {', '.join(seen[:30])}",
            )
        words["columns"] = _feature_names(model, seen, words["target"], own.get("columns"), source)
        _check_names(words["columns"], seen, words, source)
    elif words["text"] not in seen:
        _refuse_missing([words["text"]], seen, source)
    if plan.form in _TEXT_FORMS:
        words["types"] = _types(model, words) | words.get("types", {})
    # Not supervised: rows that miss their target are predicted too.
    spec = Data.model_validate(words)
    return replace(source, spec=spec, test_size=0.0, stratify=False, supervised=False)


def _find_target(own: str | None, model: "LoadedModel", seen: Sequence[str]) -> str | None:
    """Return the column that the predictions are judged by, where there is one."""
    from hpc_ml.data.columns import TARGET_NAMES

    if own is not None:
        return own
    trained = model.facts.get("target")
    if trained in seen:
        return str(trained)
    features = {column.name for column in model.columns or ()}
    likely = [name for name in seen if name.lower() in TARGET_NAMES and name not in features]
    return likely[0] if len(likely) == 1 and "task" in model.facts else None


def _feature_names(
    model: "LoadedModel",
    seen: Sequence[str],
    target: str | None,
    own: Sequence[str] | None,
    source: DataSource,
) -> tuple[str, ...]:
    """Return the columns that the model takes, in its order; of one without names the job's."""
    if not model.has_names:
        return tuple(own or (name for name in seen if name != target))
    assert model.columns is not None
    trained = tuple(column.name for column in model.columns)
    if own is not None and set(own) != set(trained):
        raise BadData(
            "data.columns names others than the columns that the model was fitted on",
            where=source.where,
            hint="leave data.columns out: the model knows its columns",
        )
    return trained


def _check_names(
    names: Sequence[str], seen: Sequence[str], words: Mapping[str, Any], source: DataSource
) -> None:
    from hpc_ml.data.derived import part_names

    dates = words.get("dates", {})
    bases = {part: name for name in dates for part in part_names(dates, name)}
    missing = [name for name in names if bases.get(name, name) not in seen]
    if missing:
        _refuse_missing([bases.get(name, name) for name in missing], seen, source)


def _refuse_missing(missing: Sequence[str], seen: Sequence[str], source: DataSource) -> None:
    names = list(dict.fromkeys(missing))
    more = f" and {len(names) - 1} more" if names[1:] else ""
    raise BadData(
        f"there is no column {names[0]!r}{more}, which the model was fitted on",
        where=source.where,
        hint=f"{nearest(names[0], seen)}; data.rename gives a column another name",
    )


def _types(model: "LoadedModel", words: Mapping[str, Any]) -> dict[str, str]:
    """Return which columns are words, as they were when the model was fitted, digits or not."""
    chosen = words.get("categorical", ())
    old_names = {new: old for old, new in words["rename"].items()}
    return {
        old_names.get(column.name, column.name): "text"
        for column in model.columns or ()
        if column.kind == "category" and column.name not in chosen
    }


def _matrix_source(
    source: DataSource, model: "LoadedModel", form: str, *, scored: bool
) -> DataSource:
    spec = _forget_columns(source.spec)
    trained = model.facts.get("data", {})
    spec = spec.model_copy(
        update={
            "target": source.spec.target,
            "missing": _policy(source.spec, trained),
            "scale": trained.get("scale", "none"),
            "columns": source.spec.columns,
        }
    )
    if form == "svmlight" and spec.n_features is None:
        spec = spec.model_copy(update={"n_features": model.n_features})
    bare = replace(source, spec=spec, test_size=0.0, stratify=False, supervised=False)
    with_target = replace(bare, supervised=True)
    for candidate in (with_target, bare) if scored or spec.target else (bare, with_target):
        if (fitting := _fit_columns(candidate, model)) is not None:
            return fitting
    width = plan_once(bare).n_columns
    raise BadData(
        f"the data have {width} columns, and the model was fitted on {model.n_features}",
        where=source.where,
        hint="name those that it was fitted on by data.columns, in their order",
    )


def _policy(spec: "Data", trained: Mapping[str, Any]) -> Any:
    return trained.get("missing", "error") if spec.missing == "error" else spec.missing


def _fit_columns(source: DataSource, model: "LoadedModel") -> DataSource | None:
    """Return the source with the columns that the model takes, or None where it has not those."""
    from hpc_ml.data.partitioned_matrix import PartitionedMatrix

    try:
        plan = plan_once(source)
    except BadData:
        if source.supervised:  # there may be no target
            return None
        raise
    wanted = model.n_features
    names = PartitionedMatrix(plan, source).names
    if names is None or wanted is None or len(names) == wanted:
        return source
    trained = tuple(column.name for column in model.columns or ())
    if source.spec.columns is None and len(trained) == wanted and set(trained) <= set(names):
        chosen = source.spec.model_copy(update={"columns": trained})
        return replace(source, spec=chosen)
    return None
