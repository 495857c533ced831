"""XGBoost's side of a worker that trains: quantile matrix, rounds, and the messages between them.

https://xgboost.readthedocs.io/en/stable/tutorials/external_memory.html and
https://xgboost.readthedocs.io/en/stable/python/python_api.html#module-xgboost.collective
"""

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xgboost
from threadpoolctl import threadpool_limits
from xgboost.collective import CommunicatorContext

from hpc_ml.estimators.boosting_orders import Begin, Muster, Ready, Recipe, Round
from hpc_ml.estimators.boosting_quiet import muted
from hpc_ml.estimators.boosting_rows import Part, join, load_parts, load_validation
from hpc_ml.estimators.xgboost_network import end_tracker

if TYPE_CHECKING:
    from hpc_ml.estimators.holder import Holder

Parts = Callable[[], Iterable[Part]]
# As xgboost.callback.EarlyStopping has them.
_MAXIMISED = ("auc", "aucpr", "pre", "map", "ndcg")
_DRAWS = (
    "subsample", "colsample_bytree", "colsample_bylevel", "colsample_bynode",
)  # fmt: skip
# A worker whose process ends closes its sockets; this is for a host that vanishes.
_MESSAGE_LIMIT_S = 1800


class XgboostTrainer:
    """A booster on one worker, alone or with others."""

    OWN_ROWS = False

    def __init__(self, holder: "Holder", muster: Muster) -> None:
        self._recipe: Recipe = muster.recipe
        self._params = dict(self._recipe.params) | {"n_jobs": muster.threads}
        self._booster: Any = None
        self._training: Any = None
        self._validating: Any = None
        self._validation: Part | None = None
        self._rounds = 0
        self._resources = ExitStack()
        # XGBoost takes OpenMP's limit, of one for a worker's steps, above its own parameter.
        limits = threadpool_limits(limits=muster.threads, user_api="openmp")
        self._resources.enter_context(limits)
        with self._all_or_none():
            self._build(holder, muster)

    def ready(self) -> Ready:
        rows = self._validation
        if rows is None or not self._recipe.scorers:
            return Ready()
        return Ready(y=rows.y, weight=rows.weight)

    def begin(self, begin: Begin) -> None:
        """Start a segment; what was drawn in the segments before has no part in it."""
        model = begin.model
        if self._booster is not None and self._draws:
            # What draws rows and columns cannot be seeded anew: it is made anew.
            model = self.export(self._rounds)
        if self._booster is None or model is not None:
            params = self._params | ({} if begin.seed is None else {"seed": begin.seed})
            sets = [self._training] + ([self._validating] if self._validating else [])
            start = None if model is None else bytearray(model)
            with self._all_or_none():
                self._booster = xgboost.Booster(params, sets, model_file=start)
        self._rounds = begin.rounds

    def advance(self, rounds: int) -> list[Round]:
        """Train some rounds and return what was measured after each."""
        measured = []
        with self._all_or_none():
            for _ in range(rounds):
                self._booster.update(self._training, iteration=self._rounds)
                measured.append(self._measure())
                self._rounds += 1
        return measured

    def export(self, rounds: int) -> bytes:
        """Return the model of the first rounds as UBJSON."""
        booster = self._booster if rounds == self._rounds else self._booster[:rounds]
        return bytes(booster.save_raw("ubj"))

    def close(self) -> None:
        """Leave the other workers, and free the matrices."""
        self._booster = self._training = self._validating = None
        self._validation = None
        with muted():  # leaving is tried again where the first worker has gone, and said each time
            self._resources.close()

    @staticmethod
    def watch(network: Mapping[str, Any]) -> AbstractContextManager[Any]:
        """Return nothing to do: its communicator hears itself of a worker that has gone."""
        return nullcontext()

    @staticmethod
    def is_left_alone(error: Exception) -> bool:
        """Return whether an error only says that another worker has gone."""
        return isinstance(error, xgboost.core.XGBoostError) and "/collective/" in str(error)

    @contextmanager
    def _all_or_none(self) -> Iterator[None]:
        """Where this rank cannot go on, let others, which may be this worker's, not wait for it."""
        try:
            yield
        except BaseException:
            self.close()
            raise

    @property
    def _draws(self) -> bool:
        drawn = any((self._params.get(name) or 1) < 1 for name in _DRAWS)
        return drawn or self._params.get("booster") == "dart"

    def _build(self, holder: "Holder", muster: Muster) -> None:
        plan, numbers = self._recipe.plan, muster.numbers
        bins = muster.bins
        # Binned before the workers are joined: the same everywhere, without a message.
        reference = None if bins is None else self._matrix(lambda: [bins])
        if muster.network:
            self._join(holder, muster)

        def parts() -> Iterable[Part]:
            found = load_parts(holder, numbers, plan)
            # Each pass over each part costs: one is the fastest. Groups must not be torn apart.
            joined = muster.at_once or plan.kind == "ranking"
            return [join(list(found), plan)] if joined else found

        if muster.at_once:
            whole = list(parts())
            self._training = self._matrix(lambda: whole, reference)
        else:
            cache = self._cache_folder() if muster.mode == "disk" else None
            self._training = self._matrix(parts, reference, cache)
        self._validation = load_validation(holder, numbers, plan)
        if plan.validation_fraction:
            # Metrics are messages too: a worker without such rows takes part in them.
            rows = self._validation or next(iter(parts())).take(slice(0, 0))
            self._validating = self._matrix(lambda: [rows], self._training)

    def _join(self, holder: "Holder", muster: Muster) -> None:
        self._resources.callback(end_tracker, holder)
        args = {
            **muster.network,
            "dmlc_task_id": f"{muster.rank:06d}",
            "dmlc_timeout": _MESSAGE_LIMIT_S,
        }
        communicator = CommunicatorContext(**args)
        with muted():  # it says its rank, whatever the verbosity
            self._resources.enter_context(communicator)

    def _matrix(self, parts: Parts, reference: Any = None, cache: Path | None = None) -> Any:
        if not self._is_binned:
            part = join(list(parts()), self._recipe.plan)
            return xgboost.DMatrix(
                part.X,
                missing=self._recipe.missing,
                nthread=self._params["n_jobs"],
                enable_categorical=self._recipe.feature_types is not None,
                **_describe(part, self._recipe),
            )
        rows = _Rows(parts, self._recipe, self._on_device, cache)
        settings = {
            "missing": self._recipe.missing, "nthread": self._params["n_jobs"],
            "max_bin": self._params.get("max_bin"), "ref": reference,
            "enable_categorical": self._recipe.feature_types is not None,
        }  # fmt: skip
        if cache is not None:
            return xgboost.ExtMemQuantileDMatrix(rows, **settings)
        return xgboost.QuantileDMatrix(rows, **settings)

    def _cache_folder(self) -> Path:
        from distributed import get_worker

        try:
            folder = get_worker().local_directory
        except ValueError:
            folder = None
        cache = tempfile.mkdtemp(prefix="xgboost-", dir=folder)
        self._resources.callback(shutil.rmtree, cache, ignore_errors=True)
        return Path(cache)

    @property
    def _is_binned(self) -> bool:
        """Whether the method takes quantile matrices, as `xgboost.sklearn` has it."""
        method = self._params.get("tree_method", "auto")
        return method in ("auto", "hist") and self._params.get("booster") != "gblinear"

    @property
    def _on_device(self) -> bool:
        return str(self._params.get("device") or "cpu").startswith(("cuda", "gpu"))

    def _measure(self) -> Round:
        recipe = self._recipe
        sets = [(self._training, "train")] if recipe.watch_training else []
        if self._validating is not None and (recipe.metrics or not recipe.scorers):
            sets.append((self._validating, "validation"))
        metrics, maximise = {}, {}
        words = self._booster.eval_set(sets, self._rounds).split()[1:] if sets else []
        for word in words:
            rows, _, rest = word.partition("-")
            metric, _, value = rest.rpartition(":")
            metrics[f"{rows}_{metric}"] = float(value)
            maximise[f"{rows}_{metric}"] = _is_maximised(metric)
        predicted = None
        if recipe.scorers and self._validation is not None:
            predicted = self._booster.predict(self._validating)
        return Round(metrics, maximise, predicted)


