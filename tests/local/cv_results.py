"""What two searches must have in common for a user to call their results the same."""

from copy import deepcopy

import numpy as np
from sklearn import model_selection
from sklearn.experimental import enable_halving_search_cv  # noqa: F401

from hpc_ml import estimators


def assert_same_results(ours, theirs):
    """Compare every key of `cv_results_` but the times: order, type, mask and value."""
    assert list(ours.cv_results_) == list(theirs.cv_results_)
    for key, expected in theirs.cv_results_.items():
        if key.endswith("_time"):
            continue
        found = ours.cv_results_[key]
        assert type(found) is type(expected), key
        if key == "params":
            assert [str(one) for one in found] == [str(one) for one in expected]
            continue
        assert found.dtype == expected.dtype, key
        if isinstance(expected, np.ma.MaskedArray):
            assert found.mask.tolist() == expected.mask.tolist(), key
            assert [str(one) for one in found] == [str(one) for one in expected], key
        else:
            np.testing.assert_array_equal(found, expected, err_msg=key)


def assert_same_best(ours, theirs):
    """Compare what the search chose, and what the refitted estimator predicts with."""
    for name in ("best_index_", "best_score_", "n_splits_", "multimetric_"):
        assert hasattr(ours, name) == hasattr(theirs, name), name
        assert getattr(ours, name, None) == getattr(theirs, name, None), name
    assert str(getattr(ours, "best_params_", None)) == str(getattr(theirs, "best_params_", None))
    assert hasattr(ours, "best_estimator_") == hasattr(theirs, "best_estimator_")


def fit_both(name, estimator, *args, fit_params=None, X, y=None, **kwargs):
    """Return our search and scikit-learn's, fitted on the same."""
    searches = []
    for module in (estimators, model_selection):
        search = getattr(module, name)(estimator, *args, **kwargs)
        searches.append(search.fit(deepcopy(X), y, **(fit_params or {})))
    assert_same_results(*searches)
    assert_same_best(*searches)
    return searches
