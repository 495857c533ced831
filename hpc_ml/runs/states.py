"""Where the iterative algorithms of a run are: the newest state of each, checked when read."""

import re
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from hpc_ml.errors import BadRun
from hpc_ml.runs.atomic import explain_write_failure, write_bytes
from hpc_ml.runs.layout import RunLayout

# What takes longer is written as soon as it is done; what takes less is written together.
LONG_UNIT_S = 1.0
WRITE_EVERY_S = 30.0
# Less than a hundredth of the time is for writing states, ledger and signs of life: for states, as
# large as they may be, two thirds of that.
_TIMES_THE_COST = 150
_CHECKSUM_BYTES = 4
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")


@dataclass
class _Kept:
    """The newest state under one name; `make` is None once it is written."""

    heard_s: float
    written_s: float
    due_s: float = float("inf")
    make: Callable[[], bytes] | None = None


class States:
    """The states of one run: written at once after long units, else every 30 s and by `flush`.

    After a write all of them rest for 150 times as long as it took, however many there are.
    `seconds_spent` is the time that writing has cost.
    """

    def __init__(self, layout: RunLayout) -> None:
        self.seconds_spent = 0.0
        self._layout = layout
        self._rested_s = float("-inf")
        self._began_s = time.monotonic()
        self._kept: dict[str, _Kept] = {}

    def read(self, name: str) -> bytes | None:
        """Return the newest state that is on the disk. Raises BadRun for a broken one."""
        path = self._layout.state_file(name)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        checksum, state = content[:_CHECKSUM_BYTES], content[_CHECKSUM_BYTES:]
        if checksum != _checksum(state):
            raise BadRun(
                "the state of the work is broken",
                where=str(path),
                hint="delete the file: the work begins anew then",
            )
        return state

    def keep(self, name: str, make: Callable[[], bytes], unit_s: float | None = None) -> None:
        """Take the newest state. Raises TaskFailed when it is due and cannot be written.

        `unit_s` is what the work since the state before took; default the time since then.
        """
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a state")
        now_s = time.monotonic()
        kept = self._kept.setdefault(name, _Kept(self._began_s, self._began_s))
        if unit_s is None:
            unit_s = now_s - kept.heard_s
        kept.heard_s, kept.make = now_s, make
        together_s = 0.0 if unit_s >= LONG_UNIT_S else WRITE_EVERY_S
        # A long unit that waits does not wait longer because of a short one after it.
        kept.due_s = min(kept.due_s, kept.written_s + together_s)
        self.write_due()

    def write_due(self) -> None:
        """Write what has waited long enough. Raises TaskFailed."""
        for name, kept in self._kept.items():
            if max(kept.due_s, self._rested_s) <= time.monotonic():
                self._write(name, kept)

    def flush(self) -> None:
        """Write all that waits. Raises TaskFailed."""
        for name, kept in self._kept.items():
            self._write(name, kept)

    def _write(self, name: str, kept: _Kept) -> None:
        if kept.make is None:
            return
        started_s = time.monotonic()
        path = self._layout.state_file(name)
        state, kept.make, kept.due_s = kept.make(), None, float("inf")
        try:
            write_bytes(path, _checksum(state) + state)
        except OSError as error:
            raise explain_write_failure(path, error) from error
        finally:
            kept.written_s = time.monotonic()
            cost_s = kept.written_s - started_s
            self.seconds_spent += cost_s
            self._rested_s = kept.written_s + _TIMES_THE_COST * cost_s


def _checksum(state: bytes) -> bytes:
    return zlib.crc32(state).to_bytes(_CHECKSUM_BYTES, "big")
