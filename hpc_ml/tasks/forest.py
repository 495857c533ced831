"""Random forests and extra trees, for classes and for numbers."""

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from hpc_ml.errors import BadData, BadJob, HpcMlError
from hpc_ml.spec.model import SpecModel
from hpc_ml.spec.words import ScorerNames
from hpc_ml.tasks.registry import TaskResult, TaskRun

if TYPE_CHECKING:
    from distributed import Client

    from hpc_ml.data.inspection import DataSummary
    from hpc_ml.data.source import DataSource
    from hpc_ml.spec.job import Job
    from hpc_ml.tasks.rows import OpenRows

SUMMARY = "grow a random forest or extra trees, for classes or numbers"
TEST_SIZE = 0.2
EXAMPLE: Mapping[str, Any] = {"data": {"name": "digits"}, "oob_score": True}

_CLASSES = {
    ("random", "classes"): "RandomForestClassifier",
    ("random", "numbers"): "RandomForestRegressor",
    ("extra", "classes"): "ExtraTreesClassifier",
    ("extra", "numbers"): "ExtraTreesRegressor",
}
_FLAGS = (
    "n_estimators", "max_depth", "min_samples_leaf", "max_features", "bootstrap", "max_samples",
    "oob_score", "class_weight",
)  # fmt: skip
# What says how the library runs, not what it grows.
_REFUSED = {
    "n_jobs": "the workers and their cores say how many trees grow at once",
    "warm_start": "a run grows its forest once",
    "verbose": "the run tells of its progress itself",
}


class Settings(SpecModel):
    """The keys of a forest; parameters are named as scikit-learn names them."""

    kind: Literal["random", "extra"] = Field(
        "random", description="a random forest, or extra trees, whose splits are drawn at random"
    )
    predict: Literal["classes", "numbers"] | None = Field(
        None, description="what the target is (default: words and up to 100 whole numbers: classes)"
    )
    params: dict[str, Any] = Field(
        {},
        description="more parameters of the forest",
        json_schema_extra={"flag": "--param", "form": "values"},
    )
    n_estimators: PositiveInt | None = Field(None, description="how many trees (default: 100)")
    max_depth: PositiveInt | None = Field(None, description="most levels of a tree (default: any)")
    min_samples_leaf: PositiveInt | float | None = Field(
        None, description="fewest rows of a leaf, or their share of all (default: 1)"
    )
    max_features: PositiveInt | PositiveFloat | Literal["sqrt", "log2"] | None = Field(
        None,
        description="columns that a split chooses from: a number, a share, sqrt or log2 "
        "(default: sqrt for classes, 1.0 for numbers)",
    )
    bootstrap: bool | None = Field(
        None, description="draw the rows of each tree (default: only of a random forest)"
    )
    max_samples: PositiveInt | PositiveFloat | None = Field(
        None, description="how many rows are drawn for a tree, or their share (default: all)"
    )
    oob_score: bool | None = Field(
        None, description="score each row by the trees that did not see it (default: false)"
    )
    class_weight: (
        Literal["balanced", "balanced_subsample"] | dict[str | bool | int | float, float] | None
    ) = Field(
        None,
        description="weight of each class, or balanced, or balanced_subsample",
        json_schema_extra={"form": "yaml"},
    )
    scoring: str | ScorerNames | None = Field(
        None,
        description="scorer, or several, by scikit-learn's names (default: accuracy or r2)",
    )


def source(job: "Job[Settings]") -> "DataSource":
    """Return the recipe of the data; where the target is classes, each keeps its share."""
    from hpc_ml.data.source import DataSource

    source = DataSource.from_job(job, supervised=True, stratify=True, test_size=TEST_SIZE)
    predict = job.settings.predict or _look_at_target(source)
    stratify = predict == "classes"
    return DataSource.from_job(job, supervised=True, stratify=stratify, test_size=TEST_SIZE)


