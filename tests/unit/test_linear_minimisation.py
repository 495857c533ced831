"""Minimisations: the minimum, and that an interrupted one goes on to the same bits."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from sklearn.datasets import make_regression
from sklearn.linear_model import ElasticNet

from hpc_ml.estimators import minimisation
from hpc_ml.estimators.lbfgs import search_smooth, search_sparse
from hpc_ml.estimators.minimisation import minimise
from hpc_ml.estimators.surroundings import NoCheckpoint


class Stopped(Exception):
    """The run was told to stop."""


class Keeper(NoCheckpoint):
    """Keeps the newest state, as a run's folder does."""

    def __init__(self) -> None:
        self.states: dict[str, bytes] = {}

    def kept_state(self, name: str) -> bytes | None:
        return self.states.get(name)

    def keep_state(self, name: str, make: Callable[[], bytes]) -> None:
        self.states[name] = make()


class Rosenbrock:
    """A curved valley in ten dimensions; stops the run at one of its evaluations."""

    def __init__(self, stop_at: int = -1) -> None:
        self.evaluations = 0
        self._stop_at = stop_at

    def __call__(self, x):
        if self.evaluations == self._stop_at:
            raise Stopped
        self.evaluations += 1
        ahead, here = x[1:], x[:-1]
        gradient = np.zeros_like(x)
        gradient[:-1] = -400 * here * (ahead - here**2) - 2 * (1 - here)
        gradient[1:] += 200 * (ahead - here**2)
        return float(np.sum(100 * (ahead - here**2) ** 2 + (1 - here) ** 2)), gradient


def find(valley, keeper, penalty=None):
    search = partial(search_smooth, tol=1e-8)
    if penalty is not None:
        search = partial(search_sparse, tol=1e-8, penalty=penalty)
    return minimise(
        valley, np.full(10, -1.0), search, max_iter=500, checkpoint=keeper, name="valley"
    )


@pytest.mark.parametrize("penalty", [None, np.linspace(0, 0.3, 10)], ids=["smooth", "sparse"])
@pytest.mark.parametrize("stop_at", [1, 17])
def test_an_interrupted_search_ends_where_an_undisturbed_one_does(penalty, stop_at) -> None:
    undisturbed, whole = Rosenbrock(), Keeper()
    expected = find(undisturbed, whole, penalty)
    keeper, rest = Keeper(), Rosenbrock()
    with pytest.raises(Stopped):
        find(Rosenbrock(stop_at), keeper, penalty)
    found = find(rest, keeper, penalty)
    assert np.array_equal(found.x, expected.x)
    assert found.history == expected.history
    assert expected.reason is None
    assert rest.evaluations == undisturbed.evaluations - stop_at


def test_a_search_whose_state_grows_too_large_goes_on_from_where_it_is(monkeypatch) -> None:
    monkeypatch.setattr(minimisation, "_TRAIL_BYTES", 0)
    undisturbed = Rosenbrock()
    expected = find(undisturbed, Keeper())
    assert np.allclose(expected.x, 1, atol=1e-6)
    assert undisturbed.evaluations > minimisation._SHORTEST_TRAIL
    keeper = Keeper()
    with pytest.raises(Stopped):
        find(Rosenbrock(45), keeper)
    assert np.array_equal(find(Rosenbrock(), keeper).x, expected.x)


@pytest.mark.parametrize("l1_ratio", [1.0, 0.3])
def test_absolute_values_as_by_coordinate_descent(l1_ratio) -> None:
    X, y = make_regression(200, 15, n_informative=5, noise=5, random_state=0)
    known = ElasticNet(alpha=2, l1_ratio=l1_ratio, fit_intercept=False, tol=1e-12).fit(X, y)

    def loss(w):
        rest = X @ w - y
        smooth = 0.5 * rest @ rest / len(y) + (1 - l1_ratio) * w @ w
        return float(smooth), X.T @ rest / len(y) + 2 * (1 - l1_ratio) * w

    found = minimise(
        loss, np.zeros(15),
        partial(search_sparse, tol=1e-9, penalty=np.full(15, 2 * l1_ratio)),
        max_iter=500, checkpoint=NoCheckpoint(), name="",
    )  # fmt: skip
    assert np.allclose(found.x, known.coef_, atol=1e-6)
    assert np.array_equal(found.x == 0, known.coef_ == 0)


def test_a_search_that_ends_too_early_says_why() -> None:
    found = minimise(
        Rosenbrock(), np.full(10, -1.0), partial(search_smooth, tol=1e-8),
        max_iter=3, checkpoint=NoCheckpoint(), name="",
    )  # fmt: skip
    assert found.n_iter == 3
    with pytest.warns(match=r"3 iteration\(s\).*raise max_iter \(3\)"):
        found.warn(max_iter=3)
