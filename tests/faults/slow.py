"""An estimator whose fits take as long as they are told to, and no processor."""

import time
from typing import Any, Self

from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression


class SlowClassifier(ClassifierMixin, BaseEstimator):
    """Logistic regression that sleeps for some seconds before it is fitted."""

    def __init__(self, C: float = 1.0, seconds: float = 0.0) -> None:
        self.C = C
        self.seconds = seconds

    def fit(self, X: Any, y: Any) -> Self:
        time.sleep(self.seconds)
        self.model_ = LogisticRegression(C=self.C, max_iter=1000).fit(X, y)
        self.classes_ = self.model_.classes_
        return self

    def predict(self, X: Any) -> Any:
        return self.model_.predict(X)
