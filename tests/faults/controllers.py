"""hpc-ml as a user starts it, and what is left of it when it is gone."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

# Far above what any job here takes: it ends a hang.
LIMIT_S = 600
# Workers that have lost their controller end by themselves.
_GONE_LIMIT_S = 30
_LOOK_EVERY_S = 0.02
_MARK = "FAULT_SUITE_CALL"


class Controller:
    """One call of hpc-ml in a folder of its own, whose processes carry a mark.

    Parameters
    ----------
    folder : Path
        Where it is called; its runs lie in `runs`.
    words : sequence of str
        What follows `hpc-ml`.
    """

    def __init__(self, folder: Path, words: Sequence[str]) -> None:
        self._mark = secrets.token_hex(8)
        self._log = folder / f"{words[0]}.log"
        self._began_s = time.monotonic()
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "hpc_ml", *words], cwd=folder, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, env=_environ(folder) | {_MARK: self._mark},
                start_new_session=True,
            )  # fmt: skip

    @property
    def said(self) -> str:
        """The last line that it has printed."""
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    @property
    def age_s(self) -> float:
        return time.monotonic() - self._began_s

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def await_moment(self, moment_s: float) -> bool:
        """Return at this age of it, or when it has ended before: whether it still runs."""
        while self.age_s < moment_s and self.running:
            time.sleep(min(_LOOK_EVERY_S, max(0.0, moment_s - self.age_s)))
        return self.running

    def await_end(self) -> int:
        """Return its exit code, and that of a kill where it hangs."""
        try:
            return self._process.wait(max(1.0, LIMIT_S - self.age_s))
        except subprocess.TimeoutExpired:
            self.kill()
            return self._process.wait()

    def kill(self) -> None:
        """SIGKILL the controller alone: its workers find out by themselves."""
        self._process.kill()
        self._process.wait()

    def count_left(self) -> int:
        """Return how many of its processes do not end by themselves, and end these."""
        deadline_s = time.monotonic() + _GONE_LIMIT_S
        while (left := list(self._processes())) and time.monotonic() < deadline_s:
            time.sleep(_LOOK_EVERY_S * 5)
        for process_id in left:
            os.kill(process_id, signal.SIGKILL)
        return len(left)

    def _processes(self) -> Iterator[int]:
        """Yield its processes; those of batch jobs are the scheduler's."""
        mark = f"{_MARK}={self._mark}".encode()
        for environ in Path("/proc").glob("[0-9]*/environ"):
            try:
                words = environ.read_bytes()
            except OSError:
                continue
            if mark in words and b"SLURM_JOB_ID=" not in words:
                yield int(environ.parent.name)


def _environ(folder: Path) -> dict[str, str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("HPC_ML_", "DASK_"))}
    return clean | {
        "HPC_ML_RUNS": str(folder / "runs"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "DASK_CONFIG": str(folder / "dask"),
    }


@dataclass(frozen=True)
class Result:
    """What a run has come to: its folder, whether it is whole, and how long it took."""

    run: Path
    completed: bool
    wall_s: float
    said: str


def find_run(folder: Path) -> Path | None:
    """Return the run that was begun in a folder, None where there is none yet."""
    return next((folder / "runs").glob("2*"), None)


def await_result(folder: Path, controller: Controller) -> Result:
    """Return what becomes of a run, when its controller has ended."""
    code = controller.await_end()
    wall_s = controller.age_s
    run = find_run(folder)
    state = json.loads((run / "run.json").read_text())["state"] if run else ""
    completed = code == 0 and state == "completed"
    return Result(run or folder, completed, wall_s, controller.said)
