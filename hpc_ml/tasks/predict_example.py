"""The model of the example, fitted where it is needed: it takes a few milliseconds."""

from functools import cache

from hpc_ml.tasks.stored_models import LoadedModel


@cache
def example_model() -> LoadedModel:
    """Return a logistic regression of iris, fitted on every second flower."""
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    from hpc_ml.data.column_scans import ColumnSummary

    iris = load_iris()
    X, y = iris.data[::2], iris.target[::2]
    estimator = LogisticRegression(max_iter=1000).fit(X, y)
    columns = tuple(ColumnSummary(name, "numeric", 0) for name in iris.feature_names)
    facts = {
        "task": "predict",
        "parameters": {"max_iter": 1000},
        "metrics": {},
        "columns": [{"name": column.name, "kind": column.kind} for column in columns],
        "classes": estimator.classes_.tolist(),
        "data": {},
    }
    return LoadedModel(estimator, None, columns, facts, "example")
