"""The logs of a run: which there are, and their last lines."""

from collections.abc import Iterator
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


def name_log(stem: str, job_id: str) -> str:
    """Return the name of a job's log; Slurm writes `ID;CLUSTER` as `ID`."""
    return f"{stem}-{job_id.split(';')[0]}.log"


def controller_logs(layout: RunLayout, record: RunRecord) -> list[LogFile]:
    """Return the controller's logs that are there: its job's output and its own."""
    logs = [LogFile("controller", layout.controller_log)]
    for path in sorted(layout.logs.glob("controller-*.log")):
        logs.append(LogFile("controller's job", path, _find_job(path, [record.controller_job])))
    return [log for log in logs if log.path.is_file()]


def worker_logs(layout: RunLayout, record: RunRecord) -> list[LogFile]:
    """Return the logs of the workers by number, those of unrecorded jobs last.

    A recorded job has its log listed whether or not the file is there yet.
    """
    recorded = [
        LogFile(f"worker {number}, job {job}", layout.logs / name_log("worker", job), job)
        for number, job in enumerate(record.worker_jobs, start=1)
    ]
    known = {log.path for log in recorded}
    others = [path for path in sorted(layout.logs.glob("worker*.log")) if path not in known]
    return recorded + [LogFile(path.stem, path) for path in others]


def last_lines(path: Path, count: int) -> list[str]:
    """Return the last lines of a file without their ends; [] when it cannot be read."""
    if count <= 0:
        return []
    content = b""
    try:
        for block in _read_backwards(path):
            content = block + content
            if content.count(b"\n") > count:
                break
    except OSError:
        return []
    return content.decode(errors="replace").splitlines()[-count:]


def _read_backwards(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        position = file.seek(0, 2)
        while position > 0:
            size = min(_BLOCK_BYTES, position)
            position -= size
            file.seek(position)
            yield file.read(size)


def _find_job(path: Path, jobs: list[str | None]) -> str | None:
    return next((job for job in jobs if job and name_log("controller", job) == path.name), None)
