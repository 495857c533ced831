"""Arrays in partitions that keep their key, and a checkpoint that can stop a fit."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import make_classification

from hpc_ml.errors import Stopped
from hpc_ml.estimators.partitions import Block


@dataclass
class TestRows:
    """A generated table of two classes in equal partitions, as a source gives it."""

    __test__ = False
    key: str = "rows-0"
    rows: tuple[int, ...] = (100,) * 6
    bytes_each: tuple[int, ...] = (100 * 8 * 8,) * 6
    n_features: int = 8

    @cached_property
    def arrays(self) -> tuple[Any, Any]:
        return make_classification(
            n_samples=sum(self.rows), n_features=self.n_features, class_sep=2.0, random_state=0
        )

    def load(self, number: int) -> Block:
        first, last = sum(self.rows[:number]), sum(self.rows[: number + 1])
        X, y = self.arrays
        return Block(np.ascontiguousarray(X[first:last]), y[first:last])


@dataclass
class FatalRows(TestRows):
    """Rows that kill the first `fatal` processes that load their partition 3."""

    folder: Path = Path()
    fatal: int = 0

    def load(self, number: int) -> Block:
        deaths = len(list(self.folder.iterdir()))
        if number == 3 and deaths < self.fatal:
            (self.folder / str(deaths)).touch()
            os._exit(1)
        return super().load(number)


class Diary:
    """Keeps units and states; its check stops the work once `stop_after` trees are reported."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.units: dict[str, Any] = {}
        self.states: dict[str, bytes] = {}
        self.steps: list[tuple[int, int, str]] = []
        self.heard: list[str] = []
        self.stop_after = stop_after

    def finished(self) -> dict[str, Any]:
        return self.units

    def record(self, unit, value):
        self.units[unit] = value

    def kept_state(self, name):
        return self.states.get(name)

    def keep_state(self, name, make, unit_s=None):
        self.states[name] = make()

    def progress(self, done, total, unit):
        self.steps.append((done, total, unit))

    def tell(self, message):
        self.heard.append(message)

    def check(self):
        if self.stop_after is not None and self.steps and self.steps[-1][0] >= self.stop_after:
            raise Stopped("told to")
