"""What a fitted K-means says of the rows of an open collective, where they lie."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from hpc_ml.estimators.lloyd_steps import Finish, label, measure_inertia
from hpc_ml.estimators.partitions import Block


def labels_of(
    model: Any, collective: Any, numbers: Iterable[int] | None = None
) -> list[np.ndarray]:
    """Return the labels of each partition that a model was fitted to, in as few bytes as go.

    Parameters
    ----------
    model : KMeans
        Fitted to this collective.
    collective : Collective
        Still open: partitions that know their labels need no pass.
    numbers : iterable of int, optional
        Which partitions; default all.
    """
    check_is_fitted(model)
    return collective.map(label, model._labelling, numbers)


def held_out_inertia(model: Any, collective: Any) -> float:
    """Return the inertia of the rows that the partitions hold out, by weight."""
    check_is_fitted(model)
    question = replace(model._labelling, keep_labels=False)
    ends = tuple(run.values for run in question.runs)
    (answer,) = collective.reduce(_measure_held_out, Finish(question, ends))
    return float(answer[0])


def _measure_held_out(block: Block, finish: Finish, memory: dict[str, Any]) -> Any:
    if block.held_out is None:
        return tuple(np.zeros(1 + len(run.values)) for run in finish.question.runs)
    return measure_inertia(block.held_out, finish, {})
