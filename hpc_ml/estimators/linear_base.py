"""What the linear models share: how they take data, the whole of small data, their counterpart."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy.sparse import issparse, vstack
from sklearn.utils.validation import _check_sample_weight, validate_data
from threadpoolctl import threadpool_limits

from hpc_ml.estimators.inputs import AnyCollective, is_dask, is_partitioned, learn_names, opened
from hpc_ml.estimators.partitions import Block

# Where there are no more rows than columns, the rows are no larger than the sums of products of
# the columns would be; up to this size they are solved whole by scikit-learn itself.
_WHOLE_BYTES = 2**28

# What the fitted models have beside scikit-learn's attributes.
_OWN_ATTRIBUTES = ("history_", "loss_")


class DistributedLinearModel:
    """A linear model of scikit-learn's that is fitted on rows in partitions.

    A subclass derives from its counterpart too, whose parameters, checks and predictions it has.
    """

    _counterpart: ClassVar[Any]
    _checks: ClassVar[Mapping[str, Any]] = {}

    if TYPE_CHECKING:
        n_features_in_: int

        def get_params(self, deep: bool = True) -> dict[str, Any]: ...
        def _validate_params(self) -> None: ...

    def validate_parameters(self) -> None:
        """Raise ValueError for parameters that `fit` would refuse, whatever the rows."""
        self._validate_params()

    def predict(self, X: Any) -> Any:
        """Predict as the counterpart does; of a Dask collection lazily, chunk by chunk."""
        return self._follow("predict", X)

    def _follow(self, name: str, X: Any) -> Any:
        if is_dask(X):
            local = self.local_estimator()
            return apply_to_chunks(getattr(local, name), X, self.n_features_in_)
        return getattr(super(), name)(X)

    def local_estimator(self) -> Any:
        """Return scikit-learn's own estimator, fitted as this one is."""
        local = self._counterpart(**self.get_params(deep=False))
        for name, value in vars(self).items():
            if name == "_base_loss" or (name.endswith("_") and name not in _OWN_ATTRIBUTES):
                setattr(local, name, value)
        return local

    @contextmanager
    def _open(self, X: Any, y: Any, sample_weight: Any) -> Iterator[AnyCollective]:
        """Let the block take steps over checked rows; the columns' number and names are learned."""
        if getattr(self, "_skl_callbacks", None):
            raise ValueError("callbacks cannot follow the rows to the workers: use set_callbacks()")
        if not is_partitioned(X):
            X, y = validate_data(self, X, y, dtype=[np.float64, np.float32], **self._checks)
            if sample_weight is not None:
                sample_weight = _check_sample_weight(sample_weight, X, dtype=X.dtype)
        elif not is_dask(X) and (y is not None or sample_weight is not None):
            raise ValueError("partitions hold their targets and weights: leave y and weights out")
        # One native thread here too: coefficients must not depend on the cores of this host.
        with threadpool_limits(1), opened(X, y, sample_weight=sample_weight) as collective:
            if sum(collective.rows) == 0:
                raise ValueError("Found array with 0 sample(s) while a minimum of 1 is required.")
            if is_partitioned(X):
                self.n_features_in_ = collective.n_features
                learn_names(self, X)
            yield collective

    def _state_name(self, collective: AnyCollective) -> str:
        """Return what the state of this very fit is kept under."""
        params = sorted(self.get_params().items())
        facts = repr((collective.partitions.key, params)).encode()
        return f"{type(self).__name__.lower()}-{blake2b(facts, digest_size=8).hexdigest()}"

    def _fit_whole(self, collective: AnyCollective) -> None:
        """Fit by the counterpart on all rows at once, here."""
        X, y, weight = gather_rows(collective)
        local = self._counterpart(**self.get_params(deep=False))
        local.fit(X, y, sample_weight=weight)
        for name, value in vars(local).items():
            if name.endswith("_") and name not in ("n_features_in_", "feature_names_in_"):
                setattr(self, name, value)


def is_small_and_wide(collective: AnyCollective) -> bool:
    """Say whether the rows are few enough to be solved whole."""
    few = sum(collective.rows) <= collective.n_features
    return few and sum(collective.partitions.bytes_each) <= _WHOLE_BYTES


def gather_rows(collective: AnyCollective) -> tuple[Any, Any, Any]:
    """Return X, y and weights (or None) of all rows."""
    parts = [part for part in collective.map(_hand_over) if part[0].shape[0]]
    X, y, weight = zip(*parts, strict=True)
    return (
        vstack(X).tocsr() if issparse(X[0]) else np.concatenate(X),
        np.concatenate(y),
        None if weight[0] is None else np.concatenate(weight),
    )


def _hand_over(block: Block, state: None, memory: dict[str, Any]) -> tuple[Any, Any, Any]:
    return block.X, block.y, block.weight


@dataclass(frozen=True)
class Targets:
    """What is known of the target before a model is fitted.

    Attributes
    ----------
    dtype : dtype
        Of the features.
    weight_sum : float
        Sum of the weights of all rows.
    mean : float
        Weighted mean of the target.
    smallest : float
        Its smallest value.
    """

    dtype: Any
    weight_sum: float
    mean: float
    smallest: float


def survey_targets(collective: AnyCollective) -> Targets:
    """Return what is known of a target of numbers, by one pass."""
    found = [part for part in collective.map(_survey) if part is not None]
    dtypes, weights, sums, smallest = zip(*found, strict=True)
    weight_sum = check_weight_sum(sum(weights))
    return Targets(np.result_type(*dtypes), weight_sum, sum(sums) / weight_sum, min(smallest))


def check_weight_sum(weight_sum: float) -> float:
    """Return the sum. Raises ValueError where no row counts."""
    if not weight_sum > 0:
        raise ValueError("the sample weights sum to zero: no row counts")
    return float(weight_sum)


def _survey(
    block: Block, state: None, memory: dict[str, Any]
) -> tuple[Any, float, float, float] | None:
    if not len(block):
        return None
    y = np.asarray(block.y, dtype=np.float64)
    weight = np.ones(len(y)) if block.weight is None else np.asarray(block.weight, dtype=np.float64)
    return block.X.dtype, float(weight.sum()), float(weight @ y), float(y.min())


def apply_to_chunks(method: Callable[[Any], Any], X: Any, n_features: int) -> Any:
    """Return a Dask collection of what a method of a fitted model makes of each chunk of X."""
    if hasattr(X, "map_partitions"):
        nothing = method(X._meta_nonempty)[:0]
        return X.map_partitions(_apply, method, nothing, meta=nothing)
    nothing = method(np.zeros((1, n_features), dtype=X.dtype))[:0]
    X = X.rechunk({1: -1})
    if nothing.ndim == 1:
        return X.map_blocks(_apply, method, nothing, dtype=nothing.dtype, drop_axis=1)
    chunks = (X.chunks[0], nothing.shape[1:])
    return X.map_blocks(_apply, method, nothing, dtype=nothing.dtype, chunks=chunks)


def _apply(chunk: Any, method: Callable[[Any], Any], nothing: Any) -> Any:
    return method(chunk) if len(chunk) else nothing
