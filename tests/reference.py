"""The reference jobs, and what scikit-learn itself finds for them."""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

SVC_JOB = Path(__file__).parent.parent / "examples" / "gridsearch.yaml"
SVC_GRID = {
    "C": [0.001, 0.01, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0],
    "kernel": ["rbf", "poly", "sigmoid"],
    "shrinking": [True, False],
}
TEXT_GRID = {
    "tfidf__use_idf": [True, False],
    "tfidf__norm": ["l1", "l2"],
    "clf__alpha": [1e-5, 1e-6],
}
TEXT_JOB = """
task: gridsearch
data: {{path: {path}, text: body, target: label, test_size: 0}}
estimator: [{{vect: HashingVectorizer}}, {{tfidf: TfidfTransformer}}, {{clf: SGDClassifier}}]
params: {{clf__max_iter: 1000}}
grid: {{tfidf__use_idf: [true, false], tfidf__norm: [l1, l2], clf__alpha: [1.0e-5, 1.0e-6]}}
cv: 3
refit: false
"""


def search_svc() -> Any:
    """Return scikit-learn's own search of the 48 support vector machines."""
    from sklearn.datasets import make_classification
    from sklearn.model_selection import GridSearchCV
    from sklearn.svm import SVC

    X, y = make_classification(n_samples=1000, random_state=0)
    return GridSearchCV(SVC(gamma="auto", random_state=0), SVC_GRID, cv=3).fit(X, y)


def search_text(bodies: Sequence[str], labels: Sequence[str]) -> Any:
    """Return scikit-learn's own search of the 8 text pipelines, seeded as hpc-ml seeds them."""
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
    from sklearn.linear_model import SGDClassifier
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import Pipeline

    steps = [
        ("vect", HashingVectorizer()),
        ("tfidf", TfidfTransformer()),
        ("clf", SGDClassifier(max_iter=1000, random_state=0)),
    ]
    return GridSearchCV(Pipeline(steps), TEXT_GRID, cv=3, refit=False).fit(bodies, labels)


def write_corpus(path: Path, rows: int = 600) -> tuple[list[str], list[str]]:
    """Write a corpus of two topics that overlap, made by seed; return its texts and labels."""
    rng = np.random.default_rng(7)
    words = np.array([f"word{number}" for number in range(400)])
    labels = ["praise" if rng.random() < 0.5 else "blame" for _ in range(rows)]
    bodies = []
    for label in labels:
        tilt = np.linspace(1, 3, 400) if label == "praise" else np.linspace(3, 1, 400)
        bodies.append(" ".join(rng.choice(words, size=12, p=tilt / tilt.sum())))
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["body", "label"])
        writer.writerows(zip(bodies, labels, strict=True))
    return bodies, labels


def assert_equal_results(path: Path, expected: Mapping[str, Any]) -> None:
    """Compare cv_results.csv with `cv_results_`, times aside: to the last digit."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(expected)
    assert len(rows) == len(expected["params"])
    for name, values in expected.items():
        if name.endswith("_time"):
            continue
        for row, value in zip(rows, values, strict=True):
            assert_equal_cell(row[name], value, name)


def assert_equal_cell(cell: str, value: Any, name: str) -> None:
    if name == "params":
        assert cell == repr(dict(value))
    elif isinstance(value, float | np.floating):
        same = float(cell) == value or (math.isnan(float(cell)) and math.isnan(value))
        assert same, (name, cell, value)
    else:
        assert cell == str(value), (name, cell, value)
