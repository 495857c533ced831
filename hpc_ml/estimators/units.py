"""What runs on a worker: a batch of fits, and the last fit on all rows."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from traceback import format_exc
from typing import Any

import cloudpickle
from sklearn.base import clone
from sklearn.model_selection._validation import _fit_and_score

from hpc_ml.errors import TaskFailed
from hpc_ml.estimators.model_threads import limit_threads, thread_parameters
from hpc_ml.estimators.outcomes import Record, make_record
from hpc_ml.estimators.prefixes import Prefix
from hpc_ml.estimators.recipe import Recipe, unpack
from hpc_ml.estimators.resident import Resident, align
from hpc_ml.estimators.sharing import Fold, fit_sharing
from hpc_ml.estimators.worker_process import Heard, listening, native_threads, settings


@dataclass(frozen=True, eq=False)
class Unit:
    """One candidate on one fold.

    Parameters
    ----------
    key : str
        Its name in the checkpoint: iteration/candidate/fold.
    candidate, fold : int
        Number of the candidate among those of this iteration, and of the fold.
    parameters : mapping
        Parameters of the candidate.
    prefix : Prefix or None
        The first steps that it shares with other candidates.
    of : str
        What tells these parameters and rows from others under the same key.
    """

    key: str
    candidate: int
    fold: int
    parameters: Mapping[str, Any]
    prefix: Prefix | None
    of: str

    @property
    def route(self) -> tuple[Any, ...]:
        """What it needs in the process that fits it, what most others need too first."""
        shared = self.prefix.route if self.prefix is not None else ()
        return (self.fold, *shared) if shared else ()


class Folds:
    """The folds of one iteration, aligned by who takes them."""

    def __init__(self, folds: Sequence[Fold]) -> None:
        self._folds = list(folds)

    def __getitem__(self, number: int) -> Fold:
        fold = self._folds[number]
        self._folds[number] = Fold(fold.key, align(fold.train), align(fold.test))
        return self._folds[number]


@dataclass
class Batch:
    """What became of a batch: records by unit, what was raised, what there was no time for."""

    records: dict[str, Record]
    raised: Exception | None
    seconds: float


def run_batch(resident: Resident, folds: Folds, packed: bytes, limit_s: float) -> Batch:
    """Fit and score units one after the other, and begin none after `limit_s` seconds."""
    units: list[Unit] = unpack(packed, "the parameters")
    start_s = time.perf_counter()
    batch = Batch({}, None, 0.0)
    with settings(resident):
        for unit in units:
            try:
                batch.records[unit.key] = _run_unit(resident, folds[unit.fold], unit)
            except Exception as error:
                batch.raised = _portable(error)
                break
            batch.seconds = time.perf_counter() - start_s
            if batch.seconds > limit_s:
                break
    return batch


def _run_unit(resident: Resident, fold: Fold, unit: Unit) -> Record:
    with listening() as heard:
        return make_record(_fit(resident, fold, unit, heard), heard, unit.of)


def _fit(resident: Resident, fold: Fold, unit: Unit, heard: Heard) -> dict[str, Any]:
    prefix = unit.prefix
    if prefix is None or prefix.keys[-1] in resident.unshareable:
        return _fit_whole(resident, fold, unit)
    try:
        return fit_sharing(resident, fold, _limited(resident.recipe, unit.parameters), prefix)
    except Exception:
        # Fitted whole it fails as scikit-learn would have it fail, or shows that it must not share.
        heard.clear()
        result = _fit_whole(resident, fold, unit)
        if result["fit_error"] is None:
            resident.unshareable.add(prefix.keys[-1])
        return result


def _fit_whole(resident: Resident, fold: Fold, unit: Unit) -> dict[str, Any]:
    recipe = resident.recipe
    X, y = resident.arrays()
    return _fit_and_score(
        clone(recipe.estimator),
        X,
        y,
        scorer=recipe.scorer,
        train=fold.train,
        test=fold.test,
        verbose=recipe.verbose,
        parameters=_limited(recipe, unit.parameters),
        fit_params=recipe.fit_params,
        score_params=recipe.score_params,
        return_train_score=recipe.return_train_score,
        return_n_test_samples=True,
        return_times=True,
        error_score=recipe.error_score,
    )


def _limited(recipe: Recipe, parameters: Mapping[str, Any]) -> dict[str, Any]:
    threads = native_threads(recipe)
    return limit_threads(recipe.estimator, recipe.thread_parameters, parameters, threads)


def refit(resident: Resident, packed: bytes) -> tuple[bytes, float, list[Any]]:
    """Fit one candidate on all rows; return the pickled model, the seconds and the warnings.

    Pickled, because arrays that travel by themselves arrive misaligned.
    """
    parameters = unpack(packed, "the best parameters")
    X, y = resident.arrays()
    with settings(resident), listening() as heard:
        model = clone(resident.recipe.estimator).set_params(**clone(parameters, safe=False))
        as_given = thread_parameters(model)
        model.set_params(**dict.fromkeys(as_given, native_threads(resident.recipe)))
        start_s = time.perf_counter()
        targets = () if y is None else (y,)
        model.fit(X, *targets, **resident.recipe.fit_params)
        seconds = time.perf_counter() - start_s
        model.set_params(**as_given)
    warned = [[category, *entry] for (category, _), entry in heard.items()]
    return cloudpickle.dumps(model), seconds, warned


def _portable(error: Exception) -> Exception:
    """Return an exception that reaches the controller, with where it was raised."""
    trace = format_exc()
    try:
        cloudpickle.loads(cloudpickle.dumps(error))
    except Exception:
        return TaskFailed(f"{type(error).__name__}: {error}")
    error.add_note(trace)
    return error
