"""Distributed algorithms with scikit-learn's interface; they know a client and a checkpoint.

The classes are imported on use: scikit-learn and Dask load only then.
"""

from typing import TYPE_CHECKING, Any

from hpc_ml.estimators.surroundings import surroundings

if TYPE_CHECKING:
    from hpc_ml.estimators.search import (
        GridSearchCV,
        HalvingGridSearchCV,
        HalvingRandomSearchCV,
        RandomizedSearchCV,
    )

__all__ = [
    "GridSearchCV",
    "HalvingGridSearchCV",
    "HalvingRandomSearchCV",
    "RandomizedSearchCV",
    "surroundings",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from hpc_ml.estimators import search

    return getattr(search, name)
