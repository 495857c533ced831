"""Rows as boosters take them: classes as numbers, validation, groups, constraints, metrics."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.metrics import f1_score, log_loss, ndcg_score, r2_score, roc_auc_score

from hpc_ml.estimators.boosting_constraints import place_interactions, place_monotone
from hpc_ml.estimators.boosting_metrics import score, split_metrics
from hpc_ml.estimators.boosting_orders import Measure, Ready, Round
from hpc_ml.estimators.boosting_rows import RowPlan, join, split_block
from hpc_ml.estimators.boosting_scores import Panel
from hpc_ml.estimators.partitions import Block
from hpc_ml.tasks.boosting_models import mean_ndcg

LABELS = np.array(["no", "yes"], dtype=object)


def block(rows: int, seed: int = 0, **more: object) -> Block:
    generator = np.random.default_rng(seed)
    y = LABELS[(generator.random(rows) < 0.2).astype(int)]
    return Block(np.arange(rows * 2.0).reshape(rows, 2), y, **more)


def test_the_share_that_validates_is_exact_and_each_class_has_its_part() -> None:
    rows = (33, 0, 5, 1, 161)
    plan = RowPlan("classification", rows, 3, 0.1, LABELS)
    parts = [split_block(block(count, n), n, plan) for n, count in enumerate(rows)]
    assert sum(len(validating) for _, validating in parts) == 20
    for count, (training, validating) in zip(rows, parts, strict=True):
        assert len(training) + len(validating) == count
        assert not set(training.X[:, 0]) & set(validating.X[:, 0])
    assert {0.0, 1.0} == set(parts[4][1].y)
    again = split_block(block(161, 4), 4, plan)[1]
    assert (again.X == parts[4][1].X).all()


def test_weights_of_classes_count_in_training_alone() -> None:
    plan = RowPlan("classification", (40,), 0, 0.5, LABELS, class_weight=(1.0, 3.0))
    training, validating = split_block(block(40, weight=np.full(40, 2.0)), 0, plan)
    assert (training.weight == np.where(training.y == 1, 6, 2)).all()
    assert (validating.weight == 2).all()


def test_labels_that_are_no_class_are_an_error() -> None:
    plan = RowPlan("classification", (4,), classes=np.array(["maybe", "no"], dtype=object))
    with pytest.raises(ValueError, match="none of the classes"):
        split_block(block(40), 0, plan)


def test_a_group_validates_whole_or_not_at_all() -> None:
    group = np.repeat(np.array(list("cabdefghij")), 7)
    plan = RowPlan("ranking", (70,), 0, 0.3)
    ranked = Block(np.zeros((70, 1)), np.zeros(70), group=group)
    training, validating = split_block(ranked, 0, plan)
    assert len(validating) == 21
    assert not set(training.group) & set(validating.group)


@pytest.mark.parametrize("make", [np.asarray, csr_matrix], ids=["dense", "sparse"])
def test_rows_of_a_group_lie_together_after_joining(make) -> None:
    plan = RowPlan("ranking", (3, 3))
    groups = [np.array([5, 2, 5]), np.array([2, 9, 5])]
    blocks = [
        Block(make(np.arange(3 * n, 3 * n + 3.0)[:, None]), np.arange(3.0), group=group)
        for n, group in enumerate(groups)
    ]
    joined = join([split_block(one, n, plan)[0] for n, one in enumerate(blocks)], plan)
    X = joined.X.toarray() if hasattr(joined.X, "toarray") else joined.X
    assert X[:, 0].tolist() == [0, 2, 5, 1, 3, 4]
    assert joined.group.tolist() == [0, 0, 0, 1, 1, 2]


def test_constraints_are_placed_by_name_and_number() -> None:
    names = ("age", "income", "2")
    assert place_monotone({"income": -1, 0: 1}, names, 3) == (1, -1, 0)
    assert place_monotone("(0, 1, -1)", None, 3) == (0, 1, -1)
    assert place_interactions([["income", "age"], ["2"]], names, 3) == [[1, 0], [2]]
    with pytest.raises(ValueError, match="no column 'salary'"):
        place_monotone({"salary": 1}, names, 3)
    with pytest.raises(ValueError, match="2 values for 3 columns"):
        place_monotone([0, 1], names, 3)


def test_metrics_are_told_from_scorers() -> None:
    assert split_metrics(["logloss", "f1", "auc"]) == (("logloss", "auc"), ("f1",))
    assert split_metrics(["average_precision"], ["average_precision"]) == (
        ("average_precision",),
        (),
    )


def test_scorers_are_scikit_learn_s() -> None:
    generator = np.random.default_rng(0)
    codes, probability = generator.integers(0, 2, 50), generator.random(50)
    y = LABELS[codes]
    weight = generator.random(50)
    found = {
        name: score(name, y, probability, classes=LABELS, weight=weight)
        for name in ("roc_auc", "neg_log_loss", "f1_macro")
    }
    predicted = LABELS[(probability > 0.5).astype(int)]
    assert found == pytest.approx(
        {
            "roc_auc": roc_auc_score(y, probability, sample_weight=weight),
            "neg_log_loss": -log_loss(y, probability, sample_weight=weight),
            "f1_macro": f1_score(y, predicted, average="macro", sample_weight=weight),
        }
    )
    assert score("r2", codes, probability) == r2_score(codes, probability)


def test_measures_of_several_workers_are_put_together_as_if_of_one() -> None:
    generator = np.random.default_rng(1)
    y, predicted = generator.random(30), generator.random(30)
    cut = 10
    rounds = [
        Round(
            {"validation_rmse": float(np.sqrt(np.mean((y[part] - predicted[part]) ** 2)))},
            {"validation_rmse": False},
            predicted[part],
        )
        for part in (slice(cut), slice(cut, None))
    ]
    ready = [
        Ready({"validation": Measure(len(y[part]))}, y[part], None)
        for part in (slice(cut), slice(cut, None))
    ]
    panel = Panel(ready, {"fit": "r2"}, None, own_rows=True)
    metrics, maximise = panel.combine(rounds)
    assert metrics["validation_rmse"] == pytest.approx(np.sqrt(np.mean((y - predicted) ** 2)))
    assert metrics["validation_fit"] == pytest.approx(r2_score(y, predicted))
    assert maximise == {"validation_rmse": False, "validation_fit": True}


def test_ndcg_is_the_mean_of_the_queries() -> None:
    generator = np.random.default_rng(2)
    relevance, predicted = generator.integers(0, 4, (20, 6)), generator.random((20, 6))
    relevance[3] = 0
    group = np.repeat(generator.permutation(20), 6)
    order = generator.permutation(120)
    found = mean_ndcg(group[order], relevance.ravel()[order], predicted.ravel()[order])
    each = [
        ndcg_score([2.0**row - 1], [one]) if row.any() else 1.0
        for row, one in zip(relevance, predicted, strict=True)
    ]
    assert found == pytest.approx(np.mean(each))
