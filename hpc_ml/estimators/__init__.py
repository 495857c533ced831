"""Distributed algorithms with scikit-learn's interface; they know a client and a checkpoint.

The classes are imported on use: scikit-learn and Dask load only then.
"""

from importlib import import_module
from typing import Any

from hpc_ml.estimators.surroundings import surroundings

_MODULES = {
    "GridSearchCV": "search",
    "HalvingGridSearchCV": "search",
    "HalvingRandomSearchCV": "search",
    "RandomizedSearchCV": "search",
}

__all__ = ["surroundings", *_MODULES]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
