"""Grid, random and successive-halving search over any scikit-learn estimator or pipeline."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, PositiveInt, field_validator, model_validator

from hpc_ml.errors import HpcMlError, TaskFailed
from hpc_ml.spec.model import SpecModel
from hpc_ml.tasks.estimator_words import build_estimator
from hpc_ml.tasks.registry import TaskResult, TaskRun
from hpc_ml.tasks.tables import plain, write_table

if TYPE_CHECKING:
    from distributed import Client

    from hpc_ml.data.inspection import DataSummary
    from hpc_ml.data.source import DataSource
    from hpc_ml.spec.job import Job

SUMMARY = "search the best parameters of an estimator or pipeline by cross-validation"
TEST_SIZE = 0.2
EXAMPLE: Mapping[str, Any] = {
    "data": {"name": "digits"},
    "estimator": "SVC",
    "grid": {"C": [0.1, 1, 10], "gamma": ["scale", 0.001]},
    "cv": 3,
}

Steps = tuple[dict[str, str] | str, ...]
Splitter = dict[str, dict[str, Any]]


class Settings(SpecModel):
    """The keys of a search, named as scikit-learn names them."""

    estimator: str | Steps = Field(
        description="class name or import path of the estimator, or the steps of a pipeline: "
        "[{scale: StandardScaler}, {clf: SVC}]",
        json_schema_extra={"form": "yaml"},
    )
    params: dict[str, Any] = Field(
        {},
        description="parameters of the estimator that are not searched",
        json_schema_extra={"flag": "--param", "form": "values"},
    )
    grid: dict[str, Any] | tuple[dict[str, Any], ...] = Field(
        description="values to try of each parameter; for a random search also a distribution: "
        "{loguniform: [0.001, 10]}",
        json_schema_extra={"form": "lists"},
    )
    search: Literal["grid", "random", "halving", "halving-random"] = Field(
        "grid", description="how candidates are chosen"
    )
    n_iter: PositiveInt = Field(10, description="candidates of a random search")
    factor: int = Field(3, ge=2, description="halving: one of this many candidates goes on")
    resource: str = Field(
        "n_samples", description="halving: what grows from one iteration to the next"
    )
    min_resources: PositiveInt | Literal["exhaust", "smallest"] = Field(
        "exhaust", description="halving: resource of the first iteration"
    )
    cv: int | Splitter = Field(
        5,
        description="number of folds, or a splitter: {KFold: {n_splits: 3, shuffle: true}}",
        json_schema_extra={"form": "yaml"},
    )
    scoring: str | tuple[str, ...] | None = Field(
        None,
        description="scorer, or several, by scikit-learn's names (default: the estimator's own)",
    )
    refit: bool | str = Field(
        True,
        description="fit the best candidate on all training rows; with several scorers, by which",
        json_schema_extra={"form": "yaml"},
    )
    error_score: float | Literal["nan", "raise"] = Field(
        "nan", description="score of a candidate that fails; raise: end the run"
    )
    train_scores: bool = Field(False, description="score the training folds too")

    @field_validator("estimator", mode="before")
    @classmethod
    def _steps_by_comma(cls, value: Any) -> Any:
        """Read `StandardScaler,SVC` and `vect=HashingVectorizer,clf=SVC` from a flag."""
        if not isinstance(value, str) or "," not in value:
            return value
        words = [word.strip() for word in value.split(",")]
        return [dict([word.split("=", 1)]) if "=" in word else word for word in words]

    @field_validator("cv")
    @classmethod
    def _two_folds(cls, value: int | Splitter) -> int | Splitter:
        if isinstance(value, int) and value < 2:
            raise ValueError(f"cv must be at least 2 folds, not {value}")
        if isinstance(value, dict) and len(value) != 1:
            raise ValueError("cv must be a number of folds or one splitter: {KFold: {n_splits: 3}}")
        return value

    @field_validator("grid")
    @classmethod
    def _values_of_each(cls, value: Any) -> Any:
        for grid in value if isinstance(value, tuple) else (value,):
            if not grid:
                raise ValueError("grid is empty: give at least one parameter with values")
            for name, values in grid.items():
                _check_values(name, values)
        return value

    @model_validator(mode="after")
    def _refit_by_a_scorer(self) -> "Settings":
        if isinstance(self.scoring, tuple):
            if self.refit is True:
                raise ValueError(
                    "refit must name one of the scorers when there are several: "
                    f"refit: {self.scoring[0]}"
                )
            if isinstance(self.refit, str) and self.refit not in self.scoring:
                raise ValueError(f"refit {self.refit!r} is none of {', '.join(self.scoring)}")
        elif isinstance(self.refit, str):
            raise ValueError("refit names a scorer only when scoring has several")
        return self


def _check_values(name: str, values: Any) -> None:
    if isinstance(values, Mapping):
        if len(values) != 1:
            raise ValueError(f"grid.{name} must be a list, or one distribution")
    elif not isinstance(values, list | tuple):
        raise ValueError(f"grid.{name} must be a list of values, not {values!r}: [{values}]")
    elif not values:
        raise ValueError(f"grid.{name} has no values")


def source(job: "Job[Settings]") -> "DataSource":
    """Return the recipe of the data; a classifier's held-out rows keep the classes' shares."""
    from sklearn.base import is_classifier

    from hpc_ml.data.source import DataSource

    estimator = build_estimator(job.settings.estimator, job.settings.params, job.seed)
    return DataSource.from_job(
        job, supervised=True, stratify=is_classifier(estimator), test_size=TEST_SIZE
    )


def check(job: "Job[Settings]", summary: "DataSummary") -> None:
    """Raise BadJob for what estimator, grid, splitter, scorers and classes already rule out."""
    from hpc_ml.tasks.row_words import check_group_folds, check_weights
    from hpc_ml.tasks.search_words import check_search

    check_search(job.settings, job.seed, summary)
    check_group_folds(job.data, job.settings.cv)
    check_weights(job.data, build_estimator(job.settings.estimator, job.settings.params, job.seed))


def run(client: "Client", source: "DataSource", settings: Settings, run: TaskRun) -> TaskResult:
    """Search, refit, score the held-out rows; leave cv_results.csv and the model."""
    import dask

    from hpc_ml.estimators import surroundings
    from hpc_ml.tasks.held_out import TrainingRows, measure_rows, score_rows, wait_for
    from hpc_ml.tasks.models import join_preparation, save_model
    from hpc_ml.tasks.row_words import group_folds, weight_parameters
    from hpc_ml.tasks.search_words import build_search

    search = build_search(settings, run.seed)
    measured = measure_rows(client, source, run)
    parameters = weight_parameters(search.estimator, measured.weight)
    if measured.group is not None:
        search.cv = group_folds(search.cv, stratify=source.stratify)
        parameters["groups"] = measured.group
    with surroundings(client, run):
        try:
            search.fit(TrainingRows(source, measured.n_samples), measured.y, **parameters)
        except HpcMlError:
            raise
        except Exception as error:
            raise _explain_failure(search, error) from error
    write_table(run.cv_results_file, search.cv_results_)
    metrics = _search_metrics(search)
    if settings.refit is False:
        return TaskResult(metrics)
    run.tell("scoring the best candidate")
    model = search.best_estimator_
    # A large model is no mistake: Dask warns of what it takes for data inside a graph.
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 PiB"}):
        scored = client.submit(score_rows, model, source, settings.scoring, pure=False)
    scores, preparation = wait_for([scored], run)
    metrics |= scores
    facts = {"task": "gridsearch", "parameters": metrics["best_params"], "metrics": metrics}
    kept = join_preparation(preparation, model)
    try:
        save_model(run.model_folder, kept, facts | {"data_key": source.key}, measured)
    except TaskFailed as error:
        # The search is done and its results are safe: they are not thrown away for the model.
        run.tell(str(error))
        return TaskResult(metrics, partial=True)
    return TaskResult(metrics)


def _explain_failure(search: Any, error: Exception) -> TaskFailed:
    """Return what ends the run in one line, of what scikit-learn says in many."""
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    if search.error_score == "raise":
        return TaskFailed(
            f"a fit failed: {reason}",
            hint="leave error_score: raise out to go on with the other candidates",
        )
    fits = getattr(search, "failures_", [])
    if fits and isinstance(error, ValueError) and str(error).lstrip().startswith("All the "):
        return TaskFailed(
            f"all fits failed, the first with {fits[0]['reason']}",
            hint="check estimator, params and grid",
        )
    return TaskFailed(f"the search failed: {reason}", hint="run again with --debug")


def _search_metrics(search: Any) -> dict[str, Any]:
    """Return best_score and best_params, where the search has a best, and its size."""
    metrics: dict[str, Any] = {}
    if hasattr(search, "best_score_"):
        metrics["best_score"] = float(search.best_score_)
    if hasattr(search, "best_params_"):
        metrics["best_params"] = plain(search.best_params_)
    metrics["candidates"] = len(search.cv_results_["params"])
    metrics["failed_fits"] = len(search.failures_)
    return metrics
