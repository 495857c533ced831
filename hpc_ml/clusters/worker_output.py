"""Where the workers of this machine print: on stderr, since stdout is the result's."""

import os

from distributed import WorkerPlugin
from distributed.worker import Worker

_STDOUT, _STDERR = 1, 2


class PrintToStderr(WorkerPlugin):
    """Sends what a worker process prints, `verbose=1` of an estimator say, to stderr."""

    def setup(self, worker: Worker) -> None:
        os.dup2(_STDERR, _STDOUT)
