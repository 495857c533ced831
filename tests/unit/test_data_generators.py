"""Generator calls as text: the same arrays as the call in Python, and no code is ever run."""

import numpy as np
import pytest
import sklearn.datasets

from hpc_ml.data import DataSource
from hpc_ml.data.generators import GENERATORS, generate, parse_call
from hpc_ml.data.plan import plan_partitions
from hpc_ml.errors import BadData
from hpc_ml.spec.data import Data


@pytest.mark.parametrize(
    "text",
    [
        "make_classification(n_samples=100, random_state=0)",
        "make_regression(n_samples=50, n_features=3, noise=1.5, random_state=1)",
        "make_blobs(n_samples=[5, 10], centers=None, random_state=2)",
        " make_gaussian_quantiles( mean=(0.0, 1.0), random_state=3 ) ",
    ],
)
def test_a_call_gives_what_it_gives_in_python(text):
    X, y = generate(parse_call(text, seed=9))
    X_python, y_python = eval(text, vars(sklearn.datasets))
    np.testing.assert_array_equal(X, X_python)
    np.testing.assert_array_equal(y, y_python)


@pytest.mark.parametrize("name", GENERATORS)
def test_each_generator_gives_rows_and_a_target_decided_by_the_seed(name):
    X, y = generate(parse_call(f"{name}(n_samples=30)", seed=5))
    again, _ = generate(parse_call(f"{name}(n_samples=30)", seed=5))
    assert X.shape[0] == 30 and y.shape == (30,)
    np.testing.assert_array_equal(X, again)


def test_the_seed_fills_an_unset_random_state_only():
    assert parse_call("make_moons()", seed=5).arguments == {"random_state": 5}
    assert parse_call("make_moons(random_state=None)", seed=5).arguments == {"random_state": 5}
    assert parse_call("make_moons(random_state=1)", seed=5).arguments == {"random_state": 1}


def test_a_call_has_one_spelling():
    one = parse_call("make_moons(noise=0.1,n_samples=10)", seed=0)
    assert str(one) == str(parse_call("make_moons(n_samples=10, noise=0.1, )", seed=0))


def test_the_size_is_known_before_anything_is_made():
    plan = plan_partitions(
        DataSource(Data(name="make_regression(n_samples=10_000_000, n_features=500)"))
    )
    assert sum(plan.bytes_each) == 8 * 10_000_000 * 501


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("make_clasification()", "did you mean 'make_classification'"),
        ("make_moons(noize=1)", "has no argument 'noize'; did you mean 'noise'"),
        ("make_moons(100)", "takes arguments by name only"),
        ("make_moons(*[1])", "takes arguments by name only"),
        ("make_moons(**{'noise': 1})", "not a plain value|no argument '\\*\\*'"),
        ("make_moons(n_samples=n)", "'n_samples' of make_moons is not a plain value"),
        ("make_moons(n_samples=10**9)", "not a plain value"),
        ("make_moons(noise=__import__('os').system('true'))", "not a plain value"),
        ("make_moons(n_samples=[x for x in ()])", "not a plain value"),
        ("__import__('os').system('true')", "is not a generator call"),
        ("(lambda: 0)()", "is not a generator call"),
        ("load_digits()", "no generator is called 'load_digits'"),
        ("make_moons(", "is not a generator call"),
        ("make_moons() and 1", "is not a generator call"),
        ("make_moons(n_samples='ten')", "must be an int"),
        ("make_moons(n_samples=-1)", "must be an int in the range"),
        ("make_blobs(return_centers=True)", "no argument 'return_centers'"),
        ("make_classification(n_classes=40)", "make_classification"),
        ("f(" + "(" * 900 + ")", "is not a generator call"),
        ("make_moons(" + "noise=0.1, " * 900 + ")", "characters"),
        ("make_moons(noise=0.1, noise=0.1)", "has an argument twice"),
        ("make_moons(\0)", "is not a generator call"),
    ],
)
def test_anything_else_is_refused_in_one_line(text, words):
    with pytest.raises(BadData, match=words) as caught:
        generate(parse_call(text, seed=0))
    assert "\n" not in str(caught.value)
