"""Scores over partitions: scikit-learn's own, gathered or put together from parts."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge
from sklearn.metrics import get_scorer
from sklearn.svm import LinearSVC

from hpc_ml.errors import BadJob
from hpc_ml.estimators.here import HereCollective
from hpc_ml.estimators.partitions import Block
from hpc_ml.tasks import judged_rows, scoring
from hpc_ml.tasks.scoring import check_scoring_size, check_scoring_words, score_held_out

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 3))
NUMBERS = np.exp(X @ [0.5, -0.3, 0.1] + RNG.normal(size=200) / 3)
BINARY = np.array(["no", "yes"], dtype=object)[(NUMBERS > 1).astype(int)]
LABELS = np.array(["low", "mid", "high"], dtype=object)[np.digitize(NUMBERS, [0.7, 1.4])]
CUTS = (0, 50, 50, 51, 130, 200)  # one partition is empty, one has a single row


class Cut:
    """Rows in partitions, of which every second one is held out where that is asked for."""

    key = "cut"
    n_features = 3

    def __init__(self, X, y, held_out):
        self.X, self.y, self.held_out = X, y, held_out
        self.rows = tuple(len(self.load(n).y) for n in range(len(CUTS) - 1))
        self.bytes_each = self.rows

    def load(self, number):
        numbers = np.arange(CUTS[number], CUTS[number + 1])
        if not self.held_out:
            return self.block(numbers)
        block = self.block(numbers[numbers % 2 == 0])
        block.held_out = self.block(numbers[numbers % 2 == 1])
        return block

    def block(self, numbers):
        return Block(self.X[numbers], self.y[numbers], weight=np.arange(len(numbers)) + 1.0)


def open_cut(y, held_out=True, X=X):
    part = len(y) // 2 if held_out else 0
    return SimpleNamespace(
        collective=HereCollective(Cut(X, y, held_out)), n_rows=len(y) - part, n_held_out=part
    )


class Ear:
    def __init__(self):
        self.heard = []

    def tell(self, message):
        self.heard.append(message)


CLASSIFIED = ["accuracy", "balanced_accuracy", "f1_macro", "neg_log_loss", "roc_auc_ovr"]
COUNTED = [
    "r2", "neg_mean_squared_error", "neg_root_mean_squared_error", "neg_mean_absolute_error",
    "neg_mean_poisson_deviance", "neg_median_absolute_error",
]  # fmt: skip


@pytest.mark.parametrize("held_out", [True, False], ids=["held out", "all rows"])
@pytest.mark.parametrize(
    ("model", "y", "words"),
    [
        (LogisticRegression(), LABELS, CLASSIFIED),
        (LogisticRegression(), BINARY, ["accuracy", "roc_auc"]),
        (LinearSVC(), BINARY == "yes", ["f1", "roc_auc", "recall"]),
        (PoissonRegressor(), NUMBERS, COUNTED),
    ],
    ids=["three words", "two words", "booleans", "numbers"],
)
def test_scores_are_those_of_scikit_learn(model, y, words, held_out):
    model.fit(X, y)
    part = np.arange(len(y)) % 2 == 1 if held_out else np.ones(len(y), bool)
    prefix = "test_" if held_out else "train_"

    scores = score_held_out(open_cut(y, held_out), model, words, Ear())

    assert scores == {prefix + word: get_scorer(word)(model, X[part], y[part]) for word in words}


def test_each_kind_of_model_has_its_own_score_unless_asked():
    def default(model, y):
        return list(score_held_out(open_cut(y), model.fit(X, y), None, Ear()))

    assert default(LogisticRegression(), LABELS) == ["test_accuracy"]
    assert default(Ridge(), NUMBERS) == ["test_r2"]
    assert default(KMeans(2), LABELS) == []


def test_sparse_rows_are_scored():
    model = LogisticRegression().fit(X, BINARY)
    scores = score_held_out(open_cut(BINARY, X=sparse.csr_matrix(X)), model, "accuracy", Ear())
    assert scores["test_accuracy"] == model.score(X[1::2], BINARY[1::2])


@pytest.mark.parametrize(
    ("model", "y", "words"),
    [
        (LogisticRegression(), LABELS, ["accuracy", "balanced_accuracy", "f1_weighted",
                                        "matthews_corrcoef", "neg_log_loss"]),
        (LogisticRegression(), NUMBERS > 1, ["precision", "jaccard"]),
        (PoissonRegressor(), NUMBERS, COUNTED[:-1]),
    ],
    ids=["words", "booleans", "numbers"],
)  # fmt: skip
def test_more_rows_than_fit_are_scored_by_parts(monkeypatch, model, y, words):
    monkeypatch.setattr(judged_rows, "MOST_ROWS", 10)
    model.fit(X, y)

    scores = score_held_out(open_cut(y), model, words, Ear())

    for word in words:
        expected = get_scorer(word)(model, X[1::2], y[1::2])
        assert scores[f"test_{word}"] == pytest.approx(expected, rel=1e-12)


def test_what_needs_all_rows_at_once_is_refused_before_and_left_out_after(monkeypatch):
    monkeypatch.setattr(judged_rows, "MOST_ROWS", 10)
    monkeypatch.setattr(scoring, "MOST_ROWS", 10)
    rows, ear = open_cut(LABELS), Ear()

    check_scoring_size(rows, ["accuracy", "r2", "neg_log_loss"])
    with pytest.raises(BadJob, match=r"roc_auc_ovr needs all of 100 rows.*data\.test_size"):
        check_scoring_size(rows, "roc_auc_ovr")
    scores = score_held_out(rows, LogisticRegression().fit(X, LABELS), "roc_auc_ovr", ear)

    assert np.isnan(scores["test_roc_auc_ovr"])
    assert "test_roc_auc_ovr cannot be computed" in ear.heard[0]


def test_a_score_that_the_rows_do_not_allow_is_told_and_nan():
    ear = Ear()
    model = LogisticRegression().fit(X, LABELS)

    scores = score_held_out(open_cut(LABELS), model, ["f1", "accuracy"], ear)

    assert np.isnan(scores["test_f1"])
    assert scores["test_accuracy"] > 0
    assert ear.heard[0].startswith("test_f1 cannot be computed: ")


@pytest.mark.parametrize(
    ("word", "kind", "said"),
    [
        ("accurazy", None, "did you mean 'accuracy'"),
        ("accuracy", "continuous", "score of classes"),
        ("r2", "classes", "score of numbers"),
        ("r2", "text", "score of numbers"),
    ],
)
def test_wrong_scorers_are_refused(word, kind, said):
    with pytest.raises(BadJob, match=said):
        check_scoring_words(["rand_score", word], kind)


def test_right_scorers_pass():
    check_scoring_words(None, "classes")
    check_scoring_words("r2", "continuous")
    check_scoring_words(("accuracy", "roc_auc_ovr"), "text")
