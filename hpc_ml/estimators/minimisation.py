"""Minimisations that can be interrupted, and go on where they were.

A search such as L-BFGS depends on nothing but the values that it was given. So its evaluations,
which the workers make, are kept in their order, and an interrupted search is walked again along
them, without the workers, to where it was: bit for bit.
"""

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from hpc_ml.estimators.lbfgs import Evaluate, Listen, Stop
from hpc_ml.estimators.surroundings import Checkpoint

Search = Callable[[Evaluate, Any, int, Listen], Stop]
History = tuple[tuple[float, float], ...]

# A trail is kept in memory and written to disk; past these limits the search begins anew where it
# is, with L-BFGS forgetting its corrections. A fixed rule, so that a resumed search does the same.
_TRAIL_BYTES = 64 * 2**20
_SHORTEST_TRAIL = 30


@dataclass(frozen=True)
class Minimum:
    """The result of a minimisation.

    Attributes
    ----------
    x : ndarray of shape (n_parameters,), float64
    loss : float
    n_iter : int
    reason : str or None
        Why the search stopped short of its tolerance.
    history : tuple of (float, float)
        Loss and largest component of the gradient after each iteration.
    """

    x: Any
    loss: float
    n_iter: int
    reason: str | None
    history: History

    def warn(self, max_iter: int) -> None:
        """Warn where the search did not converge, as scikit-learn does."""
        if self.reason is None:
            return
        advice = "scale the columns"
        if self.n_iter >= max_iter:
            advice = f"raise max_iter ({max_iter}), or {advice}"
        warnings.warn(
            f"lbfgs failed to converge after {self.n_iter} iteration(s): {self.reason}; {advice}",
            ConvergenceWarning,
            stacklevel=4,
        )


def minimise(
    evaluate: Evaluate,
    start: Any,
    search: Search,
    *,
    max_iter: int,
    checkpoint: Checkpoint,
    name: str,
) -> Minimum:
    """Search the minimum of a function, going on where an earlier call was interrupted.

    Parameters
    ----------
    evaluate : callable
        Returns loss and gradient at a point.
    start : ndarray of shape (n_parameters,)
    search : callable
        One of `lbfgs`, its options bound.
    max_iter : int
        Iterations, earlier calls included.
    checkpoint : Checkpoint
        Keeps the trail under `name` and hears of progress.

    Raises
    ------
    ValueError
        Where the function is not finite at the start.
    """
    trail = Trail.read(checkpoint.kept_state(name), start)
    while True:
        walk = _Walk(trail, evaluate, checkpoint, name, max_iter)
        stop = search(walk.evaluate, trail.start, max_iter - len(trail.history), walk.listen)
        history = (*trail.history, *walk.history)
        if not walk.paused:
            return Minimum(stop.x, stop.loss, len(history), stop.reason, history)
        trail = Trail(stop.x, history, trail.origin)


class Trail:
    """The evaluations that a search made since it began at `start`, after `history`.

    `origin` tells where the very first search began.
    """

    def __init__(self, start: Any, history: History = (), origin: bytes | None = None) -> None:
        self.origin = _digest(start) if origin is None else origin
        self.start = np.array(start, dtype=np.float64)
        self.history = history
        self.points: list[bytes] = []
        self.losses: list[float] = []
        self.gradients: list[Any] = []

    @classmethod
    def read(cls, kept: bytes | None, start: Any) -> "Trail":
        """Return a trail that was kept of a search from the same start, or an empty one."""
        if kept is None:
            return cls(start)
        with np.load(io.BytesIO(kept), allow_pickle=False) as arrays:
            origin = arrays["origin"].tobytes()
            if origin != _digest(start):
                return cls(start)
            trail = cls(arrays["start"], tuple(map(tuple, arrays["history"].tolist())), origin)
            trail.points = [point.tobytes() for point in arrays["points"]]
            trail.losses = arrays["losses"].tolist()
            trail.gradients = list(arrays["gradients"])
        return trail

    @property
    def full(self) -> bool:
        longest = max(_SHORTEST_TRAIL, _TRAIL_BYTES // max(1, self.start.nbytes))
        return len(self.losses) >= longest

    def find(self, position: int, x: Any) -> tuple[float, Any] | None:
        """Return the evaluation at this position if it was made at this very point."""
        if position >= len(self.losses) or self.points[position] != _digest(x):
            return None
        return self.losses[position], self.gradients[position]

    def put(self, position: int, x: Any, loss: float, gradient: Any) -> None:
        """Keep the evaluation at this position in place of all from there on."""
        del self.points[position:], self.losses[position:], self.gradients[position:]
        self.points.append(_digest(x))
        self.losses.append(loss)
        self.gradients.append(gradient)

    def freeze(self) -> Callable[[], bytes]:
        """Return a function that gives the bytes of the trail as it is now."""
        start, history = self.start, np.array(self.history).reshape(-1, 2)
        origin = np.frombuffer(self.origin, dtype="V16")
        points, losses, gradients = self.points[:], self.losses[:], self.gradients[:]

        def make() -> bytes:
            file = io.BytesIO()
            np.savez(
                file,
                origin=origin,
                start=start,
                history=history,
                points=np.frombuffer(b"".join(points), dtype="V16"),
                losses=np.array(losses),
                gradients=np.array(gradients),
            )
            return file.getvalue()

        return make


class _Walk:
    """One search along a trail, which it makes longer."""

    def __init__(
        self, trail: Trail, evaluate: Evaluate, checkpoint: Checkpoint, name: str, max_iter: int
    ) -> None:
        self.history: list[tuple[float, float]] = []
        self.paused = False
        self._trail = trail
        self._evaluate = evaluate
        self._checkpoint = checkpoint
        self._name = name
        self._max_iter = max_iter
        self._position = 0

    def evaluate(self, x: Any) -> tuple[float, Any]:
        """Return loss and gradient, from the trail as far as it goes."""
        known = self._trail.find(self._position, x)
        if known is None:
            known = self._evaluate(x)
            if not self._trail.losses:
                _check_finite(*known)
            self._trail.put(self._position, x, *known)
            self._checkpoint.keep_state(self._name, self._trail.freeze())
        self._position += 1
        return known

    def listen(self, x: Any, loss: float, slope: float) -> None:
        """Hear of a finished iteration; raises StopIteration where the trail is full."""
        self.history.append((loss, slope))
        done = len(self._trail.history) + len(self.history)
        self._checkpoint.progress(done, self._max_iter, "iterations")
        at_its_end = self._position >= len(self._trail.losses)
        if self._trail.full and at_its_end and done < self._max_iter:
            self.paused = True
            raise StopIteration


def _check_finite(loss: float, gradient: Any) -> None:
    """Raise ValueError where a search cannot begin; later it may look where the loss overflows."""
    if not (np.isfinite(loss) and np.isfinite(gradient).all()):
        raise ValueError(
            "the loss or its gradient is not finite at the start: the values are too large, scale "
            "the columns"
        )


def _digest(x: Any) -> bytes:
    return blake2b(np.asarray(x, dtype=np.float64).tobytes(), digest_size=16).digest()
