"""The time until a controller must stop by itself, so that its batch job's end finds it done."""

import time
from collections.abc import Callable

from hpc_ml.errors import WalltimeReached
from hpc_ml.schedulers.own_job import OwnJob
from hpc_ml.schedulers.scripts import stop_margin_s
from hpc_ml.spec.quantities import format_walltime


class Countdown:
    """Counts from now to the moment to stop, by a clock that nobody sets.

    Parameters
    ----------
    own : OwnJob or None
        The batch job around this process; without one, or without its end, there is no moment.
    hint : str
        How to go on.
    clock_s : callable, optional
        Tells seconds that only grow.
    """

    def __init__(
        self, own: OwnJob | None, hint: str, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._own = own
        self._hint = hint
        self._clock_s = clock_s
        left_s = None if own is None else own.left_s
        self._left_s = left_s
        self._stop_at_s = None if left_s is None else clock_s() + left_s - stop_margin_s(left_s)

    def check(self) -> None:
        """Raise WalltimeReached when it is time to stop."""
        if not self.is_over:
            return
        assert self._own is not None and self._left_s is not None
        raise WalltimeReached(
            f"the run was stopped {stop_margin_s(self._left_s):.0f} s before the walltime of its "
            f"controller's job {self._own.id}, which had {format_walltime(round(self._left_s))} "
            "left when it began",
            hint=self._hint,
        )

    @property
    def is_over(self) -> bool:
        """Whether it is time to stop."""
        return self._stop_at_s is not None and self._clock_s() >= self._stop_at_s
