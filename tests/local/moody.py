"""A checkpoint in a dict, an estimator that goes wrong on purpose, and an ear for warnings."""

import os
import time
import warnings
from pathlib import Path

from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning


class Notebook:
    """Keeps units in a dict; its check raises `error` after `stop_after` records or once `sign` is.

    `sign` is a file that a fit makes.
    """

    def __init__(self, units=None, stop_after=None, error=None, sign=None):
        self.units = dict(units or {})
        self.recorded = []
        self.heard = []
        self.steps = []
        self._stop_after = stop_after
        self._error = error
        self._sign = sign

    def finished(self):
        return self.units

    def record(self, unit, value):
        self.units[unit] = value
        self.recorded.append(unit)

    def progress(self, done, total, unit):
        self.steps.append((done, total, unit))

    def tell(self, message):
        self.heard.append(message)

    def check(self):
        if self._stop_after is not None and len(self.recorded) >= self._stop_after:
            raise self._error
        if self._sign is not None and self._sign.exists():
            raise self._error


class Moody(ClassifierMixin, BaseEstimator):
    """Learns nothing, in the way that `mood` says.

    A patient one that sees `level` rows makes a file in `folder` and waits for another there.
    """

    def __init__(self, mood="calm", level=0, folder=None):
        self.mood = mood
        self.level = level
        self.folder = folder

    def fit(self, X, y):
        if self.mood == "angry":
            raise ValueError(f"level {self.level} is too much")
        if self.mood == "deadly":
            os._exit(1)
        if self.mood == "worried":
            warnings.warn(f"gap of {self.level}.5 is wide", ConvergenceWarning, stacklevel=2)
        if self.mood == "patient" and len(X) == self.level:
            Path(self.folder, "begun").touch()
            while not Path(self.folder, "over").exists():
                time.sleep(0.01)
        self.classes_ = sorted(set(y))
        return self

    def predict(self, X):
        if self.mood == "blind":
            raise RuntimeError("cannot see")
        return [self.classes_[self.level % len(self.classes_)]] * len(X)


def fit_hearing(search, X, y):
    """Fit and return the warnings, as 'category: text'."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        search.fit(X, y)
    return [f"{one.category.__name__}: {str(one.message).strip()}" for one in heard]
