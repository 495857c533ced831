"""Training by partial_fit: the model goes from partition to partition, epoch after epoch."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from pydantic import Field, NonNegativeFloat, PositiveInt, field_validator, model_validator

from hpc_ml.errors import BadData, BadJob, HpcMlError
from hpc_ml.spec.model import SpecModel
from hpc_ml.spec.words import ScorerNames
from hpc_ml.tasks.registry import TaskResult, TaskRun

if TYPE_CHECKING:
    from distributed import Client

    from hpc_ml.data.inspection import DataSummary
    from hpc_ml.data.source import DataSource
    from hpc_ml.estimators import Incremental
    from hpc_ml.spec.job import Job
    from hpc_ml.tasks.rows import OpenRows

SUMMARY = "train any estimator that has partial_fit, such as SGDClassifier, on data of any size"
TEST_SIZE = 0.2
EXAMPLE: Mapping[str, Any] = {"data": {"name": "digits"}, "epochs": 10, "early_stopping": True}

_HINTS = {
    "overflow": "scale the columns by data.scale: standard",
    "Negative values": "take another estimator, or alternate_sign: false of HashingVectorizer",
}

Label = bool | int | float | str
Steps = tuple[dict[str, str] | str, ...]


class Settings(SpecModel):
    """The keys of a training; parameters of the estimator are named as it names them."""

    estimator: str | Steps | None = Field(
        None,
        description="class name or import path of an estimator with partial_fit, or the steps of a "
        "pipeline: [{vect: HashingVectorizer}, {clf: SGDClassifier}] (default: SGDClassifier or "
        "SGDRegressor, by the target, with data.scale standard)",
        json_schema_extra={"form": "yaml"},
    )
    params: dict[str, Any] = Field(
        {},
        description="parameters of the estimator",
        json_schema_extra={"flag": "--param", "form": "values"},
    )
    epochs: PositiveInt = Field(5, description="passes over the data, at most")
    shuffle: bool = Field(True, description="take partitions and rows in another order each epoch")
    batch_size: PositiveInt | None = Field(
        None, description="rows of one call of partial_fit (default: a partition)"
    )
    classes: tuple[Label, ...] | None = Field(
        None,
        min_length=2,
        description="all labels, which saves the pass that finds them",
    )
    early_stopping: bool = Field(
        False, description="end when the validation score gets no better, and keep the best epoch"
    )
    validation_fraction: float | None = Field(
        None, ge=0, lt=1,
        description="share of the training rows that is held back and scored after each epoch "
        "(default: 0.1 with early stopping, else 0)",
    )  # fmt: skip
    n_iter_no_change: PositiveInt = Field(
        5, description="epochs without a better validation score that end an early-stopping run"
    )
    tol: NonNegativeFloat = Field(1e-4, description="by how much a score must be better to count")
    scoring: str | ScorerNames | None = Field(
        None,
        description="scorer, or several, by scikit-learn's names (default: accuracy or r2); the "
        "first one is the validation's",
    )
    train_scores: bool = Field(False, description="score the training rows after each epoch too")

    @field_validator("estimator", mode="before")
    @classmethod
    def _steps_by_comma(cls, value: Any) -> Any:
        """Read `StandardScaler,Perceptron` and `vect=HashingVectorizer,clf=..` from a flag."""
        if not isinstance(value, str) or "," not in value:
            return value
        words = [word.strip() for word in value.split(",")]
        return [dict([word.split("=", 1)]) if "=" in word else word for word in words]

    @model_validator(mode="after")
    def _rows_to_stop_by(self) -> "Settings":
        if self.early_stopping and self.validation_fraction == 0:
            raise ValueError("early_stopping needs a validation_fraction above 0")
        return self


def source(job: "Job[Settings]") -> "DataSource":
    """Return the recipe of the data.

    A classifier's held-out rows keep the classes' shares. Where the job names no estimator,
    columns are scaled: gradient descent depends on it.
    """
    from sklearn.base import is_classifier

    from hpc_ml.data.source import DataSource
    from hpc_ml.tasks.estimator_words import build_estimator
    from hpc_ml.tasks.sgd_words import needs_target

    words = job.settings.estimator
    supervised = needs_target(job.settings, job.seed)
    if words is None and job.data.text is None and job.data.scale == "none":
        scaled = job.data.model_copy(update={"scale": "standard"})
        job = job.model_copy(update={"data": scaled})
    classifies = words is not None and is_classifier(
        build_estimator(words, job.settings.params, job.seed)
    )
    return DataSource.from_job(
        job,
        supervised=supervised,
        stratify=classifies,
        test_size=TEST_SIZE if supervised else 0.0,
    )


def check(job: "Job[Settings]", summary: "DataSummary") -> None:
    """Raise BadJob for what estimator, scorers, labels and target already rule out."""
    from sklearn.base import is_classifier

    from hpc_ml.tasks.scoring import check_scoring_words
    from hpc_ml.tasks.sgd_words import check_estimator, choose_estimator

    settings = job.settings
    texts = summary.n_features is None
    estimator = choose_estimator(settings, summary.target_kind, texts=texts, seed=job.seed)
    check_estimator(estimator, settings, summary, job.data)
    if summary.target_kind is not None:
        classifies = is_classifier(estimator)
        check_scoring_words(settings.scoring, "classes" if classifies else "continuous")
    elif settings.scoring is not None:
        raise BadJob("scoring needs a target", hint="name its column by data.target")


def run(client: "Client", source: "DataSource", settings: Settings, run: TaskRun) -> TaskResult:
    """Train, score the held-out rows; leave history.csv and the model."""
    from hpc_ml.estimators import surroundings
    from hpc_ml.tasks.models import keep_model
    from hpc_ml.tasks.rows import open_rows
    from hpc_ml.tasks.scoring import check_scoring_size, score_held_out

    with open_rows(client, source, run) as rows, surroundings(client, run):
        check_scoring_size(rows, settings.scoring)
        model = build_model(settings, rows, run.seed)
        _fit(model, rows, source)
        metrics = _measure(model, run)
        metrics |= score_held_out(rows, model.local_estimator(), settings.scoring, run)
        keep_model(run, rows, model, task="sgd", parameters=settings.params, metrics=metrics)
    return TaskResult(metrics)


def build_model(settings: Settings, rows: "OpenRows", seed: int) -> "Incremental":
    """Return the unfitted model that the settings word, for these rows."""
    from hpc_ml.estimators import Incremental
    from hpc_ml.tasks.sgd_words import choose_estimator, learn_target

    kind, labels = None, cast(Any, rows.classes)
    if settings.estimator is None:
        kind, labels = learn_target(rows)
    scoring = settings.scoring
    return Incremental(
        choose_estimator(settings, kind, texts=rows.feature_names is None, seed=seed),
        epochs=settings.epochs,
        shuffle=settings.shuffle,
        batch_size=settings.batch_size,
        classes=labels if settings.classes is None else list(settings.classes),
        early_stopping=settings.early_stopping,
        validation_fraction=settings.validation_fraction,
        n_iter_no_change=settings.n_iter_no_change,
        tol=settings.tol,
        scoring=scoring[0] if isinstance(scoring, tuple) else scoring,
        return_train_score=settings.train_scores,
        random_state=seed,
    )


def _fit(model: "Incremental", rows: "OpenRows", source: "DataSource") -> None:
    try:
        model.fit(rows.collective)
    except HpcMlError:
        raise
    except ValueError as error:
        said = " ".join(str(error).split())
        hint = next((hint for words, hint in _HINTS.items() if words in said), None)
        raise BadData(said, where=source.where, hint=hint) from error


def _measure(model: "Incremental", run: TaskRun) -> dict[str, Any]:
    """Return epochs, rows and validation score, and write those of each epoch."""
    from hpc_ml.tasks.tables import write_table

    history = model.history_
    write_table(run.history_file, {key: [one[key] for one in history] for key in history[0]})
    metrics: dict[str, Any] = {"epochs": model.n_iter_, "samples": history[-1]["samples"]}
    if hasattr(model, "best_epoch_"):
        metrics["best_epoch"] = model.best_epoch_
        metrics["validation_score"] = model.best_score_
    return metrics
