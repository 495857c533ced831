"""Generated rows in partitions: scikit-learn's own where few, and one problem where many."""

from dataclasses import replace

import numpy as np
import pytest
import sklearn.datasets
from sklearn.linear_model import LinearRegression, LogisticRegression

from hpc_ml.data import DataSource, load
from hpc_ml.data.formats import generator as generator_format
from hpc_ml.data.plan import read_partition
from hpc_ml.errors import BadData
from hpc_ml.spec.data import Data
from tests.unit.data_partitions import plan_of, read_all


@pytest.fixture
def in_blocks(monkeypatch):
    """Make rows in blocks of 2 KiB from 10 kB on, so that these tests need few of them."""
    monkeypatch.setattr(generator_format, "_WHOLE_BYTES", 10_000)
    monkeypatch.setattr(generator_format, "_BLOCK_BYTES", 2_048)


@pytest.mark.parametrize("name", ["make_blobs", "make_classification", "make_regression"])
def test_rows_up_to_64_mib_are_scikit_learns(name):
    plan = plan_of(name=f"{name}(n_samples=70_000, n_features=20, random_state=4)")
    X, y = getattr(sklearn.datasets, name)(n_samples=70_000, n_features=20, random_state=4)
    assert len(plan) > 5
    mine = read_all(plan)
    np.testing.assert_array_equal(mine[0], X)
    np.testing.assert_array_equal(mine[1], y)


@pytest.mark.parametrize(
    "name",
    [
        "make_blobs(n_samples=3_000)",
        "make_classification(n_samples=3_000)",
        "make_regression(n_samples=3_000)",
        "make_moons(n_samples=(1_000, 2_000), noise=0.1)",
        "make_friedman1(n_samples=3_000)",
    ],
)
def test_larger_ones_are_the_same_rows_in_any_partitions(in_blocks, name):
    large = plan_of(name=name)
    small = replace(large, pieces=_halved(large.pieces, large.reading.block_rows), rows=None)
    X, y = read_all(large)
    assert X.shape[0] == 3_000 and X.shape[1] == large.n_columns
    assert np.isfinite(X).all() and len(np.unique(X[:, 0])) == 3_000
    again = read_all(small)
    np.testing.assert_array_equal(again[0], X)
    np.testing.assert_array_equal(again[1], y)
    assert any("rows are made in blocks" in note for note in large.notes)


def _halved(pieces, block_rows):
    spans = [span for piece in pieces for span in piece]
    made = []
    for span in spans:
        middle = span.start + (span.stop - span.start) // 2 // block_rows * block_rows
        made += [(type(span)(0, span.start, middle),), (type(span)(0, middle, span.stop),)]
    return tuple(piece for piece in made if piece[0].start < piece[0].stop)


def test_blobs_lie_around_scikit_learns_centres_in_their_numbers(in_blocks):
    call = "make_blobs(n_samples=[2_000, 500, 1_500], centers=None, n_features=3, random_state=7)"
    _, _, centres = sklearn.datasets.make_blobs(
        n_samples=[2, 2, 2], n_features=3, random_state=7, return_centers=True
    )
    X, y = read_all(plan_of(name=call))
    assert np.bincount(y).tolist() == [2_000, 500, 1_500]
    for number in range(3):
        np.testing.assert_allclose(X[y == number].mean(axis=0), centres[number], atol=0.2)
        np.testing.assert_allclose(X[y == number].std(axis=0), 1, atol=0.1)
    assert len(np.unique(y[:60])) == 3


def test_a_regression_has_one_set_of_coefficients(in_blocks):
    call = "make_regression(n_samples=2_000, n_features=12, n_informative=4, bias=3.0)"
    X, y = read_all(plan_of(name=call))
    model = LinearRegression().fit(X[:1_000], y[:1_000])
    assert (np.abs(model.coef_) > 1e-6).sum() == 4 and model.intercept_ == pytest.approx(3)
    assert model.score(X[1_000:], y[1_000:]) == pytest.approx(1)


def test_a_regression_of_low_rank_is_of_low_rank(in_blocks):
    call = "make_regression(n_samples=4_000, n_features=30, effective_rank=3, tail_strength=0.01)"
    X, _ = read_all(plan_of(name=call))
    values = np.linalg.svd(X, compute_uv=False)
    assert values[0] == pytest.approx(1, rel=0.1) and values[12] < 0.05


def test_a_classification_is_learned_from_one_part_for_another(in_blocks):
    call = (
        "make_classification(n_samples=4_000, n_features=12, n_informative=6, n_redundant=3, "
        "n_repeated=2, n_classes=3, weights=[0.5, 0.3, 0.2], flip_y=0.0, class_sep=2.0)"
    )
    X, y = read_all(plan_of(name=call))
    assert np.bincount(y).tolist() == [2_000, 1_200, 800]
    assert np.linalg.matrix_rank(X - X.mean(axis=0)) == 7  # 6 informative, 1 of noise
    model = LogisticRegression(max_iter=500).fit(X[:2_000], y[:2_000])
    assert model.score(X[2_000:], y[2_000:]) > 0.8


def test_the_seed_decides_the_rows(in_blocks):
    def first(seed):
        source = DataSource(Data(name="make_blobs(n_samples=3_000)"), seed=seed)
        return load(source).X_train[0]

    np.testing.assert_array_equal(first(1), first(1))
    assert not np.array_equal(first(1), first(2))


def test_ten_million_rows_are_planned_at_once_and_read_in_part():
    plan = plan_of(name="make_blobs(n_samples=10_000_000, n_features=2)")
    assert sum(plan.rows) == 10_000_000 and len(plan) == 32
    assert read_partition(plan, 31).X.shape == (plan.rows[-1], 2)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("make_blobs(n_samples='many')", "n_samples must be a whole number"),
        ("make_blobs(n_samples=100_000_000, n_features=-1)", "make_blobs"),
        ("make_classification(n_samples=10_000_000, n_informative=30)", "make_classification"),
        ("make_moons(n_samples=0)", "n_samples"),
    ],
)
def test_what_cannot_be_made_is_refused(name, problem):
    with pytest.raises(BadData, match=problem):
        plan_of(name=name)


def test_bundled_tables_are_sliced():
    plan = plan_of(name="digits")
    X, y = sklearn.datasets.load_digits(return_X_y=True)
    mine = read_all(plan)
    np.testing.assert_array_equal(mine[0], X)
    np.testing.assert_array_equal(mine[1], y)
    part = read_partition(plan, 0, ["pixel_3_3", "pixel_0_1"])
    np.testing.assert_array_equal(part.X, X[:, [27, 1]])
