"""The model of the example, fitted where it is needed: it takes a few milliseconds."""

from functools import cache

from hpc_ml.tasks.stored_models import LoadedModel


@cache
def example_model() -> LoadedModel:
    """Return a logistic regression of iris, fitted on every second flower."""
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    X, y = load_iris(return_X_y=True)
    estimator = LogisticRegression(max_iter=1000).fit(X[::2], y[::2])
    facts = {
        "task": "predict",
        "parameters": {"max_iter": 1000},
        "metrics": {},
        "columns": None,
        "classes": estimator.classes_.tolist(),
        "data": {},
    }
    return LoadedModel(estimator, None, None, facts, "example")
