"""The losses of linear models are scikit-learn's, to the last digits."""

import numpy as np
import pytest
from sklearn._loss.loss import (
    HalfBinomialLoss,
    HalfMultinomialLoss,
    HalfPoissonLoss,
    HalfSquaredError,
)

from hpc_ml.estimators.linear_kernels import KERNELS

RNG = np.random.default_rng(0)
# Certain and uncertain, right and wrong, and past what an exponential holds.
RAW = np.concatenate((RNG.normal(scale=3, size=400), [0, -0.0, 1e-300, 40, -40, 300, -300, 700]))
TARGETS = {
    "squared": RNG.normal(size=len(RAW)),
    "poisson": RNG.poisson(3, size=len(RAW)).astype(float),
    "binomial": RNG.integers(0, 2, len(RAW)).astype(float),
}
LOSSES = {"squared": HalfSquaredError, "poisson": HalfPoissonLoss, "binomial": HalfBinomialLoss}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", LOSSES)
def test_one_prediction_a_row(name: str, dtype: type) -> None:
    raw, target = np.clip(RAW, -30, 30).astype(dtype), TARGETS[name].astype(dtype)
    if dtype == np.float64:
        raw = RAW
    expected = LOSSES[name]().loss_gradient(target, raw)
    found = KERNELS[name](raw, target)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == dtype
        exact = 1e-14 if dtype == np.float64 else 1e-5
        assert np.allclose(ours, theirs, rtol=exact, atol=exact)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_prediction_for_each_class(dtype: type) -> None:
    raw = RNG.normal(scale=5, size=(400, 4)).astype(dtype)
    raw[:4] *= 100
    target = RNG.integers(0, 4, 400).astype(np.uint8)
    losses, slopes = HalfMultinomialLoss(n_classes=4).loss_gradient(target.astype(dtype), raw)
    found = KERNELS["multinomial"](np.ascontiguousarray(raw.T), target)
    assert found[0].dtype == found[1].dtype == dtype
    exact = 1e-13 if dtype == np.float64 else 1e-5
    assert np.allclose(found[0], losses, rtol=exact, atol=exact)
    assert np.allclose(found[1].T, slopes, rtol=exact, atol=exact)


def test_no_digit_is_lost_of_a_certain_prediction() -> None:
    losses, slopes = KERNELS["binomial"](np.array([50.0, -50.0]), np.array([1.0, 0.0]))
    assert losses == pytest.approx([np.exp(-50)] * 2, rel=1e-12)
    assert slopes == pytest.approx([-np.exp(-50), np.exp(-50)], rel=1e-12)
