"""Workers that Dask has paused because their memory is full, and that wait in silence."""

import time
from collections.abc import Collection
from typing import Any

from hpc_ml.errors import WorkersLost

# A worker that writes data to disk is paused for some seconds and then goes on.
_PAUSE_LIMIT_S = 60


class MemoryWatch:
    """Notices when every worker process has been paused for a minute."""

    def __init__(self) -> None:
        self._going_on_s = time.monotonic()

    def check(self, processes: Collection[Any]) -> None:
        """Raise WorkersLost when nothing can run any more.

        Parameters
        ----------
        processes : collection of distributed.scheduler.WorkerState
            The worker processes that the Dask scheduler knows.
        """
        now_s = time.monotonic()
        if not processes or any(process.status.name != "paused" for process in processes):
            self._going_on_s = now_s
        elif now_s - self._going_on_s > _PAUSE_LIMIT_S:
            limit_mib = min(process.memory_limit for process in processes) // 2**20
            raise WorkersLost(
                f"every worker process has filled its {limit_mib} MiB of memory, and is paused",
                hint="give more --memory, or fewer --cores for the same",
            )
