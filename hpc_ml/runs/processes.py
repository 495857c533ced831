"""Which process wrote something, told apart from a later one with the same number."""

import os
import socket
from functools import cache
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict


class ProcessMark(BaseModel):
    """A process by boot, PID namespace and start time (in clock ticks since boot), see proc(5).

    The host's name alone says little: nodes of a site can share one, and a node can have two.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    host: str
    pid: int
    boot_id: str | None = None
    pid_namespace: str | None = None
    start_ticks: int | None = None

    @classmethod
    def current(cls, **fields: Any) -> Self:
        """Return the mark of this process; further fields are those of a subclass."""
        pid = os.getpid()
        return cls(
            host=socket.gethostname(),
            pid=pid,
            boot_id=read_boot_id(),
            pid_namespace=read_pid_namespace(),
            start_ticks=read_start_ticks(pid),
            **fields,
        )

    def is_alive(self) -> bool | None:
        """Return whether the process still runs; None where this host cannot tell."""
        if not self._is_here():
            return None
        started = read_start_ticks(self.pid)
        if started is None:
            return False
        return self.start_ticks is None or self.start_ticks == started

    def _is_here(self) -> bool:
        if self.boot_id is None:
            return self.host == socket.gethostname()
        # Another boot is another machine, or this one before a restart: the two look the same.
        return (self.boot_id, self.pid_namespace) == (read_boot_id(), read_pid_namespace())


@cache
def read_boot_id() -> str | None:
    """Return what tells one boot of this machine from the next."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None


def read_pid_namespace() -> str | None:
    """Return what tells the processes of one container of this machine from those of another."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return None


def read_start_ticks(pid: int) -> int | None:
    """Return when a process of this host began; None when it is gone, or only a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The second field is the command's name in parentheses, which may hold spaces.
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in "ZX" else int(fields[18])
