"""How a search runs: over folds of rows that each worker holds, or over rows in partitions."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hpc_ml.errors import BadData, HpcMlError, TaskFailed
from hpc_ml.tasks.registry import TaskResult, TaskRun
from hpc_ml.tasks.search_words import build_search
from hpc_ml.tasks.tables import plain, write_table

if TYPE_CHECKING:
    from distributed import Client

    from hpc_ml.data.source import DataSource
    from hpc_ml.tasks.gridsearch import Settings
    from hpc_ml.tasks.held_out import Measure

_GIB = 2**30
# Rows as they are read, as an estimator gets them, and a fold of these.
_COPIES = 3
# At this share of its limit Dask pauses a worker.
_MEMORY_SHARE = 0.8


def search_over_folds(
    client: "Client", source: "DataSource", settings: "Settings", run: TaskRun
) -> TaskResult:
    """Search by cross-validation, each worker with all rows; refit and score the best."""
    from hpc_ml.estimators import surroundings
    from hpc_ml.tasks.held_out import TrainingRows, measure_rows
    from hpc_ml.tasks.row_words import group_folds, weight_parameters

    search = build_search(settings, run.seed)
    _check_memory(client, source)
    measured = measure_rows(client, source, run)
    parameters = weight_parameters(search.estimator, measured.weight)
    if measured.group is not None:
        search.cv = group_folds(search.cv, stratify=source.stratify)
        parameters["groups"] = measured.group
    _fit_labels(search, measured)
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
    return _keep_best(client, source, (settings, search.best_estimator_, metrics), measured, run)


def _check_memory(client: "Client", source: "DataSource") -> None:
    """Raise BadData where the rows do not fit the memory of the smallest worker."""
    from hpc_ml.data.plan import plan_partitions

    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    limits = [worker["memory_limit"] for worker in workers if worker["memory_limit"]]
    needed = _COPIES * sum(plan_partitions(source).bytes_each)
    if limits and needed > _MEMORY_SHARE * min(limits):
        raise BadData(
            f"each worker holds all rows in a search over folds, which takes {needed / _GIB:.1f} "
            f"GiB, and one has {min(limits) / _GIB:.1f} GiB",
            where=source.where,
            hint="give the workers more --memory, or search by hyperband, which leaves rows where "
            "they lie",
        )


def _fit_labels(search: Any, measured: "Measure") -> None:
    """Let XGBoost's classifier learn labels that it does not take by itself."""
    if not _holds_xgboost(search.estimator) or measured.classes is None:
        return
    from hpc_ml.estimators.xgboost_labels import has_plain_labels, take_any_labels

    if not has_plain_labels(measured.classes):
        take_any_labels(search.estimator)


def _holds_xgboost(estimator: Any) -> bool:
    inner = (estimator, *estimator.get_params(deep=True).values())
    return any(type(one).__module__.startswith("xgboost.") for one in inner)


def _keep_best(
    client: "Client",
    source: "DataSource",
    found: tuple["Settings", Any, dict[str, Any]],
    measured: "Measure",
    run: TaskRun,
) -> TaskResult:
    """Score the best model where the rows lie, and write it to the run's folder."""
    import dask

    from hpc_ml.tasks.held_out import score_rows, wait_for
    from hpc_ml.tasks.models import join_preparation, save_model

    settings, model, metrics = found
    run.tell("scoring the best candidate")
    # A large model is no mistake: Dask warns of what it takes for data inside a graph.
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 PiB"}):
        scored = client.submit(score_rows, model, source, settings.scoring, pure=False)
    scores, preparation = wait_for([scored], run)
    metrics |= scores
    facts = {"task": "gridsearch", "parameters": metrics["best_params"], "metrics": metrics}
    local = model.local_estimator() if hasattr(model, "local_estimator") else model
    kept = join_preparation(preparation, local)
    try:
        save_model(run.model_folder, kept, facts | {"data_key": source.key}, measured)
    except TaskFailed as error:
        # The search is done and its results are safe: they are not thrown away for the model.
        run.tell(str(error))
        return TaskResult(metrics, partial=True)
    return TaskResult(metrics)


def search_incrementally(
    client: "Client", source: "DataSource", settings: "Settings", run: TaskRun
) -> TaskResult:
    """Search over models that travel to the rows, partition by partition; score the best."""
    from hpc_ml.estimators import surroundings
    from hpc_ml.tasks.models import keep_model
    from hpc_ml.tasks.rows import open_rows
    from hpc_ml.tasks.scoring import check_scoring_size, score_held_out

    search = build_search(settings, run.seed)
    with open_rows(client, source, run) as rows, surroundings(client, run):
        check_scoring_size(rows, settings.scoring)
        search.set_params(classes=rows.classes)
        try:
            search.fit(rows.collective)
        except HpcMlError:
            raise
        except ValueError as error:
            raise BadData(" ".join(str(error).split()), where=source.where) from error
        write_table(run.cv_results_file, search.cv_results_)
        _write_history(search.history_, run)
        metrics = _search_metrics(search)
        run.tell("scoring the best candidate")
        model = search.best_estimator_
        metrics |= score_held_out(rows, model, settings.scoring, run)
        parameters = metrics["best_params"]
        keep_model(run, rows, model, task="gridsearch", parameters=parameters, metrics=metrics)
    return TaskResult(metrics)


def _write_history(history: list[dict[str, Any]], run: TaskRun) -> None:
    write_table(run.history_file, {key: [one[key] for one in history] for key in history[0]})


def _explain_failure(search: Any, error: Exception) -> TaskFailed:
    """Return what ends the run in one line, of what scikit-learn says in many."""
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    if search.error_score == "raise":
        return TaskFailed(
            f"a fit failed: {reason}",
            hint="leave error_score: raise out to go on with the other candidates",
        )
    fits: list[Mapping[str, Any]] = getattr(search, "failures_", [])
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
