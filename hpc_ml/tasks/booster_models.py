"""Boosters read from files, with scikit-learn's interface: native, fast, one thread a worker."""

import json
from functools import cached_property
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
    def objective(self) -> str:
        """What it was trained for, in its library's words."""
        raise NotImplementedError

    @property
    def n_features_in_(self) -> int:
        return self.n_features

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.estimator_type = "regressor" if self.classes is None else "classifier"
        if self.classes is None and "rank" in self.objective:
            tags.estimator_type = None
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

    @cached_property
    def _learner(self) -> Any:
        return json.loads(self.booster.save_config())["learner"]

    @property
    def objective(self) -> str:
        return str(self._learner["objective"]["name"])

    def _values(self, X: Any) -> Any:
        if self.objective != "multi:softmax":
            return self._predict(X)
        from scipy.special import softmax

        return softmax(self.decision_function(X), axis=1)

    def decision_function(self, X: Any) -> Any:
        """Return the sum of the trees before it becomes a probability."""
        return self._predict(X, margin=True)

    def apply(self, X: Any) -> Any:
        """Return the leaf of each tree, of shape (n_rows, n_trees)."""
        import xgboost

        leaves = self.booster.predict(
            xgboost.DMatrix(X, nthread=1), pred_leaf=True, iteration_range=self._rounds
        )
        return leaves.reshape(len(leaves), -1).astype(np.int32)

    def _predict(self, X: Any, *, margin: bool = False) -> Any:
        import xgboost

        if self._learner["gradient_booster"]["name"] == "gblinear":
            rows = xgboost.DMatrix(X, nthread=1)
            values = self.booster.predict(rows, output_margin=margin)
        else:
            values = self.booster.inplace_predict(
                X,
                iteration_range=self._rounds,
                predict_type="margin" if margin else "value",
                validate_features=False,
            )
        # The one probability of two classes comes as a matrix from some versions.
        return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values

    @property
    def _rounds(self) -> tuple[int, int]:
        best = self.booster.attr("best_iteration")
        return (0, 0) if best is None else (0, int(best) + 1)


class LightGBMModel(BoosterModel):
    """A booster of LightGBM; its file holds no more than the best iterations."""

    @cached_property
    def objective(self) -> str:
        words = str(self.booster.dump_model(num_iteration=1).get("objective", ""))
        return words.partition(" ")[0]

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
    """Return the model of a UBJSON or JSON file; raises as XGBoost does.

    `classes` are a classifier's labels, where more than the file tells them.
    """
    import xgboost

    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(path)
    booster.set_param({"nthread": 1})
    model = XGBoostModel(booster, None, booster.num_features())
    count = int(model._learner["learner_model_param"]["num_class"])
    if model.objective.startswith(("binary:", "multi:")):
        model = XGBoostModel(booster, _labels(count, classes), booster.num_features())
    return model


def read_lightgbm(path: str, classes: Any) -> LightGBMModel:
    """Return the model of a text file, as `read_xgboost` does; raises as LightGBM does."""
    import lightgbm

    booster = lightgbm.Booster(model_file=path)
    model = LightGBMModel(booster, None, booster.num_feature())
    if model.objective.startswith(("binary", "multiclass")):
        labels = _labels(booster.num_model_per_iteration(), classes)
        model = LightGBMModel(booster, labels, booster.num_feature())
    return model


def _labels(count: int, classes: Any) -> Any:
    """Return the labels of a classifier: those that are known, else 0, 1, .. ."""
    return np.arange(max(count, 2)) if classes is None else classes
