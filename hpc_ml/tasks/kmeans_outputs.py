"""What a clustering leaves: its scores, its history, and the cluster of each row."""

import os
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpc_ml.runs.atomic import explain_write_failure, sync_file
from hpc_ml.tasks.tables import write_table

if TYPE_CHECKING:
    from hpc_ml.tasks.registry import TaskRun
    from hpc_ml.tasks.rows import OpenRows

_ROWS_AT_ONCE = 8_000_000
_SAMPLE_BYTES = 64 * 2**20
_WORKING_MEMORY_MIB = 64


def judge(
    models: Sequence[Any], rows: "OpenRows", sample_rows: int, run: "TaskRun"
) -> tuple[Any, dict[str, Any]]:
    """Return the model of the best silhouette, and its metrics.

    Parameters
    ----------
    models : sequence of KMeans
        Fitted to the rows, each with another number of clusters.
    rows : OpenRows
        The rows.
    sample_rows : int
        Rows that the silhouette is taken of; with 0 the first model is returned.
    run : TaskRun
        Is told what cannot be computed.
    """
    from hpc_ml.estimators.kmeans_labels import held_out_inertia

    silhouettes = _silhouettes(models, rows, sample_rows, run)
    best = max(models, key=lambda model: silhouettes.get(model.n_clusters, -2.0))
    metrics: dict[str, Any] = {
        "n_clusters": best.n_clusters,
        "inertia": float(best.inertia_),
        "n_iter": int(best.n_iter_),
    }
    if best.n_clusters in silhouettes:
        metrics["silhouette"] = silhouettes[best.n_clusters]
    if len(models) > 1:
        metrics["silhouettes"] = {str(number): score for number, score in silhouettes.items()}
    if rows.n_held_out:
        metrics["test_inertia"] = held_out_inertia(best, rows.collective)
    return best, metrics


def _silhouettes(
    models: Sequence[Any], rows: "OpenRows", sample_rows: int, run: "TaskRun"
) -> dict[int, float]:
    """Return by number of clusters the silhouette of a sample, where it has one."""
    if not sample_rows:
        return {}
    from sklearn import config_context
    from sklearn.metrics import silhouette_score
    from threadpoolctl import threadpool_limits

    X = _draw(rows, sample_rows, run)
    found: dict[int, float] = {}
    for model in models:
        run.check()
        labels = model.local_estimator().predict(X)
        if not 2 <= len(set(labels)) < X.shape[0]:
            run.tell(f"k={model.n_clusters} has no silhouette on {X.shape[0]} rows")
            continue
        with config_context(working_memory=_WORKING_MEMORY_MIB), threadpool_limits(limits=1):
            found[model.n_clusters] = float(silhouette_score(X, labels))
    return found


def _draw(rows: "OpenRows", n_rows: int, run: "TaskRun") -> Any:
    """Return a sample of the rows by the run's seed, of bounded size."""
    from hpc_ml.estimators.kmeans_survey import take_sample

    width = max(1, len(rows.feature_names or ()))
    bounded = min(n_rows, max(100, _SAMPLE_BYTES // (8 * width)))
    return take_sample(rows.collective, bounded, run.seed).X


def write_history(models: Sequence[Any], run: "TaskRun") -> None:
    """Write history.csv: inertia and movement of the centres after each iteration."""
    columns: dict[str, list[Any]] = {
        name: [] for name in ("n_clusters", "iteration", "inertia", "shift")
    }
    for model in models:
        for number, inertia in enumerate(model.inertia_curve_):
            row = (model.n_clusters, number + 1, inertia, model.shift_curve_[number])
            for values, value in zip(columns.values(), row, strict=True):
                values.append(value)
    if columns["iteration"]:
        write_table(run.history_file, columns)


def write_labels(model: Any, rows: "OpenRows", run: "TaskRun") -> None:
    """Write the cluster of each row as Parquet, a file for each partition."""
    from hpc_ml.estimators.kmeans_labels import labels_of

    run.tell("writing the cluster of each row")
    folder = run.predictions_folder
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        for numbers in _groups(rows.collective.rows):
            found = labels_of(model, rows.collective, numbers)
            for number, labels in zip(numbers, found, strict=True):
                run.check()
                _write_part(folder / f"part-{number:05d}.parquet", labels)
    except OSError as error:
        raise explain_write_failure(folder, error) from error


def _groups(rows: Sequence[int]) -> Iterator[list[int]]:
    """Yield the numbers of neighbouring partitions whose labels are held at once."""
    group: list[int] = []
    for number, count in enumerate(rows):
        if group and sum(rows[one] for one in group) + count > _ROWS_AT_ONCE:
            yield group
            group = []
        group.append(number)
    yield group


def _write_part(path: Path, labels: Any) -> None:
    import numpy as np
    import pyarrow as pa
    from pyarrow import parquet as pq

    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        pq.write_table(pa.table({"cluster": labels.astype(np.int32)}), temporary)
        temporary.chmod(0o600)
        sync_file(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_sample(model: Any, rows: "OpenRows", n_rows: int, run: "TaskRun") -> None:
    """Write some rows with their cluster as sample.csv, for a picture."""
    X = _draw(rows, n_rows, run)
    labels = model.local_estimator().predict(X)
    dense = X.toarray() if hasattr(X, "toarray") else X
    names = rows.feature_names or [f"x{number}" for number in range(dense.shape[1])]
    columns = {name: dense[:, number].tolist() for number, name in enumerate(names)}
    write_table(run.sample_file, {**columns, "cluster": labels.tolist()})
    run.tell(f"{len(labels)} rows and their clusters are in {run.sample_file.name}")
