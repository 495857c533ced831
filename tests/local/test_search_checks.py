"""scikit-learn's own checks of estimators, on the searches that it checks itself."""

import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from hpc_ml.estimators import (
    GridSearchCV,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    RandomizedSearchCV,
    TPESearchCV,
)

# What scikit-learn expects its own searches to fail.
EXPECTED = {
    "check_supervised_y_2d": "DataConversionWarning not caught",
    "check_requires_y_none": "Doesn't fail gracefully",
}
EXPECTED_OF_HALVING = EXPECTED | {
    "check_fit2d_1sample": "min_resources needs more rows",
    "check_estimators_nan_inf": "FIXME",
    "check_classifiers_one_label_sample_weights": "FIXME",
    "check_fit2d_1feature": "FIXME",
}
REGRESSION = Ridge(), {"alpha": [0.1, 1.0]}
PIPELINE = make_pipeline(PCA(), LogisticRegression()), {"logisticregression__C": [0.1, 1.0]}


@pytest.mark.usefixtures("client")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("search", "expected"),
    [
        (GridSearchCV(*PIPELINE, cv=2, error_score="raise"), EXPECTED),
        (RandomizedSearchCV(*REGRESSION, cv=2, error_score="raise", n_iter=2), EXPECTED),
        (HalvingGridSearchCV(*REGRESSION, cv=2, error_score="raise", random_state=0,
                             min_resources="smallest"), EXPECTED_OF_HALVING),
        (HalvingRandomSearchCV(*REGRESSION, cv=2, error_score="raise", random_state=0,
                               min_resources="smallest"), EXPECTED_OF_HALVING),
        (TPESearchCV(*REGRESSION, cv=2, error_score="raise", n_iter=2), EXPECTED),
    ],
    ids=["grid", "random", "halving", "halving random", "tpe"],
)  # fmt: skip
def test_passes_the_checks(search, expected):
    outcomes = check_estimator(search, expected_failed_checks=expected, on_skip=None)
    assert sum(outcome["status"] == "passed" for outcome in outcomes) > 20
