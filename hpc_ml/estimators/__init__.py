"""Distributed algorithms with scikit-learn's interface; they know a client and a checkpoint.

The classes are imported on use: scikit-learn and Dask load only then.
"""

from importlib import import_module
from typing import Any

from hpc_ml.estimators.surroundings import surroundings

_MODULES = {
    "ElasticNet": "linear_regression",
    "ExtraTreesClassifier": "forest",
    "ExtraTreesRegressor": "forest",
    "GridSearchCV": "search",
    "HalvingGridSearchCV": "search",
    "HalvingRandomSearchCV": "search",
    "HyperbandSearchCV": "hyperband",
    "Incremental": "incremental",
    "KMeans": "kmeans",
    "LGBMClassifier": "lightgbm_estimators",
    "LGBMRanker": "lightgbm_estimators",
    "LGBMRegressor": "lightgbm_estimators",
    "Lasso": "linear_regression",
    "LinearRegression": "linear_regression",
    "LogisticRegression": "linear_logistic",
    "MiniBatchKMeans": "kmeans_minibatch",
    "PoissonRegressor": "linear_poisson",
    "RandomForestClassifier": "forest",
    "RandomForestRegressor": "forest",
    "RandomizedSearchCV": "search",
    "Ridge": "linear_regression",
    "SuccessiveHalvingSearchCV": "hyperband",
    "TPESearchCV": "optuna_search",
    "XGBClassifier": "xgboost_estimators",
    "XGBRanker": "xgboost_estimators",
    "XGBRegressor": "xgboost_estimators",
}

__all__ = ["surroundings", *_MODULES]


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
