"""The logs of a run: which there are, and what stands at their ends."""

import logging
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hpc_ml.runs.layout import RunLayout
from hpc_ml.runs.record import RunRecord

_BLOCK_BYTES = 65_536


@dataclass(frozen=True)
class LogFile:
    """One log: what wrote it, in words, and where it lies; `job_id` where a batch job wrote it."""

    title: str
    path: Path
    job_id: str | None = None


class LogHandler(logging.FileHandler):
    """Writes a log; a full disk costs lines of it, and neither the run nor a traceback."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        pass

    def close(self) -> None:
        with suppress(OSError):  # of lines that still wait for room
            super().close()


def controller_logs(layout: RunLayout, record: RunRecord) -> list[LogFile]:
    """Return the controller's own log and, where it was submitted, those of its jobs."""
    logs = [LogFile("controller", layout.controller_log)]
    present = [record.controller_job] if record.controller_job else []
    for job_id in dict.fromkeys([*record.controller_jobs, *present]):
        path = layout.job_log("controller", job_id)
        logs.append(LogFile(f"controller's job {job_id}", path, job_id))
    return logs


def worker_logs(layout: RunLayout, record: RunRecord) -> list[LogFile]:
    """Return the workers' logs in the order of their jobs, then those of jobs not recorded."""
    recorded = [
        LogFile(f"worker {number}, job {job_id}", layout.job_log("worker", job_id), job_id)
        for number, job_id in enumerate(record.worker_jobs, start=1)
    ]
    known = {log.path for log in recorded}
    others = [path for path in sorted(layout.logs.glob("worker-*.log")) if path not in known]
    return recorded + [LogFile(path.stem, path) for path in others]


def last_lines(path: Path, count: int) -> list[str]:
    """Return the last lines of a file without their ends; [] when it cannot be read."""
    try:
        text, _ = read_from(path, tail_offset(path, count))
    except OSError:
        return []
    return text.splitlines()


def tail_offset(path: Path, count: int) -> int:
    """Return where the last `count` lines of a file begin, in bytes. Raises OSError."""
    with path.open("rb") as file:
        position = file.seek(0, 2)
        newlines = 0
        while position > 0:
            size = min(_BLOCK_BYTES, position)
            position -= size
            file.seek(position)
            block = file.read(size)
            if newlines == 0 and block.endswith(b"\n"):
                block = block[:-1]  # the end of the last line begins no other
            at = len(block)
            while (at := block.rfind(b"\n", 0, at)) >= 0:
                newlines += 1
                if newlines == count:
                    return position + at + 1
    return 0


def read_from(path: Path, offset: int, *, whole_lines: bool = False) -> tuple[str, int]:
    """Return what stands in a file from a byte on, and where that ends. Raises OSError.

    With `whole_lines` a last line without its end is left for the next time.
    """
    with path.open("rb") as file:
        file.seek(offset)
        content = file.read()
    if whole_lines:
        content = content[: content.rfind(b"\n") + 1]
    return content.decode(errors="replace"), offset + len(content)
