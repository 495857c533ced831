"""The booster that a job words: built, tried on a few made-up rows, and fitted."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hpc_ml.errors import BadData, BadJob, HpcMlError
from hpc_ml.spec.nearest import nearest
from hpc_ml.tasks.boosting import FLAGS, REFUSED, BoostingSettings, Library, Target

if TYPE_CHECKING:
    from hpc_ml.data.inspection import DataSummary
    from hpc_ml.data.source import DataSource
    from hpc_ml.spec.job import Job
    from hpc_ml.tasks.registry import TaskRun
    from hpc_ml.tasks.rows import OpenRows

_TRIAL_ROWS = 60
_CONSTRAINTS = ("monotone_constraints", "interaction_constraints")


def build_model(settings: BoostingSettings, target: Target, seed: int, library: Library) -> Any:
    """Return the unfitted booster that the settings word. Raises BadJob."""
    from hpc_ml import estimators
    from hpc_ml.tasks.estimator_words import seed_estimator

    flags = {name: getattr(settings, name) for name in (*FLAGS, *library.flags)}
    given = {name: _as_list(value) for name, value in flags.items() if value is not None}
    if twice := [name for name in given if name in settings.params]:
        if settings.model_fields_set & set(twice):
            raise BadJob(f"{twice[0]} is given twice: as {twice[0]} and in params")
        given = {name: value for name, value in given.items() if name not in twice}
    for name in settings.params:
        if name in REFUSED:
            raise BadJob(f"params: {name} has no meaning here: {REFUSED[name]}")
    model = getattr(estimators, library.estimators[target])(**given, **settings.params)
    return seed_estimator(model, seed)


def _as_list(value: Any) -> Any:
    return [_as_list(one) for one in value] if isinstance(value, tuple) else value


def try_parameters(
    model: Any, settings: BoostingSettings, summary: "DataSummary", library: Library
) -> None:
    """Train one round on a few made-up rows, for what the library has to say of parameters.

    Raises BadJob for parameters that it refuses or does not know.
    """
    import numpy as np
    from sklearn.base import clone

    from hpc_ml.estimators import surroundings
    from hpc_ml.estimators.boosting_quiet import muted

    generator = np.random.default_rng(0)
    X = generator.random((_TRIAL_ROWS, summary.n_features or 1))
    count = len(summary.class_counts or ()) if model._kind == "classification" else 2
    y = np.arange(_TRIAL_ROWS) % max(2, min(count, _TRIAL_ROWS // 2))
    group = np.arange(_TRIAL_ROWS) // 10 if model._kind == "ranking" else None
    names = [column.name for column in summary.columns if column.kind != "target"]
    trial = clone(model).set_params(n_estimators=1, n_jobs=1, validation_fraction=0.5)
    if len(names) != summary.n_features:
        # What the columns will be called is known when their categories are.
        trial.set_params(**dict.fromkeys(_CONSTRAINTS))
        names = []
    with _refusals(), muted(), surroundings(), warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        trial.fit(X, y, group=group, feature_names=names or None)
    unknown = library.find_unknown(settings.params, [str(one.message) for one in heard])
    if unknown:
        known = sorted(type(model)().get_params())
        raise BadJob(
            f"params: {library.task} has no parameter {unknown[0]!r}",
            hint=nearest(unknown[0], known),
        )


def check_memory(model: Any, job: "Job[Any]", summary: "DataSummary", test_size: float) -> None:
    """Raise BadJob where the memory that is asked for is too little, as far as headers tell."""
    from hpc_ml.data.pieces import partition_bytes
    from hpc_ml.data.target import count_held_out
    from hpc_ml.estimators.boosting_layout import Worker

    asked = job.resources
    processes = (asked.workers or 0) * (asked.gpus or asked.cores)
    if "://" in job.on or not (processes and asked.memory and summary.rows and summary.n_features):
        return
    each_bytes = asked.memory * (asked.workers or 1) / processes
    workers = [Worker(f"{n}", f"{n}", 1, 1, each_bytes) for n in range(processes)]
    size_bytes = 4 * summary.rows * summary.n_features  # float32, the narrowest that trees take
    model.check_memory(
        workers,
        summary.rows - count_held_out(summary.rows, test_size),
        summary.n_features,
        n_classes=len(summary.class_counts or ()) if model._kind == "classification" else 0,
        block_bytes=partition_bytes(size_bytes, job.data.partition_size),
    )


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except HpcMlError:
        raise
    except (TypeError, ValueError) as error:
        raise BadJob(" ".join(str(error).split()), where="parameters of the booster") from error


def fit(model: Any, rows: "OpenRows", source: "DataSource", run: "TaskRun") -> None:
    """Train, telling once what the model warns of. Raises BadData for what it cannot take."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            model.fit(
                rows.collective,
                feature_names=rows.feature_names,
                categorical=rows.ordinal_features,
            )
        except HpcMlError:
            raise
        except ValueError as error:
            problem = " ".join(str(error).split())
            # XGBoost holds values as float32, which ends at 3.4e38.
            large = "too large" in problem
            hint = "bring columns to a common scale by data.scale" if large else None
            raise BadData(problem, where=source.where, hint=hint) from error
    for message in dict.fromkeys(f"{one.category.__name__}: {one.message}" for one in heard):
        run.tell(" ".join(message.split()))


