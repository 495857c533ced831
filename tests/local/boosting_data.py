"""Boosters and rows for them, and a checkpoint that stops or strikes a training."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import lightgbm
import numpy as np
import xgboost

from hpc_ml import estimators
from hpc_ml.errors import Stopped
from hpc_ml.estimators.partitions import Block
from hpc_ml.estimators.surroundings import NoCheckpoint

N = 3000
LIBRARIES = {"XGB": xgboost, "LGBM": lightgbm}
# Draws of rows and columns, in the words of each library.
DRAWS = {
    "XGB": {"subsample": 0.7, "colsample_bynode": 0.5},
    "LGBM": {"subsample": 0.7, "subsample_freq": 3, "colsample_bytree": 0.5},
}


def make_table() -> tuple[np.ndarray, np.ndarray]:
    """Return rows of 6 columns, and a number that follows from them."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 6))
    return X, X[:, 0] + X[:, 1] * X[:, 2] + 0.5 * rng.normal(size=N)


def ours(library, kind, **parameters):
    parameters = {"n_estimators": 20, "n_jobs": 1, "random_state": 3, **parameters}
    return getattr(estimators, f"{library}{kind}")(**parameters)


def theirs(library, kind, **parameters):
    quiet = {"verbosity": -1} if library == "LGBM" else {}
    parameters = {"n_estimators": 20, "n_jobs": 1, "random_state": 3, **parameters, **quiet}
    return getattr(LIBRARIES[library], f"{library}{kind}")(**parameters)


def trees(model):
    """Return all that the booster predicts by, as its library writes it."""
    if hasattr(model, "get_booster"):
        return bytes(model.get_booster().save_raw("ubj"))
    text = model.booster_.model_to_string()
    return text[text.index("Tree=0") : text.index("end of trees")]


class Rows:
    """Arrays cut into partitions, which each worker has and none is sent; the key is theirs."""

    def __init__(self, X: Any, y: Any, bounds: Sequence[int], **more: Any) -> None:
        self._parts = {"X": X, "y": y, **more}
        self._bounds = (0, *bounds, X.shape[0])
        self.rows = tuple(int(rows) for rows in np.diff(self._bounds))
        self.bytes_each = tuple(rows * X.shape[1] * 8 for rows in self.rows)
        self.n_features = int(X.shape[1])
        self.key = hashlib.sha256(repr((X.shape, bounds)).encode()).hexdigest()[:16]

    def load(self, number: int) -> Block:
        first, last = self._bounds[number : number + 2]
        return Block(**{name: part[first:last] for name, part in self._parts.items()})


class Diary(NoCheckpoint):
    """Keeps units, states and what is told; calls `at_round` with each number of rounds."""

    def __init__(
        self, at_round: Callable[[int], None] | None = None, first_workers: int = 0
    ) -> None:
        self.units: dict[str, Any] = {}
        self.states: dict[str, bytes] = {}
        self.told: list[str] = []
        self.at_round = at_round
        self._first_workers = first_workers

    @property
    def first_workers(self) -> int:
        return self._first_workers

    def finished(self) -> dict[str, Any]:
        return self.units

    def record(self, unit: str, value: Any) -> None:
        self.units[unit] = value

    def kept_state(self, name: str) -> bytes | None:
        return self.states.get(name)

    def keep_state(self, name: str, make: Callable[[], bytes]) -> None:
        self.states[name] = make()

    def progress(self, done: int, total: int, unit: str) -> None:
        if self.at_round is not None:
            self.at_round(done)

    def tell(self, message: str) -> None:
        self.told.append(message)

    def check(self) -> None:
        pass


def stop_after(rounds: int) -> Callable[[int], None]:
    """Return what stops a training that has done more than so many rounds."""

    def stop(done: int) -> None:
        if done > rounds:
            raise Stopped("told to")

    return stop
