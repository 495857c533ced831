"""The sign of life that a controller gives, and its ear for the request to stop."""

import threading
import time
from datetime import datetime
from types import TracebackType
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from hpc_ml.runs.atomic import write_json
from hpc_ml.runs.layout import RunLayout
from hpc_ml.runs.record import read_clock


class Progress(BaseModel):
    """How far the work is; `unit` is a plural noun such as 'fits'."""

    model_config = ConfigDict(frozen=True)

    done: int
    total: int
    unit: str

    def __str__(self) -> str:
        return f"{self.done} of {self.total} {self.unit}"


class Workers(BaseModel):
    """How many workers are wanted, and how many are there."""

    model_config = ConfigDict(frozen=True)

    want: int
    have: int


class Beat(BaseModel):
    """One sign of life: its number, when it was given, and what the controller was doing."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    beat: int
    time: AwareDatetime
    progress: Progress | None = None
    workers: Workers | None = None
    reason: str | None = None


def read_beat(layout: RunLayout) -> Beat | None:
    """Return the last sign of life, or None where there is none that can be read."""
    try:
        return Beat.model_validate_json(layout.heartbeat_file.read_bytes())
    except (OSError, ValidationError):
        return None


class Heartbeat:
    """A daemon thread that writes heartbeat.json and looks for cancel.json.

    Parameters
    ----------
    layout : RunLayout
        The run's paths.
    interval_s : float, default=2.0
        Seconds from one beat to the next.

    `failed_beats` counts the beats that could not be written; they stop nothing. `seconds_spent` is
    the processor time of writing: in a thread of its own it holds up nothing else.
    """

    def __init__(self, layout: RunLayout, interval_s: float = 2.0) -> None:
        self.failed_beats = 0
        self.seconds_spent = 0.0
        self._layout = layout
        self._interval_s = interval_s
        self._lock = threading.Lock()
        last = read_beat(layout)
        # Until the task tells anew how far it is, that of the controller before holds.
        self._beat = Beat(beat=0, time=read_clock(), progress=last and last.progress)
        self._stopped = threading.Event()
        self._cancelled = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hpc-ml heartbeat", daemon=True)

    @property
    def cancel_requested(self) -> bool:
        """Whether `hpc-ml cancel` has asked the run to stop."""
        return self._cancelled.is_set()

    def start(self) -> None:
        """Give the first beat and go on until `stop`."""
        self._give()
        self._thread.start()

    def stop(self) -> None:
        """Give a last beat and end; stopping twice is no error."""
        if self._stopped.is_set():
            return
        self._stopped.set()
        self._thread.join()
        self._give()

    def report_progress(self, done: int, total: int, unit: str) -> None:
        """Tell how far the work is, with the next beat."""
        self._change(progress=Progress(done=done, total=total, unit=unit))

    def report_workers(self, want: int, have: int) -> None:
        """Tell how many workers there are, with the next beat."""
        self._change(workers=Workers(want=want, have=have))

    def report_reason(self, reason: str | None) -> None:
        """Tell what the run waits for, with the next beat; None: it does not wait."""
        self._change(reason=reason)

    def __enter__(self) -> "Heartbeat":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _run(self) -> None:
        while not self._stopped.wait(self._interval_s):
            self._give()

    def _give(self) -> None:
        self._change(beat=self._beat.beat + 1, time=_read_time())
        if self._layout.cancel_file.exists():
            self._cancelled.set()
        started_s = time.thread_time()
        try:
            beat = self._beat.model_dump(mode="json")
            write_json(self._layout.heartbeat_file, beat, sync=False)
        except OSError:
            self.failed_beats += 1
        self.seconds_spent += time.thread_time() - started_s

    def _change(self, **changes: Any) -> None:
        with self._lock:
            self._beat = self._beat.model_copy(update=changes)


def _read_time() -> datetime:
    return read_clock().replace(microsecond=0)
