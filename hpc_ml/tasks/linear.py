"""Linear models: least squares, ridge, lasso, elastic net, logistic and Poisson regression."""

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from hpc_ml.errors import BadData, BadJob, HpcMlError
from hpc_ml.spec.model import SpecModel
from hpc_ml.spec.words import ScorerNames
from hpc_ml.tasks.registry import TaskResult, TaskRun

if TYPE_CHECKING:
    from distributed import Client

    from hpc_ml.data.inspection import DataSummary
    from hpc_ml.data.source import DataSource
    from hpc_ml.spec.job import Job

SUMMARY = "fit a linear model: least squares, ridge, lasso, logistic or Poisson regression"
TEST_SIZE = 0.2
EXAMPLE: Mapping[str, Any] = {
    "data": {"name": "breast_cancer", "scale": "standard"},
    "estimator": "LogisticRegression",
}

# Keys of a job are words, and labels may be numbers or booleans.
ClassName = Annotated[str, Field(coerce_numbers_to_str=True)]

_CLASSIFIERS = ("LogisticRegression",)
_FLAGS = ("alpha", "C", "l1_ratio", "fit_intercept", "class_weight", "max_iter", "tol")


class Settings(SpecModel):
    """The keys of a linear model; parameters are named as scikit-learn names them."""

    estimator: Literal[
        "LogisticRegression", "LinearRegression", "Ridge", "Lasso", "ElasticNet", "PoissonRegressor"
    ] = Field("LogisticRegression", description="which linear model, by scikit-learn's name")
    params: dict[str, Any] = Field(
        {},
        description="more parameters of the estimator",
        json_schema_extra={"flag": "--param", "form": "values"},
    )
    alpha: NonNegativeFloat | None = Field(
        None, description="weight of the penalty, except of LogisticRegression (default: 1.0)"
    )
    C: PositiveFloat | None = Field(
        None, description="LogisticRegression: inverse weight of the penalty (default: 1.0)"
    )
    l1_ratio: float | None = Field(
        None, ge=0, le=1,
        description="LogisticRegression, ElasticNet: share of absolute values in the penalty; the "
        "rest is squares (default: 0.0, 0.5)",
    )  # fmt: skip
    fit_intercept: bool | None = Field(
        None, description="fit an intercept, which bears no penalty (default: true)"
    )
    class_weight: Literal["balanced"] | dict[ClassName, NonNegativeFloat] | None = Field(
        None,
        description="LogisticRegression: weight of each class by its label, or balanced",
        json_schema_extra={"form": "yaml"},
    )
    max_iter: PositiveInt | None = Field(
        None, description="most iterations (default: the estimator's own)"
    )
    tol: NonNegativeFloat | None = Field(
        None, description="how exactly the minimum is found (default: the estimator's own)"
    )
    scoring: str | ScorerNames | None = Field(
        None,
        description="scorer, or several, by scikit-learn's names (default: accuracy or r2)",
    )


def source(job: "Job[Settings]") -> "DataSource":
    """Return the recipe of the data; a classifier's held-out rows keep the classes' shares."""
    from hpc_ml.data.source import DataSource

    classifies = job.settings.estimator in _CLASSIFIERS
    return DataSource.from_job(job, supervised=True, stratify=classifies, test_size=TEST_SIZE)


def check(job: "Job[Settings]", summary: "DataSummary") -> None:
    """Raise BadJob for what parameters, scorers and target already rule out."""
    from hpc_ml.tasks.scoring import check_scoring_words

    settings = job.settings
    if summary.n_features is None:
        raise BadJob(
            "a linear model is fitted on columns of numbers, and data.text is none",
            hint="run sgd for texts",
        )
    build_model(settings, job.seed)
    if isinstance(settings.class_weight, dict) and summary.complete:
        weigh_labels(settings.class_weight, summary.class_counts or ())
    classifies = settings.estimator in _CLASSIFIERS
    if not classifies and summary.target_kind == "text":
        raise BadJob(
            f"{settings.estimator} predicts numbers, and the target is text",
            hint="use --estimator LogisticRegression",
        )
    check_scoring_words(settings.scoring, "classes" if classifies else "continuous")


