"""What a worker does when the walltime of its job is about to end: it leaves in good order."""

import asyncio
import logging
import os
import time
from contextlib import suppress

from distributed import WorkerPlugin
from distributed.core import Status
from distributed.worker import Worker

from hpc_ml.clusters.lifetimes import Lifetime
from hpc_ml.estimators.serving import announce_leaving, close_links, working_since_s
from hpc_ml.schedulers.base import job_number
from hpc_ml.schedulers.scripts import ENDS_AT

_logger = logging.getLogger("distributed.worker")
_LOOK_EVERY_S = 0.1
# What was finished last is on its way to the controller.
_LAST_ANSWERS_S = 1.0


class Leaving(WorkerPlugin):
    """Has a worker leave before the end of its walltime, which its script has written down.

    It takes nothing new, finishes what it is doing within a grace, hands on what it holds, and
    ends its job. Dask's own lifetime drops what is in progress, and begins anew where a nanny
    starts its worker again.
    """

    name = "hpc-ml-leaving"

    def __init__(self, lifetime: Lifetime) -> None:
        self._lifetime = lifetime

    def setup(self, worker: Worker) -> None:
        ends_at = os.environ.get(ENDS_AT)
        if ends_at is None:
            return
        before_end_s = self._lifetime.before_end_s(job_number(str(worker.name)))
        delay_s = max(0.0, float(ends_at) - time.time() - before_end_s)
        worker.loop.call_later(delay_s, self._leave, worker)

    async def _leave(self, worker: Worker) -> None:
        if worker.status not in (Status.running, Status.paused):
            return
        _logger.info("hpc-ml: the walltime ends soon: leaving")
        worker.status = Status.closing_gracefully
        try:
            await asyncio.to_thread(announce_leaving)
            await self._finish_work(worker)
            await asyncio.wait_for(_hand_on(worker), self._lifetime.closing_s / 2)
        except (OSError, TimeoutError):
            _logger.info("hpc-ml: the scheduler does not answer: leaving without a word")
        finally:
            await worker.close(executor_wait=False, reason="worker-lifetime-reached")

    async def _finish_work(self, worker: Worker) -> None:
        deadline_s = time.monotonic() + self._lifetime.grace_s
        while worker.state.executing or working_since_s() is not None:
            if time.monotonic() > deadline_s:
                _logger.info("hpc-ml: work in progress is cut off")
                break
            await asyncio.sleep(_LOOK_EVERY_S)
        await asyncio.to_thread(close_links)
        await asyncio.sleep(_LAST_ANSWERS_S)


async def _hand_on(worker: Worker) -> None:
    """Copy what only this worker holds to others, where there are any, and say goodbye."""
    stimulus_id = f"hpc-ml-leaving-{time.time()}"
    await worker.scheduler.retire_workers(
        workers=[worker.address], close_workers=False, remove=True, stimulus_id=stimulus_id
    )
    with suppress(KeyError):  # it has been removed
        await worker.scheduler.unregister(
            address=worker.address, stimulus_id=stimulus_id, expected=True, close=False
        )
