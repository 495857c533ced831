"""Search for the best parameters of any estimator or pipeline with scikit-learn's interface."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, PositiveInt, field_validator, model_validator

from hpc_ml.spec.model import SpecModel
from hpc_ml.spec.words import ScorerNames
from hpc_ml.tasks.estimator_words import build_estimator
from hpc_ml.tasks.registry import TaskResult, TaskRun

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

Search = Literal[
    "grid", "random", "halving", "halving-random", "tpe", "hyperband", "incremental-halving"
]
# The searches over models that are trained by partial_fit, on rows in partitions.
INCREMENTAL = ("hyperband", "incremental-halving")
# The keys that only some of the searches have a use for.
_KEYS_OF: Mapping[str, tuple[str, ...]] = {
    "n_iter": ("random", "tpe", "incremental-halving"),
    "trials_at_once": ("tpe",),
    "max_iter": INCREMENTAL,
    "validation_fraction": INCREMENTAL,
    "factor": ("halving", "halving-random", *INCREMENTAL),
    **dict.fromkeys(("resource", "min_resources"), ("halving", "halving-random")),
    **dict.fromkeys(
        ("cv", "refit", "error_score", "train_scores"),
        ("grid", "random", "halving", "halving-random", "tpe"),
    ),
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
    search: Search = Field(
        "grid",
        description="how candidates are chosen: all, drawn, by successive halving, by Optuna's TPE "
        "sampler, or by Hyperband or halving over models trained by partial_fit",
    )
    n_iter: PositiveInt = Field(
        10, description="for random, tpe and incremental-halving: how many candidates"
    )
    trials_at_once: PositiveInt | None = Field(
        None,
        description="for tpe: candidates chosen before the next scores are looked at (default: an "
        "eighth of n_iter)",
    )
    max_iter: PositiveInt = Field(
        81,
        description="for hyperband and incremental-halving: calls of partial_fit, each on a "
        "partition, that the best candidates get",
    )
    validation_fraction: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="for hyperband and incremental-halving: share of each partition that "
        "candidates are scored on",
    )
    factor: int = Field(
        3, ge=2, description="halving, hyperband: one of this many candidates goes on"
    )
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
    scoring: str | ScorerNames | None = Field(
        None,
        description="scorer, or several, by scikit-learn's names, and of clusters silhouette, "
        "calinski_harabasz, neg_davies_bouldin (default: the estimator's own)",
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

    @field_validator("search", mode="before")
    @classmethod
    def _by_its_library(cls, value: Any) -> Any:
        return "tpe" if value == "optuna" else value

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
    def _keys_of_this_search(self) -> "Settings":
        for key, searches in _KEYS_OF.items():
            given = getattr(self, key) != type(self).model_fields[key].default
            if given and self.search not in searches:
                raise ValueError(
                    f"{key} has no meaning with search: {self.search}; it is a key of "
                    f"{', '.join(searches)}"
                )
        return self

    @model_validator(mode="after")
    def _refit_by_a_scorer(self) -> "Settings":
        guided = self.search == "tpe" and self.refit is False
        if isinstance(self.scoring, tuple) and (guided or self.search in INCREMENTAL):
            raise ValueError(f"search: {self.search} is guided by one scorer, not by several")
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


def extendable(settings: Settings) -> tuple[str, ...]:
    """Return the keys whose change leaves finished fits valid: each says of what it was made."""
    if settings.search not in ("grid", "random"):
        return ()
    return ("grid", "n_iter", "refit", "train_scores")


def source(job: "Job[Settings]") -> "DataSource":
    """Return the recipe of the data; a classifier's held-out rows keep the classes' shares."""
    from sklearn.base import is_classifier

    from hpc_ml.data.source import DataSource
    from hpc_ml.tasks.search_checks import learns_target

    estimator = build_estimator(job.settings.estimator, job.settings.params, job.seed)
    supervised = job.data.target is not None or learns_target(estimator)
    return DataSource.from_job(
        job,
        supervised=supervised,
        stratify=is_classifier(estimator),
        test_size=TEST_SIZE if supervised else 0.0,
    )


def check(job: "Job[Settings]", summary: "DataSummary") -> None:
    """Raise BadJob for what estimator, grid, splitter, scorers and classes already rule out."""
    from hpc_ml.tasks.row_words import check_group_folds, check_weights
    from hpc_ml.tasks.search_checks import check_search

    check_search(job.settings, job.seed, summary, job.data)
    check_group_folds(job.data, job.settings.cv)
    check_weights(job.data, build_estimator(job.settings.estimator, job.settings.params, job.seed))


def run(client: "Client", source: "DataSource", settings: Settings, run: TaskRun) -> TaskResult:
    """Search, refit, score the held-out rows; leave cv_results.csv and the model."""
    from hpc_ml.tasks.search_runs import search_incrementally, search_over_folds

    if settings.search in INCREMENTAL:
        return search_incrementally(client, source, settings, run)
    return search_over_folds(client, source, settings, run)
