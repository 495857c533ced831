"""When a worker leaves before its job's walltime ends; pure."""

import zlib
from dataclasses import dataclass

_LONGEST_GRACE_S, _LONGEST_CLOSING_S, _LONGEST_STAGGER_S = 120.0, 30.0, 600.0
_SHORTEST_S = 5.0


@dataclass(frozen=True)
class Lifetime:
    """The last moments of a worker, counted back from the end of its walltime.

    Parameters
    ----------
    walltime_s : int
        Walltime of its job.
    """

    walltime_s: int

    @property
    def closing_s(self) -> float:
        """For Dask to hand on what the worker holds, and for its processes to end."""
        return _between(self.walltime_s / 20, _LONGEST_CLOSING_S)

    @property
    def grace_s(self) -> float:
        """For the work in progress to be finished, while nothing new is begun."""
        return _between(self.walltime_s / 10, _LONGEST_GRACE_S)

    @property
    def stagger_s(self) -> float:
        """Over which the workers leave one after the other."""
        return _between(self.walltime_s / 10, _LONGEST_STAGGER_S)

    @property
    def work_s(self) -> float:
        """How long the shortest-lived worker can work on something that it begins at once."""
        return self.walltime_s - self.closing_s - self.stagger_s

    def before_end_s(self, job: str) -> float:
        """Return how long before the end of its walltime the worker of a job leaves.

        All processes of a job leave together; those of different jobs, not.
        """
        share = zlib.crc32(job.encode()) / 2**32
        return self.closing_s + self.grace_s + share * self.stagger_s


def _between(seconds: float, longest_s: float) -> float:
    return max(_SHORTEST_S, min(longest_s, seconds))
