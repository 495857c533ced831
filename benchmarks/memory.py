"""How much memory a turn has taken at its peak, from Linux's own high-water marks: no sampling.

Each process has a mark of the most that it had resident, which can be set back to what it has now
(see proc_pid_clear_refs(5)). Processes that end meanwhile are not counted.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

KEY = "more_memory_mib"
_SET_MARK_BACK = "5"


@contextmanager
def watch_memory() -> Iterator[dict[str, float]]:
    """Yield a mapping that holds, after the block, what all processes took beyond what they had.

    It is the sum over this process and its descendants of the peak inside the block less what was
    resident before, in MiB: data that lay in memory before are not in it, and a process that was
    born inside counts as a whole. Without such marks the mapping stays empty.
    """
    found: dict[str, float] = {}
    before_kib: dict[int, int] = {}
    for pid in _processes():
        try:
            Path(f"/proc/{pid}/clear_refs").write_text(_SET_MARK_BACK)
            before_kib[pid] = _read_kib(pid, "VmRSS")
        except OSError:
            continue
    yield found
    if not before_kib:
        return
    more_kib = 0
    for pid in _processes():
        try:
            more_kib += max(0, _read_kib(pid, "VmHWM") - before_kib.get(pid, 0))
        except OSError:
            continue
    found[KEY] = more_kib / 1024


def _processes() -> list[int]:
    own = psutil.Process()
    return [own.pid, *(child.pid for child in own.children(recursive=True))]


def _read_kib(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    return 0  # a process that has ended and waits for its parent
