"""K-means: exact, by Lloyd's algorithm, or by small batches, on rows of any number."""

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from hpc_ml.errors import BadData, BadJob, HpcMlError
from hpc_ml.spec.model import SpecModel
from hpc_ml.tasks.registry import TaskResult, TaskRun

if TYPE_CHECKING:
    from distributed import Client

    from hpc_ml.data.inspection import DataSummary
    from hpc_ml.data.source import DataSource
    from hpc_ml.spec.job import Job
    from hpc_ml.tasks.rows import OpenRows

SUMMARY = "group rows into clusters by K-means, and choose how many"
EXAMPLE: Mapping[str, Any] = {
    "data": {"name": "make_blobs(n_samples=10000, centers=8, random_state=0)"}
}

# A range is written out, so that `1:1000000000` must not be one.
_MOST_NUMBERS = 1000

_FLAGS = (
    "n_clusters", "init", "n_init", "max_iter", "tol", "oversampling_factor", "init_max_iter",
    "batch_size",
)  # fmt: skip

Centres = tuple[tuple[float, ...], ...]


class Settings(SpecModel):
    """The keys of a clustering; parameters are named as scikit-learn names them."""

    n_clusters: PositiveInt | None = Field(None, description="number of clusters (default: 8)")
    k: tuple[PositiveInt, ...] | None = Field(
        None,
        description="several numbers of clusters, of which the one of the best silhouette is "
        "kept: 2:12 (both included), or a list",
    )
    init: Literal["k-means++", "k-means||", "random"] | Centres | None = Field(
        None,
        description="how the first centres are chosen, or these themselves (default: k-means++)",
        json_schema_extra={"form": "yaml"},
    )
    n_init: PositiveInt | Literal["auto"] | None = Field(
        None,
        description="starts, of which the one of least inertia is kept (default: 10 for random, "
        "else 1)",
    )
    max_iter: PositiveInt | None = Field(
        None, description="most iterations of a start (default: 300); with minibatch passes (5)"
    )
    tol: NonNegativeFloat | None = Field(
        None,
        description="end when centres move by less, squared and in units of the columns' mean "
        "variance (default: 0.0001)",
    )
    oversampling_factor: PositiveFloat | None = Field(
        None,
        description="k-means||: candidates of a round by the number of clusters (default: 2)",
    )
    init_max_iter: PositiveInt | None = Field(None, description="k-means||: rounds (default: 5)")
    minibatch: bool = Field(
        False, description="train on small batches, in few passes over the data, not exactly"
    )
    batch_size: PositiveInt | None = Field(
        None, description="minibatch: rows of a step (default: 1024)"
    )
    params: dict[str, Any] = Field(
        {},
        description="parameters of the estimator, as an alternative to the keys above",
        json_schema_extra={"flag": "--param", "form": "values"},
    )
    labels: bool = Field(True, description="write the cluster of each row to predictions/")
    silhouette_sample: NonNegativeInt = Field(
        5000, description="rows, drawn by seed, that the silhouette is taken of; 0: none"
    )
    sample_rows: NonNegativeInt = Field(
        0, description="about so many rows, drawn by seed, go to sample.csv with their cluster"
    )

    @field_validator("k", mode="before")
    @classmethod
    def _ranges(cls, value: Any) -> Any:
        """Read `2:12`, both ends included, alone or among other numbers."""
        words = value.split(",") if isinstance(value, str) else value
        if not isinstance(words, list | tuple):
            return words if words is None else [words]
        numbers = [number for word in words for number in _read_range(word)]
        return tuple(number for at, number in enumerate(numbers) if number not in numbers[:at])

    @model_validator(mode="after")
    def _one_number(self) -> "Settings":
        if self.k is not None:
            if not self.k:
                raise ValueError("k is empty: write it as 2:12")
            if self.n_clusters is not None or "n_clusters" in self.params:
                raise ValueError("give n_clusters or k, not both")
            if isinstance(self.init, tuple):
                raise ValueError("given centres settle the number of clusters: leave k out")
            if len(self.k) > 1 and not self.silhouette_sample:
                raise ValueError("k is chosen by silhouette: silhouette_sample must be above 0")
        return self


def _read_range(word: Any) -> Any:
    if not isinstance(word, str) or ":" not in word:
        return [word]
    first, _, last = word.partition(":")
    try:
        numbers = range(int(first), int(last) + 1)
    except ValueError:
        raise ValueError(f"k cannot be {word!r}: write it as 2:12") from None
    if not numbers:
        raise ValueError(f"k cannot be {word!r}: the first number is the smaller one")
    if numbers[-1] - numbers[0] >= _MOST_NUMBERS:
        raise ValueError(f"k cannot be {word!r}: more than {_MOST_NUMBERS} numbers to try")
    return numbers


