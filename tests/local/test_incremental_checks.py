"""scikit-learn's own checks, with no more failures than the estimator inside has."""

from typing import Any

import pytest
from sklearn.cluster import MiniBatchKMeans
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.naive_bayes import MultinomialNB
from sklearn.utils.estimator_checks import check_estimator

from hpc_ml.estimators import HyperbandSearchCV, Incremental, SuccessiveHalvingSearchCV

# Those of SGDClassifier, SGDRegressor and MiniBatchKMeans themselves.
WEIGHTS = {
    "check_sample_weight_equivalence_on_dense_data": "weights are no repetitions, as in the local",
    "check_sample_weight_equivalence_on_sparse_data": "weights are no repetitions, as in the local",
}
ALPHAS = {"alpha": [1e-4, 1e-3]}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        (Incremental(SGDClassifier(), epochs=5), WEIGHTS),
        (Incremental(SGDRegressor(), epochs=5), WEIGHTS),
        (Incremental(MiniBatchKMeans(n_clusters=3)), WEIGHTS),
        (Incremental(MultinomialNB()), {}),
        (HyperbandSearchCV(SGDRegressor(), ALPHAS, max_iter=3), WEIGHTS),
        (SuccessiveHalvingSearchCV(SGDRegressor(), ALPHAS, max_iter=3), WEIGHTS),
    ],
    ids=lambda value: str(value)[:40],
)
def test_estimator_checks(estimator: Any, expected: dict[str, str]) -> None:
    check_estimator(estimator, expected_failed_checks=expected, on_skip=None)
