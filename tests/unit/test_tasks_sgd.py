"""What an sgd job may say: the estimator chosen by the target, and what is refused at once."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hpc_ml import make_job
from hpc_ml.data import inspect
from hpc_ml.errors import BadInput
from hpc_ml.tasks import sgd
from hpc_ml.tasks.sgd_words import choose_estimator


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(60, 2)), columns=["a", "b"]).assign(
        number=rng.uniform(size=60),
        word=np.where(rng.random(60) < 0.5, "yes", "no"),
        body="a few words",
    )
    table.to_csv(tmp_path / "table.csv", index=False)
    return tmp_path


def check(folder: Path, data: dict[str, Any], **settings: Any) -> Any:
    """Return the job and what is found of its data, once they are checked."""
    words = {"path": str(folder / "table.csv"), "columns": ["a", "b"], **data}
    job = make_job("sgd", data=words, **settings)
    summary = inspect(sgd.source(job))
    sgd.check(job, summary)
    return job, summary


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"target": "word"}, "SGDClassifier()"),
        ({"target": "number"}, "SGDRegressor()"),
        (
            {"target": "word", "text": "body", "columns": None},
            "Pipeline(steps=[('hashingvectorizer', HashingVectorizer()),"
            " ('sgdclassifier', SGDClassifier())])",
        ),
    ],
)
def test_the_target_chooses_the_estimator(
    tables: Path, data: dict[str, Any], expected: str
) -> None:
    job, summary = check(tables, data)
    texts = summary.n_features is None
    chosen = choose_estimator(job.settings, summary.target_kind, texts=texts, seed=0)
    assert " ".join(str(chosen).replace("random_state=0", "").split()) == expected
    assert sgd.source(job).spec.scale == ("none" if texts else "standard")


def test_a_named_estimator_takes_the_rows_as_they_are(tables: Path) -> None:
    job, _ = check(tables, {"target": "word"}, estimator="Perceptron")
    source = sgd.source(job)
    assert (source.spec.scale, source.stratify, source.test_size) == ("none", True, 0.2)


def test_clusters_need_no_target(tables: Path) -> None:
    job, summary = check(tables, {}, estimator="MiniBatchKMeans", params={"n_clusters": 2})
    assert summary.target_kind is None
    assert sgd.source(job).test_size == 0


@pytest.mark.parametrize(
    ("data", "settings", "said"),
    [
        ({"target": "word"}, {"estimator": "SVC"}, "SVC has no partial_fit; take SGDClassifier"),
        (
            {"target": "word"},
            {"estimator": ["TfidfTransformer", "Perceptron"]},
            "TfidfTransformer needs all rows at once",
        ),
        ({"target": "number"}, {"estimator": "Perceptron"}, "continuous"),
        ({"target": "word"}, {"estimator": "SGDRegressor"}, "the target is text; use --estimator"),
        ({"target": "word"}, {"params": {"alhpa": 1}}, "no parameter 'alhpa'; did you mean"),
        ({"target": "word"}, {"params": {"loss": "hing"}}, "params: The 'loss' parameter of SGDC"),
        ({"target": "word"}, {"params": {"class_weight": "balanced"}}, "needs all rows at once"),
        ({"target": "word"}, {"classes": ["yes", "maybe"]}, "the target holds 'no', which is none"),
        ({"target": "number"}, {"classes": [1, 2]}, "SGDRegressor predicts none"),
        ({"target": "word"}, {"scoring": "r2"}, "r2 is a score of numbers"),
        ({"target": "number"}, {"scoring": "accurazy"}, "no scorer 'accurazy'"),
        ({"weight": "number"}, {"estimator": "BernoulliRBM"}, "takes no weights of rows"),
        (
            {"target": "word", "text": "body", "columns": None},
            {"estimator": "Perceptron"},
            "the rows are texts, which Perceptron does not take",
        ),
        (
            {"target": "word"},
            {"estimator": ["HashingVectorizer", "Perceptron"]},
            "HashingVectorizer takes texts, and the rows are numbers",
        ),
        ({}, {"estimator": "MiniBatchKMeans", "scoring": "r2"}, "scoring needs a target"),
        ({"target": "word"}, {"early_stopping": True, "validation_fraction": 0}, "above 0"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_at_once(
    tables: Path, data: dict[str, Any], settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadInput, match=said):
        check(tables, data, **settings)
