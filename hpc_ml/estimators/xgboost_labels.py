"""XGBoost's classifier for labels of any type; XGBoost's own takes 0, 1, 2 and so on alone."""

import copy
from typing import Any

import numpy as np
import xgboost


class LabelledXGBClassifier(xgboost.XGBClassifier):
    """`xgboost.XGBClassifier` that learns and predicts words, booleans or any whole numbers."""

    def fit(self, X: Any, y: Any, **options: Any) -> "LabelledXGBClassifier":
        """Fit to labels; options are those of the library's `fit`."""
        labels, codes = np.unique(y, return_inverse=True)
        self.__dict__.pop("labels_", None)  # the library compares with `classes_` while it fits
        super().fit(X, codes, **options)
        self.labels_ = labels
        return self

    def predict(self, X: Any, *, output_margin: bool = False, **options: Any) -> Any:
        """Return the label of each row, or with `output_margin` what the library returns."""
        found = super().predict(X, output_margin=output_margin, **options)
        return found if output_margin else self.labels_[found]

    @property
    def classes_(self) -> Any:
        """The sorted labels."""
        return getattr(self, "labels_", super().classes_)

    def local_estimator(self) -> xgboost.XGBClassifier:
        """Return XGBoost's own classifier, which predicts the numbers of the labels."""
        local = copy.copy(self)
        local.__class__ = xgboost.XGBClassifier
        return local


def has_plain_labels(classes: Any) -> bool:
    """Return whether labels are what XGBoost takes: 0, 1, 2 and so on."""
    labels = list(classes)
    whole = all(isinstance(label, int) and not isinstance(label, bool) for label in labels)
    return whole and labels == list(range(len(labels)))


def take_any_labels(estimator: Any) -> Any:
    """Return an estimator in which XGBoost's classifiers take labels of any type."""
    for inner in (estimator, *estimator.get_params(deep=True).values()):
        if type(inner) is xgboost.XGBClassifier:
            inner.__class__ = LabelledXGBClassifier
    return estimator