def _look_at_target(source: "DataSource") -> str:
    """Return what the first partition's target is."""
    from hpc_ml.data.partitioned import open_partitions
    from hpc_ml.data.target import target_kind

    data = open_partitions(source)
    for number in range(len(data.plan)):
        y = data.parts(data.read(number)).y  # type: ignore[arg-type]
        if y is not None and len(y):
            return "numbers" if target_kind(y) == "continuous" else "classes"
    return "classes"


def check(job: "Job[Settings]", summary: "DataSummary") -> None:
    """Raise BadJob for what parameters, scorers and target already rule out."""
    from hpc_ml.tasks.scoring import check_scoring_words

    settings, kind = job.settings, summary.target_kind
    predict = settings.predict or ("numbers" if kind == "continuous" else "classes")
    if predict == "numbers" and kind == "text":
        raise BadJob("the target is text, which is no number", hint="use --predict classes")
    if summary.n_features is None:
        raise BadJob("a forest grows from columns of numbers, and data.text is none")
    build_model(settings, predict, job.seed)
    check_scoring_words(settings.scoring, "classes" if predict == "classes" else "continuous")


def build_model(settings: Settings, predict: str, seed: int) -> Any:
    """Return the unfitted forest that the settings word. Raises BadJob."""
    from hpc_ml import estimators
    from hpc_ml.tasks.estimator_words import check_parameters, seed_estimator

    model = getattr(estimators, _CLASSES[settings.kind, predict])()
    flags = {name: getattr(settings, name) for name in _FLAGS}
    given = {name: value for name, value in flags.items() if value is not None}
    for name in given:
        check_parameters(model, {name: None}, name)
        if name in settings.params:
            raise BadJob(f"{name} is given twice: as {name} and in params")
    check_parameters(model, settings.params, "params")
    for name in settings.params:
        if name in _REFUSED:
            raise BadJob(f"params: {name} has no meaning here: {_REFUSED[name]}")
    seed_estimator(model.set_params(**given, **settings.params), seed)
    try:
        model.validate_parameters()
    except (TypeError, ValueError) as error:
        raise BadJob(" ".join(str(error).split())) from error
    return model


def run(client: "Client", source: "DataSource", settings: Settings, run: TaskRun) -> TaskResult:
    """Grow the forest, score the held-out rows; leave importances.csv and the model."""
    from hpc_ml.estimators import surroundings
    from hpc_ml.tasks.models import keep_model
    from hpc_ml.tasks.rows import open_rows
    from hpc_ml.tasks.scoring import check_scoring_size, score_held_out

    model = build_model(settings, "classes" if source.stratify else "numbers", run.seed)
    with open_rows(client, source, run) as rows, surroundings(client, run):
        check_scoring_size(rows, settings.scoring)
        _fit(model, rows, source, run)
        metrics = {"oob_score": float(model.oob_score_)} if model.oob_score else {}
        _write_importances(model, rows, run)
        run.tell("scoring the forest")
        metrics |= score_held_out(rows, model.local_estimator(), settings.scoring, run)
        keep_model(run, rows, model, task="forest", parameters=model.get_params(), metrics=metrics)
    return TaskResult(metrics)


def _fit(model: Any, rows: "OpenRows", source: "DataSource", run: TaskRun) -> None:
    """Grow the forest, telling once what it warns of. Raises BadData for what it cannot take."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            model.fit(rows.collective)
        except HpcMlError:
            raise
        except ValueError as error:
            raise BadData(" ".join(str(error).split()), where=source.where) from error
    for message in dict.fromkeys(f"{one.category.__name__}: {one.message}" for one in heard):
        run.tell(" ".join(message.split()))


def _write_importances(model: Any, rows: "OpenRows", run: TaskRun) -> None:
    """Write how much each column has lessened the impurity, the most important first."""
    import numpy as np

    from hpc_ml.tasks.tables import write_table

    values = model.feature_importances_
    names = rows.feature_names or tuple(map(str, range(len(values))))
    order = np.argsort(-values, kind="stable")
    write_table(
        run.importances_file,
        {"feature": [names[n] for n in order], "importance": [float(values[n]) for n in order]},
    )
