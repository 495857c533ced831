"""L-BFGS for losses that the workers evaluate, smooth or with a penalty on absolute values."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize

Evaluate = Callable[[Any], tuple[float, Any]]
Listen = Callable[[Any, float, float], None]

# What scikit-learn sets; the second is very small, yet above the rounding of a float64 loss.
_LINE_SEARCH_STEPS = 50
_LOSS_TOLERANCE = 64 * np.finfo(float).eps


@dataclass(frozen=True)
class Stop:
    """Where a search stopped, and why; `reason` is None where it converged."""

    x: Any
    loss: float
    reason: str | None


def search_smooth(
    evaluate: Evaluate, start: Any, max_iter: int, listen: Listen, *, tol: float
) -> Stop:
    """Search the minimum of a smooth loss, with the settings of scikit-learn's solver "lbfgs".

    Parameters
    ----------
    evaluate : callable
        Returns loss and gradient at a point.
    start : ndarray of shape (n_parameters,)
    max_iter : int
    listen : callable
        Hears point, loss and largest component of the gradient after each iteration; may raise
        StopIteration.
    tol : float
        The search converges where no component of the gradient is larger.
    """
    return _search(evaluate, start, np.full(len(start), -np.inf), max_iter, listen, tol)


def search_sparse(
    evaluate: Evaluate, start: Any, max_iter: int, listen: Listen, *, tol: float, penalty: Any
) -> Stop:
    """Search the minimum of ``evaluate(x)[0] + sum(penalty * abs(x))``; see `search_smooth`.

    Penalised parameters are taken as differences of two that are not negative, in which the loss
    is smooth and L-BFGS-B keeps the bounds: M. Schmidt, G. Fung, R. Rosales, "Fast optimization
    methods for L1 regularization", ECML 2007.

    `penalty`, of shape (n_parameters,), weighs the absolute values; 0 where there is none.
    """
    penalised = np.flatnonzero(penalty)
    weights = penalty[penalised]
    n_parameters = len(start)

    def join(parts: Any) -> Any:
        x = parts[:n_parameters].copy()
        x[penalised] -= parts[n_parameters:]
        return x

    def evaluate_parts(parts: Any) -> tuple[float, Any]:
        loss, gradient = evaluate(join(parts))
        gradient = np.concatenate((gradient, weights - gradient[penalised]))
        gradient[penalised] += weights
        return loss + float(weights @ (parts[penalised] + parts[n_parameters:])), gradient

    parts = np.concatenate((start, np.maximum(-start[penalised], 0.0)))
    parts[penalised] = np.maximum(parts[penalised], 0.0)
    lowest = np.zeros(len(parts))
    lowest[:n_parameters][penalty == 0] = -np.inf

    def listen_to_parts(parts: Any, loss: float, slope: float) -> None:
        listen(join(parts), loss, slope)

    stop = _search(evaluate_parts, parts, lowest, max_iter, listen_to_parts, tol)
    return Stop(join(stop.x), stop.loss, stop.reason)


def _search(
    evaluate: Evaluate, start: Any, lowest: Any, max_iter: int, listen: Listen, tol: float
) -> Stop:
    gradient = np.zeros(len(start))

    def evaluate_and_note(x: Any) -> tuple[float, Any]:
        nonlocal gradient
        loss, gradient = evaluate(x)
        return loss, gradient

    def note_iteration(intermediate_result: Any) -> None:
        x = intermediate_result.x
        # A parameter at its bound goes no further down.
        slopes = np.where(x <= lowest, np.minimum(gradient, 0.0), gradient)
        listen(x, float(intermediate_result.fun), float(np.max(np.abs(slopes), initial=0.0)))

    found = optimize.minimize(
        evaluate_and_note,
        start,
        method="L-BFGS-B",
        jac=True,
        bounds=optimize.Bounds(lowest, np.inf) if np.isfinite(lowest).any() else None,
        options={
            "maxiter": max_iter,
            "maxls": _LINE_SEARCH_STEPS,
            "gtol": tol,
            "ftol": _LOSS_TOLERANCE,
        },
        callback=note_iteration,
    )
    reason = None if found.status == 0 else found.message.capitalize()
    return Stop(found.x, float(found.fun), reason)
