"""A run while its controller works on it: the checkpoint that its task sees."""

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hpc_ml.clusters.base import Cluster
from hpc_ml.errors import Cancelled
from hpc_ml.runs.atomic import explain_write_failure
from hpc_ml.runs.folder import RunFolder
from hpc_ml.runs.heartbeat import Heartbeat
from hpc_ml.runs.ledger import Ledger
from hpc_ml.runs.listener import Listener
from hpc_ml.runs.logs import LogHandler
from hpc_ml.runs.ownership import Ownership
from hpc_ml.runs.states import States

_OWNER_EVERY_S = 5.0


class LiveRun:
    """Keeps finished units, tells what happens, and says when the work must not go on.

    Parameters
    ----------
    folder : RunFolder
        The run's folder.
    ledger : Ledger
        Its finished units, open.
    owner : Ownership
        Proof that no other controller has taken the run.
    heartbeat : Heartbeat
        What `status` reads, and where word of `hpc-ml cancel` arrives.
    listener : Listener
        Whoever watches: a terminal, a log or a notebook.
    check_signals : callable
        Raises when a signal has come.
    seed : int
        The job's seed.
    """

    def __init__(
        self,
        folder: RunFolder,
        *,
        ledger: Ledger,
        owner: Ownership,
        heartbeat: Heartbeat,
        listener: Listener,
        check_signals: Callable[[], None],
        seed: int,
    ) -> None:
        self.seed = seed
        self._folder = folder
        self._ledger = ledger
        self._owner = owner
        self._heartbeat = heartbeat
        self._listener = listener
        self._check_signals = check_signals
        self._states = States(folder.layout)
        self._cluster: Cluster | None = None
        self._owner_checked_s = time.monotonic()
        self._log = _open_log(folder.layout.controller_log)

    @property
    def cv_results_file(self) -> Path:
        return self._folder.layout.cv_results_file

    @property
    def history_file(self) -> Path:
        return self._folder.layout.history_file

    @property
    def importances_file(self) -> Path:
        return self._folder.layout.importances_file

    @property
    def sample_file(self) -> Path:
        return self._folder.layout.sample_file

    @property
    def predictions_folder(self) -> Path:
        return self._folder.layout.predictions

    @property
    def model_folder(self) -> Path:
        return self._folder.layout.model

    def watch(self, cluster: Cluster) -> None:
        """From now on `check` asks this cluster too."""
        self._cluster = cluster

    def unwatch(self) -> None:
        """Stop asking the cluster: it is about to be closed."""
        self._cluster = None

    def finished(self) -> Mapping[str, Any]:
        return self._ledger.units

    def record(self, unit: str, value: Any) -> None:
        self._verify_owner()
        self._ledger.append(unit, value)

    def kept_state(self, name: str) -> bytes | None:
        return self._states.read(name)

    def keep_state(self, name: str, make: Callable[[], bytes]) -> None:
        self._verify_owner()
        self._states.keep(name, make)

    def progress(self, done: int, total: int, unit: str) -> None:
        self._heartbeat.report_progress(done, total, unit)
        self._listener.progress(done, total, unit)

    def tell(self, message: str) -> None:
        self._log.info(message)
        self._folder.tell_event("message", text=message)
        self._listener.tell(message)

    def tell_failure(self, message: str) -> None:
        """Log the error that ends the run; whoever called the run shows it."""
        self._log.error(message)
        self._folder.tell_event("error", text=message)

    def check(self) -> None:
        self.check_opening()
        if self._cluster is not None:
            self._cluster.check()

    def check_opening(self) -> None:
        """Raise RunStopped when a signal or `hpc-ml cancel` asks for it; report the workers."""
        self._check_signals()
        if self._heartbeat.cancel_requested:
            raise Cancelled("the run was cancelled", hint="what is finished is kept in its folder")
        self._verify_owner()
        if self._cluster is not None:
            workers = self._cluster.workers()
            self._heartbeat.report_workers(want=workers.want, have=workers.have)
            self._heartbeat.report_reason(workers.reason or None)
            self._listener.workers(workers.have, workers.want, workers.reason)

    @property
    def worker_life_s(self) -> float:
        return float("inf") if self._cluster is None else self._cluster.worker_life_s

    def is_blameless(self, worker: str) -> bool:
        return self._cluster is not None and self._cluster.is_blameless(worker)

    def _verify_owner(self) -> None:
        if time.monotonic() - self._owner_checked_s > _OWNER_EVERY_S:
            self._owner.verify()
            self._owner_checked_s = time.monotonic()

    def save(self) -> None:
        """Write the states that wait to be, if the run is still ours. Raises TaskFailed."""
        self._owner.verify()
        self._states.flush()

    def close(self) -> None:
        """Let go of the log."""
        for handler in list(self._log.handlers):
            self._log.removeHandler(handler)
            handler.close()


def _open_log(path: Path) -> logging.Logger:
    try:
        path.touch(mode=0o600)
        handler = LogHandler(path)
    except OSError as error:
        raise explain_write_failure(path, error) from error
    log = logging.getLogger(f"hpc_ml.run.{path}")
    log.setLevel(logging.INFO)
    log.propagate = False
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    return log
