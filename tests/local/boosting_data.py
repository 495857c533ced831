"""Rows in partitions for the boosters, and a checkpoint that stops or strikes a training."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hpc_ml.errors import Stopped
from hpc_ml.estimators.partitions import Block
from hpc_ml.estimators.surroundings import NoCheckpoint


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
    """Keeps states and what is told; calls `at_round` with each number of rounds."""

    def __init__(self, at_round: Callable[[int], None] | None = None) -> None:
        self.states: dict[str, bytes] = {}
        self.told: list[str] = []
        self.at_round = at_round

    def finished(self) -> dict[str, Any]:
        return {}

    def record(self, unit: str, value: Any) -> None:
        pass

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