def write_history(model: Any, run: "TaskRun") -> None:
    """Write each round with what was measured after it."""
    from hpc_ml.tasks.tables import write_table

    history = model.history_
    rounds = len(next(iter(history.values()))) if history else 0
    write_table(run.history_file, {"round": range(1, rounds + 1), **history})


def write_importances(model: Any, rows: "OpenRows", run: "TaskRun") -> None:
    """Write each column's share of what all splits gained, and the splits; the best first."""
    import numpy as np

    from hpc_ml.tasks.tables import write_table

    gains, splits = model.gains_and_splits()
    names = rows.feature_names or tuple(map(str, range(len(gains))))
    order = np.argsort(-gains, kind="stable")
    shares = gains / (gains.sum() or 1)
    write_table(
        run.importances_file,
        {
            "feature": [names[n] for n in order],
            "importance": [float(shares[n]) for n in order],
            "splits": [int(splits[n]) for n in order],
        },
    )


def measure(model: Any) -> dict[str, Any]:
    """Return the rounds, and with early stopping the best of them and its score.

    `best_iteration` is the library's: XGBoost counts from 0, LightGBM from 1.
    """
    metrics: dict[str, Any] = {"rounds": model.n_rounds_}
    if model.best_round_ is not None:
        best = model.best_iteration if hasattr(model, "get_booster") else model.best_iteration_
        metrics["best_iteration"] = int(best)
        metrics[model.watched_] = model.history_[model.watched_][model.best_round_]
    return metrics


def of_one_thread(model: Any) -> Any:
    """Return the fitted booster as `predict` has it, which scores beside other workers."""
    from hpc_ml.tasks.booster_models import LightGBMModel, XGBoostModel

    classes = getattr(model, "classes_", None)
    if hasattr(model, "get_booster"):
        booster = model.get_booster()
        booster.set_param({"nthread": 1})
        return XGBoostModel(booster, classes, model.n_features_in_)
    return LightGBMModel(model.booster_, classes, model.n_features_in_)


def score_ranking(model: Any, rows: "OpenRows") -> dict[str, float]:
    """Return the mean NDCG of the held-out queries, else of all; gains are 2^relevance - 1."""
    import numpy as np

    held_out = rows.n_held_out > 0
    parts = rows.collective.map(_rank, (of_one_thread(model), held_out))
    found = [part for part in parts if part is not None]
    group, y, predicted = (np.concatenate(column) for column in zip(*found, strict=True))
    return {"test_ndcg" if held_out else "train_ndcg": mean_ndcg(group, y, predicted)}


def _rank(block: Any, state: tuple[Any, bool], _memory: dict[str, Any]) -> Any:
    model, held_out = state
    part = block.held_out if held_out else block
    if part is None or not len(part):
        return None
    return part.group, part.y, model.predict(part.X)


def mean_ndcg(group: Any, y: Any, predicted: Any) -> float:
    """Return the mean of each query's discounted gain by that of the best order.

    A query whose rows are all of relevance 0 counts 1, as LightGBM has it.
    """
    import numpy as np

    def gain(order: Any, codes: Any) -> Any:
        ranked = codes[order]
        first = np.r_[0, np.cumsum(np.bincount(ranked))[:-1]]
        place = np.arange(len(order)) - first[ranked]
        gains = (2.0 ** y[order] - 1) / np.log2(place + 2)
        return np.bincount(ranked, weights=gains)

    codes = np.unique(group, return_inverse=True)[1]
    reached = gain(np.lexsort((-predicted, codes)), codes)
    best = gain(np.lexsort((-y, codes)), codes)
    return float(np.mean(np.divide(reached, best, out=np.ones_like(best), where=best > 0)))


def parameters_of(model: Any) -> dict[str, Any]:
    """Return the parameters that are set."""
    return {name: value for name, value in model.get_params().items() if value is not None}