class _Rows(xgboost.DataIter):
    """Hands XGBoost one part after another, as often as it passes over them."""

    def __init__(self, parts: Parts, recipe: Recipe, on_device: bool, cache: Path | None) -> None:
        self._parts = parts
        self._recipe = recipe
        self._on_device = on_device
        self._rest: Iterator[Part] = iter(())
        super().__init__(cache_prefix=None if cache is None else str(cache / "rows"))

    def reset(self) -> None:
        self._rest = iter(self._parts())

    def next(self, input_data: Callable[..., Any]) -> bool:
        part = next(self._rest, None)
        if part is None:
            return False
        X = _to_device(part.X) if self._on_device else part.X
        input_data(data=X, **_describe(part, self._recipe))
        return True


def _describe(part: Part, recipe: Recipe) -> dict[str, Any]:
    """Return what XGBoost is told of rows beside their values."""
    names, types = recipe.feature_names, recipe.feature_types
    return {
        "label": part.y,
        "weight": _weights(part),
        "qid": part.group,
        "feature_names": None if names is None else list(names),
        "feature_types": None if types is None else list(types),
        "feature_weights": recipe.feature_weights,
    }


def _weights(part: Part) -> Any:
    """Return weights as XGBoost takes them: of groups, where there are groups."""
    if part.weight is None or part.group is None:
        return part.weight
    return part.weight[np.unique(part.group, return_index=True)[1]]


def _to_device(X: Any) -> Any:
    """Return rows on the GPU where CuPy is there to take them, so that they are binned there."""
    try:
        import cupy  # type: ignore[import-not-found]
    except ImportError:
        return X
    return X if hasattr(X, "tocsr") else cupy.asarray(X)


def _is_maximised(metric: str) -> bool:
    return metric != "mape" and metric.startswith(_MAXIMISED)
