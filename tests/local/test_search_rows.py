"""A search that weighs rows and keeps groups together, as scikit-learn's does."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hpc_ml import make_job
from hpc_ml.api import check
from hpc_ml.errors import BadJob
from tests.conftest import Command, json_of

WORDS = (
    "run", "gridsearch", "--target", "label", "--test-size", 0, "--cv", 3,
    "--estimator", "scale=StandardScaler,clf=LogisticRegression", "--grid", "clf__C=0.1,1",
)  # fmt: skip


@pytest.fixture
def table(tmp_path: Path) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(300, 3)), columns=["a", "b", "c"])
    frame["label"] = (frame["a"] + rng.normal(size=300) > 0).astype(int)
    frame["w"] = rng.exponential(size=300)
    frame["who"] = rng.integers(0, 30, 300)
    frame.to_csv(tmp_path / "t.csv", index=False)
    return frame


def test_weights_and_groups_are_those_of_scikit_learn(
    hpc_ml: Command, tmp_path: Path, table: pd.DataFrame
) -> None:
    words = ("--data", tmp_path / "t.csv", "--weight", "w", "--group", "who", "--json")
    run = json_of(hpc_ml(*WORDS, *words))

    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    search = GridSearchCV(
        pipeline, {"logisticregression__C": [0.1, 1]}, cv=StratifiedGroupKFold(3)
    ).fit(
        table[["a", "b", "c"]].to_numpy(),
        table["label"],
        groups=table["who"],
        logisticregression__sample_weight=table["w"].to_numpy(),
    )
    with Path(run["artefacts"]["cv_results"]).open() as file:
        scores = [float(row["mean_test_score"]) for row in csv.DictReader(file)]
    np.testing.assert_allclose(scores, search.cv_results_["mean_test_score"])


@pytest.mark.parametrize(
    ("data", "estimator", "cv", "problem"),
    [
        ({"weight": "w"}, "KNeighborsClassifier", 3, "KNeighborsClassifier takes no weights"),
        ({"group": "who"}, "LogisticRegression", {"KFold": {}}, "KFold tears groups apart"),
    ],
    ids=["weights", "groups"],
)
def test_what_cannot_be_honoured_is_refused(
    tmp_path: Path, table: pd.DataFrame, data: dict, estimator: str, cv: object, problem: str
) -> None:
    data = {"path": str(tmp_path / "t.csv"), "target": "label"} | data
    grid = {"n_neighbors": [3]} if "KN" in estimator else {"C": [1]}
    job = make_job("gridsearch", data=data, estimator=estimator, grid=grid, cv=cv)
    with pytest.raises(BadJob, match=problem):
        check(job)
