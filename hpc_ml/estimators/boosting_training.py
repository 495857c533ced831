"""All that decides what booster comes out of a training."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from hpc_ml.estimators.boosting_course import Schedule
from hpc_ml.estimators.boosting_orders import Recipe
from hpc_ml.estimators.inputs import AnyCollective

Network = Callable[[AnyCollective, Sequence[int]], AbstractContextManager[list[Mapping[str, Any]]]]


@dataclass(frozen=True)
class Training:
    """All that decides what booster comes out, and what its library needs.

    Parameters
    ----------
    recipe : Recipe
    schedule : Schedule
    seed : int or None
        None leaves the library's own default, in the first segment.
    row_bytes, disk_row_bytes : float
        See `Size`.
    network : callable
        Opens what lets the workers of some ranks find each other; its value is for each of them.
    watched : str
        The metric that early stopping follows; "" for the last one.
    of_all : mapping
        scikit-learn's scorers that, where several workers train, take the place of metrics which
        a worker cannot measure for the others.
    on_device : callable
        Returns parameters that are added where every worker that trains has a GPU.
    most_threads : int, optional
        Threads of a worker that the user allows.
    layout : str
        one or all where the user prefers it; else auto.
    """

    recipe: Recipe
    schedule: Schedule
    seed: int | None
    row_bytes: float
    network: Network
    disk_row_bytes: float | None = None
    watched: str = ""
    of_all: Mapping[str, str] = field(default_factory=dict)
    on_device: Callable[[], Mapping[str, Any]] = dict
    most_threads: int | None = None
    layout: str = "auto"

    def digest(self, data: str) -> str:
        """Return what the state of a training is known by.

        `data` is the key of its data.
        """
        recipe, schedule = self.recipe, self.schedule
        facts = {
            "data": data,
            "trainer": recipe.trainer.__name__,
            "params": {name: repr(value) for name, value in sorted(recipe.params.items())},
            "plan": repr(recipe.plan),
            "metrics": [recipe.metrics, dict(recipe.scorers)],
            "schedule": [schedule.n_rounds, schedule.segment_rounds, schedule.patience],
            "seed": self.seed,
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
