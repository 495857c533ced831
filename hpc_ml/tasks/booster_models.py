"""Boosters read from files, with scikit-learn's interface: native, fast, one thread a worker."""

import json
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator


class BoosterModel(BaseEstimator):
    """A fitted booster, whose labels are the job's own.

    Parameters
    ----------
    booster : xgboost.Booster or lightgbm.Booster
        Gives numbers alone.
    classes : array of shape (n_classes,) or None
        Sorted labels of a classifier; None for others.
    n_features : int
        Columns that it takes.
    """

    def __init__(self, booster: Any, classes: Any, n_features: int) -> None:
        self.booster = booster
        self.classes = classes
        self.n_features = n_features
        if classes is not None:
            self.classes_ = np.asarray(classes)

    @property
    def n_features_in_(self) -> int:
        return self.n_features

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.estimator_type = "regressor" if self.classes is None else "classifier"
        return tags

    def predict(self, X: Any) -> Any:
        """Return the label, or the number, of each row."""
        values = self._values(X)
        return values if self.classes is None else self.labels_of(values)

    def labels_of(self, probabilities: Any) -> Any:
        """Return the label of each row, which `predict` gives, from its probabilities."""
        if probabilities.ndim == 2 and probabilities.shape[1] > 2:
            return self.classes_[probabilities.argmax(axis=1)]
        second = probabilities[:, 1] if probabilities.ndim == 2 else probabilities
        return self.classes_[(second > 0.5).astype(np.intp)]

    def predict_proba(self, X: Any) -> Any:
        """Return the probability of each class, of shape (n_rows, n_classes)."""
        values = self._values(X)
        return values if values.ndim == 2 else np.column_stack([1 - values, values])

    def _values(self, X: Any) -> Any:
        raise NotImplementedError


class XGBoostModel(BoosterModel):
    """A booster of XGBoost, up to its best iteration where it stopped early."""

    def _values(self, X: Any) -> Any:
        return self._predict(X)

    def decision_function(self, X: Any) -> Any:
        """Return the sum of the trees before it becomes a probability."""
        return self._predict(X, predict_type="margin")

    def apply(self, X: Any) -> Any:
        """Return the leaf of each tree, of shape (n_rows, n_trees)."""
        import xgboost

        leaves = self.booster.predict(
            xgboost.DMatrix(X, nthread=1), pred_leaf=True, iteration_range=self._rounds
        )
        return leaves.reshape(len(leaves), -1).astype(np.int32)

    def _predict(self, X: Any, **how: str) -> Any:
        values = self.booster.inplace_predict(
            X, iteration_range=self._rounds, validate_features=False, **how
        )
        # The one probability of two classes comes as a matrix from some versions.
        return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values

    @property
    def _rounds(self) -> tuple[int, int]:
        best = self.booster.attr("best_iteration")
        return (0, 0) if best is None else (0, int(best) + 1)


class LightGBMModel(BoosterModel):
    """A booster of LightGBM; its file holds no more than the best iterations."""

    def _values(self, X: Any) -> Any:
        return self.booster.predict(X, num_threads=1)

    def decision_function(self, X: Any) -> Any:
        """Return the sum of the trees before it becomes a probability."""
        return self.booster.predict(X, raw_score=True, num_threads=1)

    def apply(self, X: Any) -> Any:
        """Return the leaf of each tree, of shape (n_rows, n_trees)."""
        leaves = self.booster.predict(X, pred_leaf=True, num_threads=1)
        return leaves.reshape(X.shape[0], -1).astype(np.int32)


def read_xgboost(path: str, classes: Any) -> XGBoostModel:
    """Return the model of a UBJSON or JSON file; raises as XGBoost does."""
    import xgboost

    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(path)
    booster.set_param({"nthread": 1})
    if classes is None:
        learner = json.loads(booster.save_config())["learner"]
        name = learner["objective"]["name"]
        count = int(learner["learner_model_param"]["num_class"])
        classes = _numbers_of(name.startswith(("binary:", "multi:")), count)
    return XGBoostModel(booster, classes, booster.num_features())


def read_lightgbm(path: str, classes: Any) -> LightGBMModel:
    """Return the model of a text file; raises as LightGBM does."""
    import lightgbm

    booster = lightgbm.Booster(model_file=path)
    if classes is None:
        name = booster.dump_model(num_iteration=1).get("objective", "")
        classes = _numbers_of(
            name.startswith(("binary", "multiclass")), booster.num_model_per_iteration()
        )
    return LightGBMModel(booster, classes, booster.num_feature())


def _numbers_of(is_classifier: bool, count: int) -> Any:
    """Return the classes of a booster that only its file tells of: 0, 1, .. ."""
    return np.arange(max(count, 2)) if is_classifier else None