def source(job: "Job[Settings]") -> "DataSource":
    """Return the recipe of the data, which have no target."""
    from hpc_ml.data.source import DataSource

    return DataSource.from_job(job, supervised=False, stratify=False, test_size=0.0)


def check(job: "Job[Settings]", summary: "DataSummary") -> None:
    """Raise BadJob or BadData for what parameters and the shape of the data already rule out."""
    from hpc_ml.tasks.row_words import refuse_row_words

    refuse_row_words("kmeans", job.data, group="rows have no groups here")
    models = build_models(job.settings, job.seed)
    if summary.n_features is None:
        raise BadJob(
            "kmeans takes numbers, and data.text is words",
            hint="cluster words by hpc-ml run sgd --estimator HashingVectorizer,MiniBatchKMeans",
        )
    largest = max(model.n_clusters for model in models)
    if summary.rows is not None and summary.rows < largest:
        raise BadData(
            f"there are {summary.rows} rows for {largest} clusters",
            where=job.data.path or job.data.name,
            hint="ask for fewer by --n-clusters",
        )
    init = models[0].init
    if not isinstance(init, str) and {len(row) for row in init} != {summary.n_features}:
        raise BadJob(
            f"init: each centre must have {summary.n_features} numbers, as the data have columns"
        )


def build_models(settings: Settings, seed: int) -> list[Any]:
    """Return the unfitted models that the settings word, one for each number of clusters.

    Raises BadJob.
    """
    from hpc_ml import estimators
    from hpc_ml.tasks.estimator_words import check_parameters, seed_estimator

    name = "MiniBatchKMeans" if settings.minibatch else "KMeans"
    given = {flag: getattr(settings, flag) for flag in _FLAGS}
    given = {flag: value for flag, value in given.items() if value is not None}
    if isinstance(settings.init, tuple):
        given.setdefault("n_clusters", len(settings.init))
    if twice := [flag for flag in given if flag in settings.params]:
        raise BadJob(f"{twice[0]} is given twice: as {twice[0]} and in params")
    models = []
    for n_clusters in settings.k or (None,):
        model = getattr(estimators, name)()
        for flag in given:
            check_parameters(model, {flag: None}, flag)
        check_parameters(model, settings.params, "params")
        own = {} if n_clusters is None else {"n_clusters": n_clusters}
        seed_estimator(model.set_params(**given, **settings.params, **own), seed)
        try:
            model.validate_parameters()
        except (ValueError, TypeError) as error:
            raise BadJob(" ".join(str(error).split())) from error
        models.append(model)
    return models


def run(client: "Client", source: "DataSource", settings: Settings, run: TaskRun) -> TaskResult:
    """Cluster, choose; leave history.csv, the cluster of each row, and the model."""
    from hpc_ml.estimators import surroundings
    from hpc_ml.tasks.kmeans_outputs import judge, write_history, write_labels, write_sample
    from hpc_ml.tasks.models import keep_model
    from hpc_ml.tasks.rows import open_rows

    models = build_models(settings, run.seed)
    with open_rows(client, source, run) as rows, surroundings(client, run):
        _fit(models, rows, source, run)
        write_history(models, run)
        model, metrics = judge(models, rows, settings.silhouette_sample, run)
        if settings.labels:
            write_labels(model, rows, run)
        if settings.sample_rows:
            write_sample(model, rows, settings.sample_rows, run)
        parameters = model.get_params()
        keep_model(run, rows, model, task="kmeans", parameters=parameters, metrics=metrics)
    return TaskResult(metrics)


def _fit(models: list[Any], rows: "OpenRows", source: "DataSource", run: TaskRun) -> None:
    """Fit the models, telling once what they warn of. Raises BadData for values they refuse."""
    from hpc_ml.estimators.kmeans import fit_together
    from hpc_ml.estimators.kmeans_minibatch import MiniBatchKMeans

    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            if isinstance(models[0], MiniBatchKMeans):
                for model in models:
                    model.fit(rows.collective)
            else:
                fit_together(models, rows.collective)
        except HpcMlError:
            raise
        except ValueError as error:
            raise BadData(" ".join(str(error).split()), where=source.where) from error
    for message in dict.fromkeys(str(one.message) for one in heard):
        run.tell(" ".join(message.split()))
