"""Fits that share the first steps of their pipelines with others in the same process."""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.model_selection._validation import _score
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _check_method_params, _num_samples

from hpc_ml.estimators.prefixes import Prefix
from hpc_ml.estimators.resident import Resident


class CannotShareError(Exception):
    """These rows cannot be kept safe from the fits that would share them."""


@dataclass(frozen=True)
class Fold:
    """The rows of one fold, by number.

    Parameters
    ----------
    key : str
        What tells the fold from all others of the search.
    train, test : ndarray of int, shape (n_rows,)
        Numbers of the rows.
    """

    key: str
    train: Any
    test: Any


@dataclass(frozen=True)
class _Rows:
    """The rows of a fold as they leave a step.

    Fitting sees `train`, what `fit_transform` returned; scoring the training rows sees `seen`,
    what `transform` makes of them, which need not be the same.
    """

    train: Any
    test: Any
    seen: Any

    def __sizeof__(self) -> int:
        from dask.sizeof import sizeof

        distinct = {id(part): part for part in (self.train, self.test, self.seen)}
        return sum(int(sizeof(part)) for part in distinct.values())


def fit_sharing(
    resident: Resident, fold: Fold, parameters: Mapping[str, Any], prefix: Prefix
) -> dict[str, Any]:
    """Fit and score one candidate on one fold, with the first steps' rows from the cache.

    Returns what `sklearn.model_selection._validation._fit_and_score` does, and raises whatever
    goes wrong.
    """
    recipe = resident.recipe
    X, y = resident.arrays()
    start_s = time.perf_counter()
    pipeline = clone(recipe.estimator).set_params(**clone(parameters, safe=False))
    rows = _Steps(resident, fold, prefix, pipeline).rows(len(prefix.keys))
    tail = Pipeline(pipeline.steps[len(prefix.keys) :])
    fit_params = _check_method_params(X, params=recipe.fit_params, indices=fold.train)
    y_train, y_test = (
        (None, None) if y is None else (_safe_indexing(y, fold.train), _safe_indexing(y, fold.test))
    )
    tail.fit(_own(rows.train), y_train, **fit_params)
    fitted_s = time.perf_counter()
    scores = {"test_scores": _evaluate(resident, tail, rows.test, y_test, fold.test)}
    scored_s = time.perf_counter()
    if recipe.return_train_score:
        scores["train_scores"] = _evaluate(resident, tail, rows.seen, y_train, fold.train)
    return scores | {
        "fit_time": fitted_s - start_s,
        "score_time": scored_s - fitted_s,
        "n_test_samples": _num_samples(rows.test),
        "fit_error": None,
    }


def _evaluate(resident: Resident, tail: Pipeline, rows: Any, y: Any, numbers: Any) -> Any:
    recipe = resident.recipe
    score_params = _check_method_params(
        resident.arrays()[0], params=recipe.score_params, indices=numbers
    )
    return _score(tail, _own(rows), y, recipe.scorer, score_params, "raise")


class _Steps:
    """The first steps of one candidate on one fold."""

    def __init__(self, resident: Resident, fold: Fold, prefix: Prefix, pipeline: Pipeline) -> None:
        self._resident = resident
        self._fold = fold
        self._prefix = prefix
        self._steps = [step for _, step in pipeline.steps]

    def rows(self, depth: int) -> _Rows:
        """Return the fold's rows after the first `depth` steps."""
        if depth == self._prefix.hoisted:
            return self._split(self._hoisted() if depth else self._resident.arrays()[0])
        if not self._prefix.kept[depth - 1]:
            return self._transform(depth)
        key = (self._fold.key, self._prefix.keys[depth - 1])
        return self._resident.derived.get(key, lambda: _protect(self._transform(depth)))

    def _hoisted(self) -> Any:
        """Return all rows after the steps that look at each row alone."""
        count = self._prefix.hoisted
        return self._resident.derived.get(self._prefix.keys[count - 1], self._transform_all)

    def _transform_all(self) -> Any:
        X, y = self._resident.arrays()
        for step in self._steps[: self._prefix.hoisted]:
            if step is not None and step != "passthrough":
                X = step.fit_transform(X, y)
        if not issparse(X) or X.format != "csr":
            raise CannotShareError(f"rows of type {type(X).__name__}")
        return X

    def _split(self, X: Any) -> _Rows:
        train = _safe_indexing(X, self._fold.train)
        return _Rows(train, _safe_indexing(X, self._fold.test), train)

    def _transform(self, depth: int) -> _Rows:
        # Read-only also where nothing is kept: a step that fits in place sees rows twice.
        before = _protect(self.rows(depth - 1))
        step = self._steps[depth - 1]
        if step is None or step == "passthrough":
            return before
        y = self._resident.arrays()[1]
        y_train = None if y is None else _safe_indexing(y, self._fold.train)
        if hasattr(step, "fit_transform"):
            train = step.fit_transform(_own(before.train), y_train)
        else:
            train = step.fit(_own(before.train), y_train).transform(_own(before.train))
        test = step.transform(_own(before.test))
        scored = self._resident.recipe.return_train_score
        seen = step.transform(_own(before.seen)) if scored else train
        return _Rows(train, test, seen)


def _protect(rows: _Rows) -> _Rows:
    for part in (rows.train, rows.test, rows.seen):
        _freeze(part)
    return rows


def _freeze(part: Any) -> None:
    """Make rows read-only: a step that changes its input in place must not change another's."""
    if isinstance(part, np.ndarray):
        part.setflags(write=False)
    elif issparse(part) and part.format in ("csr", "csc"):
        for array in (part.data, part.indices, part.indptr):
            array.setflags(write=False)
    elif not _is_table(part) and not isinstance(part, list):
        raise CannotShareError(f"rows of type {type(part).__name__}")


def _own(part: Any) -> Any:
    """Return a table as a copy, which nothing makes read-only; all else as it is."""
    return part.copy() if _is_table(part) else part


def _is_table(part: Any) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(part, pandas.DataFrame | pandas.Series)
