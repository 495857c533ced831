"""What keeping the work safe costs: the time inside the writes to a run's folder."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


class Stopwatch:
    """Adds up the time of blocks, in any thread."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._lock = threading.Lock()

    @contextmanager
    def measure(self) -> Iterator[None]:
        """Add the time of the block."""
        started_s = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self.seconds += time.perf_counter() - started_s


@dataclass(frozen=True)
class Price:
    """The seconds inside writes that keep the work safe, of those that controllers ran."""

    spent_s: float
    whole_s: float

    def __str__(self) -> str:
        share = self.spent_s / self.whole_s if self.whole_s else 0.0
        return (
            f"keeping the work safe took {self.spent_s:.2f} s of {self.whole_s:.0f} s ({share:.2%})"
        )
