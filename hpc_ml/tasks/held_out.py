"""The rows that are learned from and the rows that are held out, on the workers that read them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distributed import Client, Future

    from hpc_ml.data.source import DataSource
    from hpc_ml.data.table import Table
    from hpc_ml.spec.data import Data
    from hpc_ml.tasks.registry import TaskRun

_LOOK_EVERY_S = 0.2
# The keys of `data` by which rows become X, beside the columns themselves.
_PREPARED_BY = (
    "rename", "text", "dates", "categorical", "encode", "scale", "missing", "impute",
)  # fmt: skip


def wait_for(futures: Sequence["Future"], run: "TaskRun") -> Any:
    """Return the result of the first future that ends, hearing meanwhile whether to stop."""
    ended: Queue[Future] = Queue()
    for future in futures:
        future.add_done_callback(ended.put)
    try:
        while True:
            try:
                return ended.get(timeout=_LOOK_EVERY_S).result()
            except Empty:
                run.check()
    except BaseException:
        for future in futures:
            future.cancel()
        raise


# The rows that were read last, by the key of their source.
_read: "dict[str, Table]" = {}


def _table(source: "DataSource") -> "Table":
    """Read the data once in each worker, however many of its tasks need them."""
    from hpc_ml.data import load

    table = _read.get(source.key)
    if table is None:
        table = load(source)
        _read.clear()
        _read[source.key] = table
    return table


@dataclass(frozen=True)
class Measure:
    """What the controller needs to know of the data: their targets, never their rows."""

    y: Any
    weight: Any
    group: Any
    n_samples: int
    columns: tuple[str, ...] | None
    classes: tuple[Any, ...] | None
    target: str | None
    data: Mapping[str, Any]


def prepared_words(spec: "Data") -> dict[str, Any]:
    """Return what a job says of how columns are made into X, for rows that come later."""
    return spec.model_dump(mode="json", include=set(_PREPARED_BY), exclude_defaults=True)


def measure(source: "DataSource") -> Measure:
    """Read the data on a worker and return their measure."""
    table = _table(source)
    return Measure(
        y=table.y_train,
        weight=table.weight_train,
        group=table.group_train,
        n_samples=table.X_train.shape[0],
        columns=table.feature_names,
        classes=None if table.classes is None else tuple(table.classes.tolist()),
        target=source.spec.target,
        data=prepared_words(source.spec),
    )


def measure_rows(client: "Client", source: "DataSource", run: "TaskRun") -> Measure:
    """Have all workers read the data at once, and return the measure of the first that has.

    Raises BadData as the workers find it.
    """
    futures = [
        client.submit(measure, source, workers=[address], allow_other_workers=True, pure=False)
        for address in client.nthreads()
    ]
    return wait_for(futures, run)


@dataclass(frozen=True)
class TrainingRows:
    """The rows to learn from, as `hpc_ml.estimators` has workers read them."""

    source: "DataSource"
    n_samples: int

    @property
    def key(self) -> str:
        return self.source.key

    def load(self) -> tuple[Any, Any]:
        """Return X and y of the training part; runs on a worker."""
        table = _table(self.source)
        return table.X_train, table.y_train


def score_rows(
    model: Any, source: "DataSource", scoring: str | Sequence[str] | None
) -> tuple[dict[str, float], Any]:
    """Score a fitted model where the data lie.

    Returns the metrics, ``test_`` + scorer on the held-out rows or, where none are, ``train_``
    + scorer on all of them, and the preparation that makes raw rows fit the model, or None.
    """
    table = _table(source)
    held_out = table.X_test is not None
    X, y = (table.X_test, table.y_test) if held_out else (table.X_train, table.y_train)
    prefix = "test_" if held_out else "train_"
    scorers = _scorers(model, scoring, source.seed)
    scores = {f"{prefix}{name}": float(score(model, X, y)) for name, score in scorers}
    return scores, table.preparation


def _scorers(model: Any, scoring: str | Sequence[str] | None, seed: int) -> list[tuple[str, Any]]:
    from sklearn.base import is_classifier, is_regressor
    from sklearn.metrics import check_scoring, get_scorer

    from hpc_ml.estimators.cluster_scores import CLUSTER_SCORES, ClusterScorer

    if scoring is None:
        name = "accuracy" if is_classifier(model) else "r2" if is_regressor(model) else "score"
        return [(name, check_scoring(model))]
    names = [scoring] if isinstance(scoring, str) else scoring
    return [
        (name, ClusterScorer(name, seed) if name in CLUSTER_SCORES else get_scorer(name))
        for name in names
    ]
