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
from hpc_ml.runs.price import Price
from hpc_ml.runs.states import States

_OWNER_EVERY_S = 5.0
# Of runs this long the terminal hears what the writes took; of others the log does.
_LONG_S = 60.0


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
    check_stop : callable
        Raises when a signal has come, or the controller's own time is up.
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
        check_stop: Callable[[], None],
        seed: int,
    ) -> None:
        self.seed = seed
        self.first_workers = 0
        self._folder = folder
        self._ledger = ledger
        self._owner = owner
        self._heartbeat = heartbeat
        self._listener = listener
        self._check_stop = check_stop
        self._states = States(folder.layout)
        self._cluster: Cluster | None = None
        self._owner_checked_s = self._began_s = time.monotonic()
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

    def keep_state(self, name: str, make: Callable[[], bytes], unit_s: float | None = None) -> None:
        self._verify_owner()
        self._states.keep(name, make, unit_s)

    def progress(self, done: int, total: int, unit: str) -> None:
        self._heartbeat.report_progress(done, total, unit)
        self._listener.progress(done, total, unit)

    def tell(self, message: str) -> None:
        self._note(message)
        self._listener.tell(message)

    def _note(self, message: str) -> None:
        self._log.info(message)
        self._folder.tell_event("message", text=message)

    def tell_failure(self, message: str) -> None:
        """Log the error that ends the run; whoever called the run shows it."""
        self._log.error(message)
        self._folder.tell_event("error", text=message)

    def check(self) -> None:
        self.check_opening()
        if self._cluster is not None:
            self._cluster.check()

    def check_opening(self) -> None:
        """Raise RunStopped when a signal, the timer or `cancel` asks for it; report the workers."""
        self._check_stop()
        if self._heartbeat.cancel_requested:
            raise Cancelled("the run was cancelled", hint="what is finished is kept in its folder")
        self._verify_owner()
        self._ledger.sync_due()
        self._states.write_due()
        if self._cluster is not None:
            workers = self._cluster.workers()
            self._heartbeat.report_workers(want=workers.want, have=workers.have)
            self._heartbeat.report_reason(workers.reason or None)
            self._listener.workers(workers.have, workers.want, workers.reason)

    def expects_workers(self) -> bool:
        return self._cluster is not None and self._cluster.expects_workers()

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
        """Bring all that is finished to the disk, if the run is still ours. Raises TaskFailed.

        No more can be recorded after it.
        """
        self._owner.verify()
        self._ledger.close()
        self._states.flush()

    def tell_repairs(self) -> None:
        """Tell what a crash of the controller before has cost."""
        if self._ledger.dropped:
            self.tell("the last finished unit was cut short by a crash; it is computed again")

    def tell_price(self) -> None:
        """Record what keeping the work safe has cost, and tell it where the run was no short one.

        No more can be recorded after it.
        """
        self._ledger.close()
        whole_s = time.monotonic() - self._began_s
        spent_s = self._count_spent_s()
        if missed := self._heartbeat.failed_beats:
            self.tell(f"{missed} signs of life could not be written: is the run's disk full?")
        record = self._folder.read_record()
        self._folder.update(
            safekeeping_s=round(record.safekeeping_s + spent_s, 3),
            controller_s=round(record.controller_s + whole_s, 3),
        )
        price = str(Price(spent_s, whole_s))
        (self.tell if whole_s >= _LONG_S else self._note)(price)

    def _count_spent_s(self) -> float:
        return (
            self._ledger.seconds_spent
            + self._states.seconds_spent
            + self._heartbeat.seconds_spent
            + self._folder.writing.seconds
        )

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
