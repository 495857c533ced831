"""What the estimators of both libraries share: how they take data, and what they learn of them."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_consistent_length, check_random_state, check_X_y
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight

from hpc_ml.estimators.boosting import Boosting
from hpc_ml.estimators.boosting_course import Course, Schedule
from hpc_ml.estimators.boosting_layout import Size, Worker, choose_layout
from hpc_ml.estimators.boosting_rows import Kind, RowPlan, count_labels
from hpc_ml.estimators.boosting_training import Training
from hpc_ml.estimators.inputs import AnyCollective, is_dask, is_partitioned, opened
from hpc_ml.estimators.linear_base import apply_to_chunks

SEGMENT_ROUNDS = 100
VALIDATION_FRACTION = 0.1
OWN_PARAMETERS = frozenset({"layout", "validation_fraction", "segment_rounds", "watch_training"})
LAYOUTS = ("auto", "one", "all")


@dataclass(frozen=True)
class Columns:
    """What is known of the columns of X.

    Parameters
    ----------
    number : int
    names : tuple of str, optional
    categorical : tuple of int
        Those that hold numbers of categories.
    """

    number: int
    names: tuple[str, ...] | None = None
    categorical: tuple[int, ...] = ()

    def names_without(self, characters: str) -> tuple[str, ...] | None:
        """Return the names, or None where two are the same or one has any of some characters."""
        names = self.names
        if names is None or len(set(names)) < len(names):
            return None
        return None if any(set(name) & set(characters) for name in names) else names

    @property
    def types(self) -> tuple[str, ...] | None:
        """c for each categorical column and q for others, or None where none is."""
        if not self.categorical:
            return None
        return tuple("c" if n in self.categorical else "q" for n in range(self.number))


class DistributedBooster:
    """A booster of a library, fitted on rows in partitions; mixed into the library's estimator."""

    _kind: ClassVar[Kind]
    _counterpart: ClassVar[Any]
    _errors: ClassVar[tuple[type[Exception], ...]]

    if TYPE_CHECKING:
        early_stopping_rounds: int | None
        validation_fraction: float | None
        segment_rounds: int
        watch_training: bool
        layout: str
        random_state: Any
        n_features_in_: int

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        group: Any = None,
        feature_names: Sequence[str] | None = None,
        categorical: Sequence[int] = (),
    ) -> Any:
        """Train the booster.

        Parameters
        ----------
        X : array, CSR matrix or DataFrame of shape (n_samples, n_features), Dask array or \
DataFrame, Partitions or Collective
            Missing values are NaN.
        y : array of shape (n_samples,), optional
            Labels of any type, numbers, or relevance; not where the partitions hold them already.
        sample_weight : array of shape (n_samples,), optional
            Likewise.
        group : array of shape (n_samples,), optional
            The query of each row, to rank. Rows of a query need not lie together.
        feature_names : sequence of str, optional
            Names of the columns where X has none.
        categorical : sequence of int
            Columns that hold the numbers of categories, from 0; negative ones are unknown.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For parameters and data that the library or this module cannot take.
        BadJob
            When the workers have too little memory.
        """
        self._check_parameters()
        if not is_partitioned(X):
            X, y, sample_weight, feature_names = self._check_arrays(
                X, y, sample_weight, group, feature_names
            )
        elif is_dask(X) and feature_names is None and hasattr(X, "columns"):
            feature_names = [str(name) for name in X.columns]
        with (
            as_value_error(*self._errors),
            opened(X, y, sample_weight=sample_weight, group=group) as collective,
        ):
            if sum(collective.rows) == 0:
                raise ValueError("Found array with 0 sample(s) while a minimum of 1 is required.")
            names = None if feature_names is None else tuple(feature_names)
            columns = Columns(collective.n_features, names, tuple(categorical))
            self._train(collective, columns)
        return self

    def check_memory(
        self,
        workers: Sequence[Worker],
        rows: int,
        n_features: int,
        *,
        n_classes: int = 0,
        block_bytes: int = 0,
    ) -> None:
        """Raise BadJob where workers cannot train on so many rows, before any of them is read.

        Parameters
        ----------
        workers : sequence of Worker
            Who would train; rows are taken to be dealt to them evenly.
        rows, n_features : int
            Of the training data.
        n_classes : int
            Classes of the target, as far as they are known.
        block_bytes : int
            Memory of the largest partition.
        """
        plan = RowPlan(self._kind, (rows,), classes=np.arange(n_classes) if n_classes else None)
        trial = clone(self).set_params(monotone_constraints=None, interaction_constraints=None)
        training = trial._training(plan, Columns(n_features), 0)
        size = Size(
            rows=rows,
            n_features=n_features,
            n_rounds=1,
            read_row_bytes=0,
            row_bytes=training.row_bytes,
            disk_row_bytes=training.disk_row_bytes,
            block_bytes=block_bytes,
        )
        choose_layout(workers, [rows // len(workers)] * len(workers), size)

    def _train(self, collective: AnyCollective, columns: Columns) -> None:
        classes, counts = None, None
        if self._kind == "classification":
            classes, counts = find_classes(collective)
        seed = draw_seed(self.random_state)
        plan = RowPlan(
            kind=self._kind,
            rows=tuple(collective.rows),
            seed=seed or 0,
            validation_fraction=self._validating_share(),
            classes=classes,
            class_weight=self._weigh_classes(classes, counts),
        )
        if plan.validation_fraction and not any(map(plan.n_validating, range(len(plan.rows)))):
            raise ValueError(
                f"validation_fraction={self.validation_fraction} of {sum(plan.rows)} rows is none"
            )
        course = Boosting(collective, self._training(plan, columns, seed)).run()
        self._take_course(course, plan, columns)
        self.history_ = {name: list(values) for name, values in course.history.items()}
        self.n_rounds_, self.watched_, self.best_round_ = course.rounds, course.watched, course.best

    def _training(self, plan: RowPlan, columns: Columns, seed: int | None) -> Training:
        """Return how the library trains."""
        raise NotImplementedError

    def _take_course(self, course: Course, plan: RowPlan, columns: Columns) -> None:
        """Become fitted."""
        raise NotImplementedError

    def _weigh_classes(self, classes: Any, counts: Any) -> tuple[float, ...] | None:
        return None

    def _validating_share(self) -> float:
        return 0.0 if self.early_stopping_rounds is None else float(self.validation_fraction or 0)

    def _schedule(self, n_rounds: int, *, segment_rounds: int, truncates: bool) -> Schedule:
        return Schedule(n_rounds, segment_rounds, self.early_stopping_rounds, truncates)

    def _check_parameters(self) -> None:
        for name in ("early_stopping_rounds", "segment_rounds"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int | np.integer) or value < 1):
                raise ValueError(f"{name} must be a number of rounds, not {value!r}")
        if self.layout not in LAYOUTS:
            raise ValueError(f"layout must be one of {', '.join(LAYOUTS)}, not {self.layout!r}")
        fraction = self.validation_fraction
        if fraction is None or not 0 < fraction < 1:
            raise ValueError(f"validation_fraction must be between 0 and 1, not {fraction!r}")

    def _check_arrays(
        self, X: Any, y: Any, weight: Any, group: Any, names: Sequence[str] | None
    ) -> tuple[Any, Any, Any, Sequence[str] | None]:
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None"
            )
        if self._kind == "ranking" and group is None:
            raise ValueError(f"{type(self).__name__} requires group to be passed")
        if names is None and hasattr(X, "columns"):
            names = [str(name) for name in X.columns]
        X, y = check_X_y(
            X, y, accept_sparse="csr", dtype=[np.float64, np.float32], ensure_all_finite=False,
            y_numeric=self._kind != "classification", estimator=self,
        )  # fmt: skip
        check_consistent_length(X, group)
        if self._kind == "classification":
            check_classification_targets(y)
        if weight is not None:
            weight = _check_sample_weight(weight, X)
        return X, y, weight, names

    def _follow(self, name: str, X: Any, **words: Any) -> Any:
        """Return what the library's method makes of X; of a Dask collection lazily, by chunks."""
        if is_dask(X):
            own = partial(getattr(self, name), **words)
            return apply_to_chunks(own, X, self.n_features_in_)
        return getattr(super(), name)(X, **words)