def build_model(settings: Settings, seed: int) -> Any:
    """Return the unfitted model that the settings word. Raises BadJob."""
    from hpc_ml import estimators
    from hpc_ml.tasks.estimator_words import check_parameters, seed_estimator

    model = getattr(estimators, settings.estimator)()
    flags = {name: getattr(settings, name) for name in _FLAGS}
    given = {name: value for name, value in flags.items() if value is not None}
    for name in given:
        check_parameters(model, {name: None}, name)
        if name in settings.params:
            raise BadJob(f"{name} is given twice: as {name} and in params")
    check_parameters(model, settings.params, "params")
    seed_estimator(model.set_params(**given, **settings.params), seed)
    try:
        model.validate_parameters()
    except (TypeError, ValueError) as error:
        raise BadJob(" ".join(str(error).split())) from error
    return model


def weigh_labels(weights: Mapping[str, float], labels: Any) -> dict[Any, float]:
    """Return the weights by label, which the job can only word as text. Raises BadJob."""
    found = [label.item() if hasattr(label, "item") else label for label in labels]
    return {_find_label(word, found): weight for word, weight in weights.items()}


def _find_label(word: str, labels: Sequence[Any]) -> Any:
    for label in labels:
        if str(label).lower() == word.lower():
            return label
    for label in labels:
        if isinstance(label, int | float) and word in (f"{label:g}", f"{label:.1f}"):
            return label
    shown = ", ".join(map(str, labels[:6])) + (", .." if len(labels) > 6 else "")
    raise BadJob(f"class_weight: {word!r} is no class of the target", hint=f"classes: {shown}")


def run(client: "Client", source: "DataSource", settings: Settings, run: TaskRun) -> TaskResult:
    """Fit, score the held-out rows; leave history.csv and the model."""
    from hpc_ml.estimators import surroundings
    from hpc_ml.tasks.models import keep_model
    from hpc_ml.tasks.rows import open_rows
    from hpc_ml.tasks.scoring import check_scoring_size, score_held_out

    model = build_model(settings, run.seed)
    with open_rows(client, source, run) as rows, surroundings(client, run):
        check_scoring_size(rows, settings.scoring)
        if isinstance(settings.class_weight, dict):
            model.set_params(class_weight=weigh_labels(settings.class_weight, rows.classes))
        _fit(model, rows.collective, source, run)
        metrics = _measure(model, run)
        metrics |= score_held_out(rows, model.local_estimator(), settings.scoring, run)
        parameters = model.get_params()
        keep_model(run, rows, model, task="linear", parameters=parameters, metrics=metrics)
    return TaskResult(metrics)


def _fit(model: Any, collective: Any, source: "DataSource", run: TaskRun) -> None:
    """Fit the model, telling once what it warns of. Raises BadData for values it cannot take."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            model.fit(collective)
        except HpcMlError:
            raise
        except ValueError as error:
            raise BadData(" ".join(str(error).split()), where=source.where) from error
    for message in dict.fromkeys(f"{one.category.__name__}: {one.message}" for one in heard):
        run.tell(" ".join(message.split()))


def _measure(model: Any, run: TaskRun) -> dict[str, Any]:
    """Return iterations and loss where the model has them, and write each iteration's."""
    from hpc_ml.tasks.tables import write_table

    metrics: dict[str, Any] = {}
    if getattr(model, "n_iter_", None) is not None:
        metrics["n_iter"] = max([int(count) for count in _as_list(model.n_iter_)])
    if hasattr(model, "history_"):
        metrics["loss"] = model.loss_
        losses, slopes = zip(*model.history_, strict=True) if model.history_ else ((), ())
        numbers = range(1, len(losses) + 1)
        columns = {"iteration": numbers, "loss": losses, "gradient_norm": slopes}
        write_table(run.history_file, columns)
    return metrics


def _as_list(value: Any) -> list[Any]:
    return list(value) if hasattr(value, "__len__") else [value]
