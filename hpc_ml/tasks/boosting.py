"""What the tasks xgboost and lightgbm share: their keys, and the way to a kept booster."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from hpc_ml.errors import BadJob
from hpc_ml.spec.model import SpecModel
from hpc_ml.spec.words import ScorerNames
from hpc_ml.tasks.registry import TaskResult, TaskRun

if TYPE_CHECKING:
    from distributed import Client

    from hpc_ml.data.inspection import DataSummary
    from hpc_ml.data.source import DataSource
    from hpc_ml.spec.job import Job

TEST_SIZE = 0.2
EXAMPLE: Mapping[str, Any] = {
    "data": {"name": "breast_cancer"},
    "early_stopping_rounds": 10,
    "n_estimators": 200,
}

Target = Literal["classes", "numbers", "ranking"]
Column = str | int

FLAGS = (
    "n_estimators", "learning_rate", "max_depth", "early_stopping_rounds", "eval_metric",
    "validation_fraction", "scale_pos_weight", "monotone_constraints", "interaction_constraints",
    "segment_rounds", "watch_training", "layout",
)  # fmt: skip
# What says how the library runs, not what it trains.
REFUSED = {
    "n_jobs": "the workers and their cores say how many threads train",
    "callbacks": "callbacks cannot follow the rows to the workers",
    "verbose": "the run tells of its progress itself",
}


class BoostingSettings(SpecModel):
    """The keys of a booster; parameters are named as the library names them."""

    predict: Target | None = Field(
        None,
        description="what the target is (default: ranking with data.group; else words and up to "
        "100 whole numbers are classes)",
    )
    n_estimators: PositiveInt | None = Field(None, description="rounds (default: 100)")
    learning_rate: PositiveFloat | None = Field(
        None, description="share of each tree's prediction that counts"
    )
    max_depth: int | None = Field(None, description="most levels of a tree")
    early_stopping_rounds: PositiveInt | None = Field(
        None,
        description="end after so many rounds without a better score on the rows that validate",
    )
    validation_fraction: float = Field(
        0.1, gt=0, lt=1,
        description="share of the training rows that validate and are not trained on, with "
        "early_stopping_rounds",
    )  # fmt: skip
    eval_metric: str | tuple[str, ...] | None = Field(
        None,
        description="what is measured on the rows that validate, by the library's name or by "
        "scikit-learn's of a scorer; the last one decides when to end",
    )
    scale_pos_weight: PositiveFloat | None = Field(
        None, description="two classes: weight of the rows of the second"
    )
    monotone_constraints: dict[Column, Literal[-1, 0, 1]] | tuple[Literal[-1, 0, 1], ...] | None = (
        Field(
            None,
            description="columns that predictions may only grow with (1) or fall with (-1): "
            "{age: 1}",
            json_schema_extra={"form": "yaml"},
        )
    )
    interaction_constraints: tuple[tuple[Column, ...], ...] | None = Field(
        None,
        description="groups of columns of which a branch may use one group's only: "
        "[[age, height], [income]]",
        json_schema_extra={"form": "yaml"},
    )
    watch_training: bool = Field(
        False, description="measure the library's metrics on the training rows too"
    )
    segment_rounds: PositiveInt = Field(
        100, description="rounds after which the booster is kept; a resumed run goes on from there"
    )
    layout: Literal["auto", "one", "all"] = Field(
        "auto",
        description="train in one worker that has all rows, in all workers at once, or in the "
        "faster way",
    )
    params: dict[str, Any] = Field(
        {},
        description="more parameters of the library",
        json_schema_extra={"flag": "--param", "form": "values"},
    )
    scoring: str | ScorerNames | None = Field(
        None,
        description="scorer of the held-out rows, or several, by scikit-learn's names (default: "
        "accuracy, r2 or ndcg)",
    )

    @model_validator(mode="after")
    def _ranked_by_ndcg(self) -> "BoostingSettings":
        if self.predict == "ranking" and self.scoring is not None:
            raise ValueError("rankings are scored by ndcg: leave scoring out")
        return self


@dataclass(frozen=True)
class Library:
    """Which library a task boosts by.

    Parameters
    ----------
    task : str
        The task's name, which is the library's module too.
    estimators : mapping
        Names of its estimators in `hpc_ml.estimators`, by what is predicted.
    flags : tuple of str
        Keys of the task's settings that are parameters, beside those that both tasks have.
    find_unknown : callable
        Returns those of some parameters that the library does not know, of its warnings.
    """

    task: str
    estimators: Mapping[Target, str]
    flags: tuple[str, ...]
    find_unknown: Callable[[Mapping[str, Any], Sequence[str]], list[str]]

    def check_installed(self) -> None:
        """Raise BadJob where the library cannot be imported."""
        try:
            import_module(self.task)
        except ImportError as error:
            raise BadJob(
                f"{self.task} cannot be imported: {error}",
                hint="pip install 'hpc-ml[boosting]'",
            ) from error


def make_source(job: "Job[Any]", library: Library) -> "DataSource":
    """Return the recipe of the data; where the target is classes, each keeps its share."""
    from hpc_ml.data.source import DataSource

    library.check_installed()
    source = DataSource.from_job(job, supervised=True, stratify=True, test_size=TEST_SIZE)
    stratify = choose_target(job, source) == "classes"
    return DataSource.from_job(job, supervised=True, stratify=stratify, test_size=TEST_SIZE)


def choose_target(job: "Job[Any]", source: "DataSource") -> Target:
    """Return what is predicted, as the job says it or its first rows tell."""
    if job.settings.predict is not None:
        return job.settings.predict
    if job.data.group is not None:
        return "ranking"
    return _look_at_target(source)


def _look_at_target(source: "DataSource") -> Target:
    from hpc_ml.data.partitioned import open_partitions
    from hpc_ml.data.target import target_kind

    data = open_partitions(source)
    for number in range(len(data.plan)):
        y = data.parts(data.read(number)).y  # type: ignore[arg-type]
        if y is not None and len(y):
            return "numbers" if target_kind(y) == "continuous" else "classes"
    return "classes"


def check_job(job: "Job[Any]", summary: "DataSummary", library: Library) -> None:
    """Raise BadJob for what parameters, scorers, target, columns or memory already rule out."""
    from hpc_ml.tasks.boosting_models import build_model, check_memory, try_parameters
    from hpc_ml.tasks.scoring import check_scoring_words

    settings, kind = job.settings, summary.target_kind
    if summary.n_features is None:
        raise BadJob(f"{library.task} learns from columns of numbers, and data.text is none")
    guess: Target = "numbers" if kind == "continuous" else "classes"
    target = settings.predict or ("ranking" if job.data.group is not None else guess)
    if target == "ranking" and job.data.group is None:
        raise BadJob("a ranking needs the query of each row", hint="name its column by data.group")
    if target != "classes" and kind == "text":
        raise BadJob(
            "the target is text, which is no number to predict or to rank by",
            hint="use --predict classes",
        )
    model = build_model(settings, target, job.seed, library)
    try_parameters(model, settings, summary, library)
    if target == "ranking" and settings.scoring is not None:
        raise BadJob("scoring: rankings are scored by ndcg", hint="leave scoring out")
    check_scoring_words(settings.scoring, "classes" if target == "classes" else "continuous")
    test_size = TEST_SIZE if job.data.test_size is None else job.data.test_size
    check_memory(model, job, summary, test_size)


def run_job(
    client: "Client",
    source: "DataSource",
    settings: BoostingSettings,
    run: TaskRun,
    library: Library,
) -> TaskResult:
    """Train, score the held-out rows; leave history.csv, importances.csv and the model."""
    from hpc_ml.estimators import surroundings
    from hpc_ml.tasks import boosting_models as models
    from hpc_ml.tasks.models import keep_model
    from hpc_ml.tasks.rows import open_rows
    from hpc_ml.tasks.scoring import check_scoring_size, score_held_out

    guess: Target = "classes" if source.stratify else "numbers"
    target = settings.predict or ("ranking" if source.spec.group is not None else guess)
    model = models.build_model(settings, target, run.seed, library)
    with open_rows(client, source, run) as rows, surroundings(client, run):
        check_scoring_size(rows, settings.scoring)
        models.fit(model, rows, source, run)
        models.write_history(model, run)
        models.write_importances(model, rows, run)
        metrics = models.measure(model)
        run.tell("scoring the booster")
        if target == "ranking":
            metrics |= models.score_ranking(model, rows)
        else:
            scored = models.of_one_thread(model)
            metrics |= score_held_out(rows, scored, settings.scoring, run)
        parameters = models.parameters_of(model)
        keep_model(run, rows, model, task=library.task, parameters=parameters, metrics=metrics)
    return TaskResult(metrics)
