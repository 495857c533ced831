"""What a meta-estimator over `partial_fit` is made of: steps that make features, and the last."""

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags

from hpc_ml.estimators.incremental_order import draw_seed
from hpc_ml.estimators.incremental_steps import (
    Fitting,
    find_labels,
    fit_transformer,
    touch,
)

if TYPE_CHECKING:
    from hpc_ml.estimators.inputs import AnyCollective


def split_pipeline(estimator: Any) -> tuple[list[Any], Any]:
    """Return the first steps and the last of a pipeline, or no steps and the estimator.

    Raises
    ------
    ValueError
        Where the last step has no `partial_fit`, or a step before it can be fitted neither by
        partitions nor not at all.
    """
    steps = [step for _, step in _steps(estimator)]
    last = steps.pop()
    if not hasattr(last, "partial_fit"):
        raise ValueError(f"{type(last).__name__} has no partial_fit")
    for step in steps:
        if needs_fit(step) and not hasattr(step, "partial_fit"):
            raise ValueError(
                f"{type(step).__name__} needs all rows at once: a step before the last must have "
                "partial_fit, or need no fit"
            )
    return steps, last


def join_pipeline(estimator: Any, steps: Sequence[Any], last: Any) -> Any:
    """Return a fitted estimator of the same form as the unfitted one."""
    if not isinstance(estimator, Pipeline):
        return last
    fitted = iter([*steps, last])
    named = [(name, step if _passes(step) else next(fitted)) for name, step in estimator.steps]
    return Pipeline(named)


def _steps(estimator: Any) -> list[tuple[str, Any]]:
    if not isinstance(estimator, Pipeline):
        return [("", estimator)]
    return [(name, step) for name, step in estimator.steps if not _passes(step)]


def _passes(step: Any) -> bool:
    return step is None or isinstance(step, str)


def needs_fit(step: Any) -> bool:
    """Return whether a transformer learns anything from rows."""
    return bool(get_tags(step).requires_fit)


def first_step(estimator: Any) -> Any:
    """Return what the rows come to first."""
    return _steps(estimator)[0][1]


def clone_seeded(estimator: Any, random_state: Any) -> Any:
    """Return an unfitted copy whose unset random states have a seed, so that it is repeatable."""
    copied = clone(estimator)
    unset = {
        name: draw_seed(random_state)
        for name, value in copied.get_params(deep=True).items()
        if (name == "random_state" or name.endswith("__random_state")) and value is None
    }
    return copied.set_params(**unset) if unset else copied


def read_classes(collective: "AnyCollective", given: Any) -> np.ndarray:
    """Return the labels: those that are given, sorted, else those of all partitions.

    Raises ValueError where the labels are no classes, or fewer than two.
    """
    if given is not None:
        return np.unique(np.asarray(given))
    found = [labels for labels in collective.map(find_labels) if labels is not None]
    classes = np.unique(np.concatenate(found)) if found else np.array([])
    if len(classes) < 2:
        only = f"one class, {classes[0]!r}" if len(classes) else "no classes"
        raise ValueError(f"a classifier needs 2 classes at least; y has {only}")
    return classes


def fit_steps(collective: "AnyCollective", steps: Sequence[Any]) -> list[Any]:
    """Return the steps fitted, each by `partial_fit` over partitions 0, 1, 2 .. in turn.

    Each that learns takes one pass over the data; the model is trained on what they make.
    """
    fitted: list[Any] = []
    for step in steps:
        if needs_fit(step):
            fitting = Fitting(copy.deepcopy(step), tuple(fitted))
            numbers = range(collective.n_partitions)
            fitting = collective.visit(fit_transformer, fitting, numbers)
            fitted.append(fitting.transformer)
        else:
            fitted.append(step)
    return fitted


def read_all(collective: "AnyCollective") -> None:
    """Have all workers read what they hold at the same time, where it stays in memory."""
    if collective.resident:
        collective.map(touch)
