"""Where the iterative algorithms of a run are: the newest state of each, checked when read."""

import re
import time
import zlib
from collections.abc import Callable

from hpc_ml.errors import BadRun
from hpc_ml.runs.atomic import explain_write_failure, write_bytes
from hpc_ml.runs.layout import RunLayout

WRITE_EVERY_S = 30.0
_CHECKSUM_BYTES = 4
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")


class States:
    """The states of one run, written at most every 30 s each, and by `flush`.

    `seconds_spent` is the time that writing has cost.
    """

    def __init__(self, layout: RunLayout) -> None:
        self.seconds_spent = 0.0
        self._layout = layout
        self._waiting: dict[str, Callable[[], bytes]] = {}
        self._written_s: dict[str, float] = {}

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

    def keep(self, name: str, make: Callable[[], bytes]) -> None:
        """Take the newest state. Raises TaskFailed when it is due and cannot be written."""
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a state")
        self._waiting[name] = make
        now_s = time.monotonic()
        if now_s - self._written_s.setdefault(name, now_s) >= WRITE_EVERY_S:
            self._write(name)

    def flush(self) -> None:
        """Write all that waits. Raises TaskFailed."""
        for name in list(self._waiting):
            self._write(name)

    def _write(self, name: str) -> None:
        started_s = time.perf_counter()
        path = self._layout.state_file(name)
        state = self._waiting.pop(name)()
        try:
            write_bytes(path, _checksum(state) + state)
        except OSError as error:
            raise explain_write_failure(path, error) from error
        finally:
            self.seconds_spent += time.perf_counter() - started_s
        self._written_s[name] = time.monotonic()


def _checksum(state: bytes) -> bytes:
    return zlib.crc32(state).to_bytes(_CHECKSUM_BYTES, "big")
