"""Work that is cut off by the ends of its workers' walltimes, again and again; pure."""

from collections.abc import Sequence

from hpc_ml.errors import TaskFailed

# Of the time that a worker has between its start and its end.
_NEARLY_ALL = 0.8
_LIVES = 1.5


def outlives(cuts_s: Sequence[float], life_s: float) -> bool:
    """Return whether work needs longer than a worker has.

    Parameters
    ----------
    cuts_s : sequence of float
        For how long it was worked on each time before it was cut off, in seconds.
    life_s : float
        How long a worker lives.
    """
    return max(cuts_s) >= _NEARLY_ALL * life_s or sum(cuts_s) >= _LIVES * life_s


def too_long(what: str, cuts_s: Sequence[float]) -> TaskFailed:
    """Return the error of work that would be begun for ever; `what` is it, as 'a fit'."""
    times = "once" if len(cuts_s) == 1 else f"{len(cuts_s)} times"
    return TaskFailed(
        f"{what} needs longer than a worker lives: it was cut off {times} by the end of its "
        f"worker's walltime, after {max(cuts_s):.0f} s",
        hint="give workers a longer --walltime, or make the work smaller",
    )
