"""The scores of a round, put together from what each worker measured on its own rows."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hpc_ml.estimators.boosting_metrics import score
from hpc_ml.estimators.boosting_orders import Ready, Round

# Means over groups, and means of squares under a root.
_BY_GROUP = ("ndcg", "map")
_ROOTS = ("rmse",)


class Panel:
    """Puts together the measures of workers.

    Parameters
    ----------
    ready : sequence of Ready
        What each worker said of its rows.
    scorers : mapping
        scikit-learn's scorers by the name that they are shown by.
    classes : ndarray or None
        Labels of a classification.
    own_rows : bool
        Whether the library's metrics are of a worker's own rows; else they are of all.
    """

    def __init__(
        self,
        ready: Sequence[Ready],
        scorers: Mapping[str, str],
        classes: Any,
        *,
        own_rows: bool,
    ) -> None:
        self._ready = ready
        self._scorers = scorers
        self._classes = classes
        self._own_rows = own_rows
        self._y = self._weight = None
        if scorers:
            codes = np.concatenate([one.y for one in ready if one.y is not None])
            self._y = codes if classes is None else classes[codes.astype(int)]
            weights = [one.weight for one in ready if one.weight is not None]
            self._weight = np.concatenate(weights) if weights else None

    def combine(self, rounds: Sequence[Round]) -> tuple[dict[str, float], dict[str, bool]]:
        """Return the value of each metric over all workers, and whether more of it is better."""
        metrics = dict(rounds[0].metrics)
        maximise = dict(rounds[0].maximise)
        if self._own_rows and len(rounds) > 1:
            maximise = {name: more for one in rounds for name, more in one.maximise.items()}
            metrics = {name: self._mean(name, rounds) for name in maximise}
        for shown, name in self._scorers.items():
            predicted = np.concatenate(
                [one.predicted for one in rounds if one.predicted is not None]
            )
            metrics[f"validation_{shown}"] = score(
                name, self._y, predicted, classes=self._classes, weight=self._weight
            )
            maximise[f"validation_{shown}"] = True
        return metrics, maximise

    def _mean(self, name: str, rounds: Sequence[Round]) -> float:
        rows, metric = name.split("_", 1)
        power = 2 if metric in _ROOTS else 1
        total = weights = 0.0
        for one, ready in zip(rounds, self._ready, strict=True):
            if name in one.metrics:
                measure = ready.measures[rows]
                weight = measure.groups if metric.startswith(_BY_GROUP) else measure.weight
                total += weight * one.metrics[name] ** power
                weights += weight
        return (total / weights) ** (1 / power) if weights else math.nan
