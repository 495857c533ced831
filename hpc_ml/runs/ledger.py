"""The finished units of a run, one line each, checked when they are read again."""

import json
import os
import re
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from hpc_ml.errors import BadRun
from hpc_ml.runs.atomic import explain_write_failure, sync_folder

_LINE = re.compile(rb'(?P<body>\{.*), "crc": "(?P<crc>[0-9a-f]{8})"\}', re.DOTALL)
_SYNC_INTERVAL_S = 1.0


class Ledger:
    """An append-only file of finished units, held by the run's one controller.

    `units` maps each unit to its value, `dropped` counts the lines that a crash left unfinished,
    and `seconds_spent` is the time that writing has cost.
    """

    def __init__(self, path: Path, descriptor: int, content: bytes) -> None:
        self.path = path
        self.units, whole_bytes, self.dropped = _parse_units(path, content)
        self.seconds_spent = 0.0
        self._descriptor = descriptor
        self._size_bytes = self._synced_bytes = whole_bytes
        self._synced_at = float("-inf")
        self._lock = threading.Lock()
        if whole_bytes < len(content):
            os.ftruncate(descriptor, whole_bytes)

    @classmethod
    def open(cls, path: Path) -> "Ledger":
        """Return the ledger in a file, made when it is not there.

        A last line that a crash cut short is removed and counted in `dropped`.
        Raises BadRun for a broken line before the last, TaskFailed when it cannot be written.
        """
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                sync_folder(path.parent)
                return cls(path, descriptor, path.read_bytes())
            except BaseException:
                os.close(descriptor)
                raise
        except OSError as error:
            raise explain_write_failure(path, error) from error

    def append(self, unit: str, value: Any) -> None:
        """Keep a finished unit; the value is JSON, NaN and infinities included.

        It reaches the file at once, and the disk too where a second has passed since the unit
        before; else by `sync_due` or `close`.
        Raises TaskFailed when it cannot be written; the units before it are safe then.
        """
        line = _format_line(unit, value)
        with self._lock, self._writing():
            self._write(line)
            self._sync_due()
            self.units[unit] = value

    def sync_due(self) -> None:
        """Bring to the disk what has waited for a second. Raises TaskFailed."""
        if self._synced_bytes < self._size_bytes:
            with self._lock, self._writing():
                self._sync_due()

    def close(self) -> None:
        """Bring everything to the disk; closing twice is no error. Raises TaskFailed."""
        with self._lock:
            if self._descriptor < 0:
                return
            try:
                with self._writing():
                    self._sync()
            finally:
                os.close(self._descriptor)
                self._descriptor = -1

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Count the time, and raise TaskFailed for what the disk refuses."""
        started_s = time.perf_counter()
        try:
            yield
        except OSError as error:
            raise explain_write_failure(self.path, error) from error
        finally:
            self.seconds_spent += time.perf_counter() - started_s

    def _write(self, line: bytes) -> None:
        try:
            rest = line
            while rest:
                # A disk that fills up takes a part first, and refuses the rest.
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            os.ftruncate(self._descriptor, self._size_bytes)
            raise
        self._size_bytes += len(line)

    def _sync_due(self) -> None:
        if time.monotonic() - self._synced_at >= _SYNC_INTERVAL_S:
            self._sync()

    def _sync(self) -> None:
        if self._synced_bytes == self._size_bytes:
            return
        try:
            os.fsync(self._descriptor)
        except OSError:
            # What a failed fsync left on the disk is unknown (network file systems fail here).
            os.ftruncate(self._descriptor, self._synced_bytes)
            self._size_bytes = self._synced_bytes
            raise
        self._synced_bytes = self._size_bytes
        self._synced_at = time.monotonic()


def read_units(path: Path) -> dict[str, Any]:
    """Return the finished units of a run that another process may be writing to.

    A ledger that is not there has none. Raises BadRun for a broken line before the last.
    """
    try:
        content = path.read_bytes()
    except OSError:
        return {}
    return _parse_units(path, content)[0]


def _format_line(unit: str, value: Any) -> bytes:
    body = json.dumps({"unit": unit, "value": value}).encode()[:-1]
    return body + b', "crc": "%08x"}\n' % zlib.crc32(body)


def _parse_units(path: Path, content: bytes) -> tuple[dict[str, Any], int, int]:
    """Return the units, how many bytes hold whole lines, and how many lines were dropped."""
    *lines, rest = content.split(b"\n")
    whole_bytes = len(content) - len(rest)
    dropped = int(bool(rest))
    units: dict[str, Any] = {}
    for number, line in enumerate(lines, start=1):
        parsed = _parse_line(line)
        if parsed is None:
            if number == len(lines) and not rest:
                return units, whole_bytes - len(line) - 1, 1
            raise BadRun(
                "this line of the finished units is broken",
                where=f"{path}:{number}",
                hint="delete the line: its unit is computed again then",
            )
        units[parsed["unit"]] = parsed["value"]
    return units, whole_bytes, dropped


def _parse_line(line: bytes) -> dict[str, Any] | None:
    match = _LINE.fullmatch(line)
    if match is None or int(match["crc"], 16) != zlib.crc32(match["body"]):
        return None
    return json.loads(match["body"] + b"}")