def as_names(metrics: Any) -> list[Any]:
    """Return the metrics of `eval_metric` as a list."""
    if metrics is None:
        return []
    return [metrics] if isinstance(metrics, str) or callable(metrics) else list(metrics)


def draw_seed(random_state: Any) -> int | None:
    """Return the seed that a `random_state` stands for; None leaves it to the library."""
    if random_state is None or isinstance(random_state, int | np.integer):
        return None if random_state is None else int(random_state)
    most = np.iinfo(np.int32).max
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(most))
    return int(check_random_state(random_state).randint(most))


@contextmanager
def as_value_error(*errors: type[Exception]) -> Iterator[None]:
    """Raise a library's errors as ValueError, in one line."""
    try:
        yield
    except errors as error:
        raise ValueError(_in_one_line(str(error))) from error


def _in_one_line(text: str) -> str:
    """Return what a library says, without where in its source it says so."""
    text = text.split("Stack trace:")[0].split("Objective candidate:")[0]
    text = re.sub(r"\[\d\d:\d\d:\d\d\] \S+:\d+: ", "", text)
    text = re.sub(r" at \S+, line \d+ \.", "", text)
    return " ".join(text.split())


def find_classes(collective: AnyCollective) -> tuple[Any, Any]:
    """Return the sorted labels of all training rows, and how many rows each has."""
    parts = [part for part in collective.map(count_labels) if part is not None]
    classes = np.unique(np.concatenate([labels for labels, _ in parts]))
    counts = np.zeros(len(classes), dtype=np.int64)
    for labels, rows in parts:
        counts[np.searchsorted(classes, labels)] += rows
    return classes, counts
