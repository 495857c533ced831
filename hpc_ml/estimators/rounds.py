"""Sends the fits of one iteration to the workers, in batches of the right size."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from hpc_ml.errors import TaskFailed
from hpc_ml.estimators.backlog import Backlog
from hpc_ml.estimators.engine import MORE_MEMORY, DiedError, Engine
from hpc_ml.estimators.outcomes import Record
from hpc_ml.estimators.recipe import pack
from hpc_ml.estimators.units import Batch, Folds, Unit, run_batch

if TYPE_CHECKING:
    from distributed import Future

_BATCH_S = 0.5
_BATCH_LIMIT_S = 1.0
_LONG_BATCH_S = 2.0
_FIRST_BATCH = 4
_NEWEST_SHARE = 0.3
_HOPELESS_BATCHES = 6


class Pace:
    """How many fits go into a batch, by how long they have taken so far."""

    def __init__(self) -> None:
        self._unit_s: float | None = None
        self._batch_s: float | None = None

    def learn(self, batch: Batch) -> None:
        """Take a batch into account; the newest count most."""
        if not batch.records:
            return
        unit_s = batch.seconds / len(batch.records)
        if self._unit_s is None:
            self._unit_s = unit_s
        self._unit_s += _NEWEST_SHARE * (unit_s - self._unit_s)
        self._batch_s = batch.seconds

    @property
    def depth(self) -> int:
        """How many batches a thread has: another waits while the answer of a short one travels."""
        return 1 if self._batch_s is None or self._batch_s > _LONG_BATCH_S else 2

    def size(self, waiting: int, threads: int) -> int:
        """Return how many fits the next batch gets."""
        by_time = _FIRST_BATCH if self._unit_s is None else _BATCH_S / max(self._unit_s, 1e-6)
        return max(1, int(min(by_time, math.ceil(waiting / (2 * threads)))))


class Round:
    """The fits of one iteration of a search.

    Parameters
    ----------
    engine : Engine
        Where to send them.
    units : sequence of Unit
        The fits, in the candidates' order.
    folds : Folds
        The rows that they need.
    finish : callable
        Hears each fit and its record as soon as it is known.
    bury : callable
        Gets a fit that took its worker down, even alone, and why; returns its record.
    survived : bool
        Whether any fit of the search has been finished before.
    """

    def __init__(
        self,
        engine: Engine,
        units: Sequence[Unit],
        folds: Folds,
        finish: Callable[[Unit, Record], None],
        bury: Callable[[Unit, str], Record],
        survived: bool,
    ) -> None:
        self._engine = engine
        self._folds = engine.embed("folds", folds)
        self._finish = finish
        self._bury = bury
        self._backlog = Backlog(units)
        self._pace = Pace()
        self._sent: dict[Future, tuple[str, list[Unit]]] = {}
        self._suspects: list[Unit] = []
        self._survived = survived
        self._deaths = 0

    def run(self) -> None:
        """Return when every fit is finished. Raises what a fit may not survive."""
        while self._backlog or self._sent or self._suspects:
            self._fill()
            for future in self._engine.finished():
                self._take(future)
        self._engine.release(self._folds)

    def _fill(self) -> None:
        threads = self._engine.roster.threads()
        busy = Counter(worker for worker, _ in self._sent.values())
        for level in range(1, self._pace.depth + 1):
            for worker, own in threads.items():
                while self._backlog and busy[worker] < own * level:
                    size = self._pace.size(len(self._backlog), sum(threads.values()))
                    self._send(self._backlog.take(worker, size), worker)
                    busy[worker] += 1
        if self._suspects and not self._sent and threads:
            # Alone on the cluster, so that no fit dies of another.
            self._send([self._suspects[0]], next(iter(threads)))

    def _send(self, units: list[Unit], worker: str) -> None:
        packed = pack(units, "the parameters")
        future = self._engine.submit(
            "fit", run_batch, self._folds, packed, _BATCH_LIMIT_S, worker=worker
        )
        self._sent[future] = (worker, units)

    def _take(self, future: "Future") -> None:
        _, units = self._sent.pop(future)
        try:
            batch: Batch = self._engine.result(future)
        except DiedError as died:
            self._suspect(units, died)
            return
        self._survived = True
        self._pace.learn(batch)
        left = []
        for unit in units:
            if unit.key in batch.records:
                self._settle(unit, batch.records[unit.key])
            else:
                left.append(unit)
        if batch.raised is not None:
            raise batch.raised
        self._backlog.put_back(left)

    def _suspect(self, units: list[Unit], died: DiedError) -> None:
        self._deaths += 1
        hopeless = max(_HOPELESS_BATCHES, 2 * len(self._engine.roster.threads()))
        if not self._survived and self._deaths >= hopeless:
            raise TaskFailed(
                f"no fit has been finished, and {self._deaths} batches of them took down each "
                f"worker that tried, {died.times} times",
                hint=MORE_MEMORY,
            )
        if self._suspects[:1] == units:
            reason = f"its worker died {died.times} times while it ran alone"
            self._settle(units[0], self._bury(units[0], reason))
        else:
            self._suspects.extend(units)

    def _settle(self, unit: Unit, record: Record) -> None:
        if self._suspects[:1] == [unit]:
            self._suspects.pop(0)
        self._finish(unit, record)
