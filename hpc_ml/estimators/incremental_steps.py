"""The steps of incremental training that workers take over a partition."""

import inspect
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.utils.multiclass import check_classification_targets

from hpc_ml.estimators.incremental_data import TrainingBlock
from hpc_ml.estimators.incremental_order import TrainingOrder, take
from hpc_ml.estimators.partitions import Block

Memory = dict[str, Any]


@dataclass
class Journey:
    """A model on its way from partition to partition, through one epoch.

    Parameters
    ----------
    model : estimator
        With `partial_fit`; it is trained in place.
    order : TrainingOrder
        The rows of each call.
    epoch : int
        The epoch, from 0.
    classes : ndarray or None
        All labels, where the estimator asks for them ahead.
    calls, samples : int
        Calls of `partial_fit` and rows so far.
    """

    model: Any
    order: TrainingOrder
    epoch: int = 0
    classes: np.ndarray | None = None
    calls: int = 0
    samples: int = 0


def train(block: TrainingBlock, journey: Journey, memory: Memory) -> Journey:
    """Train the model on one partition."""
    _check_labels(block, journey.classes, memory)
    if block.weight is not None and not accepts(journey.model, "sample_weight"):
        raise ValueError(f"{type(journey.model).__name__}.partial_fit takes no sample_weight")
    known = {} if journey.classes is None else {"classes": journey.classes}
    for rows in journey.order.batches(len(block), block.number, journey.epoch):
        X, y = take(block.X, rows), take(block.y, rows)
        weight = {} if block.weight is None else {"sample_weight": take(block.weight, rows)}
        journey.model.partial_fit(X, y, **known, **weight)
        journey.calls += 1
        journey.samples += X.shape[0]
    return journey


def _check_labels(block: TrainingBlock, classes: np.ndarray | None, memory: Memory) -> None:
    """Raise ValueError for a label that is none of the classes: `partial_fit` would not."""
    if classes is None or "labels_checked" in memory:
        return
    known = np.isin(block.y, classes)
    if not known.all():
        stranger = block.y[~known][:1].tolist()[0]
        raise ValueError(f"y holds {stranger!r}, which is none of the classes {classes.tolist()}")
    memory["labels_checked"] = True


def find_labels(block: Block, state: None, memory: Memory) -> np.ndarray | None:
    """Return the labels of a partition, or None where it has no rows."""
    if not len(block):
        return None
    if block.y is None:
        raise ValueError("a classifier needs y, the labels")
    check_classification_targets(block.y)
    return np.unique(block.y)


def touch(block: Block, state: None, memory: Memory) -> None:
    """Have the partition read, so that the workers do so at the same time."""


@dataclass
class Fitting:
    """A transformer that learns from one partition after another, behind those that have."""

    transformer: Any
    before: tuple[Any, ...] = field(default_factory=tuple)


def fit_transformer(block: Block, fitting: Fitting, memory: Memory) -> Fitting:
    """Let the transformer learn from one partition."""
    if len(block):
        X = block.X
        for step in fitting.before:
            X = step.transform(X)
        fitting.transformer.partial_fit(X)
    return fitting


def accepts(model: Any, argument: str) -> bool:
    """Return whether the model's `partial_fit` takes an argument of this name."""
    return argument in inspect.signature(model.partial_fit).parameters
