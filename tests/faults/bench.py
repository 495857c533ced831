"""One job at one place: as it runs undisturbed, and what others are compared with."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.faults.controllers import Controller, Result, await_result
from tests.faults.jobs import WORKERS, FaultJob
from tests.faults.results import list_differences, list_strays
from tests.faults.table import Outcome


def no_jobs(run: Path) -> list[str]:
    """Return the batch jobs that a run on this machine leaves."""
    return []


class Bench:
    """One job, its undisturbed run, and a folder for those that are disturbed.

    Parameters
    ----------
    name : str
        The job's.
    job : FaultJob
    folder : Path
        Is made; what was there before is removed.
    place : sequence of str
        Words that name the place.
    list_jobs : callable
        Returns the batch jobs that a run leaves.
    """

    def __init__(
        self,
        name: str,
        job: FaultJob,
        folder: Path,
        place: Sequence[str] = (),
        list_jobs: Callable[[Path], list[str]] = no_jobs,
    ) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "data").mkdir(parents=True)
        self.name = name
        self.job = job
        self.folder = folder
        self.place = place
        self._list_jobs = list_jobs
        self._started = 0
        self._words = (*job.words, *job.prepare(folder / "data"), *place)
        self.undisturbed = self._run_undisturbed()

    def start(self, label: str) -> tuple[Path, Controller]:
        """Start the job in a new folder."""
        self._started += 1
        folder = self.folder / f"{self._started:03d}-{label.replace(' ', '-')}"
        folder.mkdir()
        return folder, Controller(folder, ("run", *self._words, "--workers", str(WORKERS)))

    def _compare(self, result: Result) -> list[str]:
        """Return in what a result differs from the undisturbed one."""
        if not result.completed:
            return []
        return list_differences(self.undisturbed.run, result.run, self.job.tolerance)

    def judge(
        self, fault: str, moment_s: float, result: Result, *, processes: int, wall_s: float
    ) -> Outcome:
        """Return what a fault did, of the result and of the processes that were left.

        The folder of a run that came to a good end is removed.
        """
        left = [f"{processes} processes"] * bool(processes)
        outcome = Outcome(
            fault=fault,
            job=self.name,
            moment_s=moment_s,
            survived=result.completed,
            differences=self._compare(result),
            left=left + list_strays(result.run) + self._list_jobs(result.run),
            lost_s=wall_s - self.undisturbed.wall_s,
            note="" if result.completed else result.said,
        )
        if outcome.good:
            shutil.rmtree(result.run.parent.parent, ignore_errors=True)
        return outcome

    def _run_undisturbed(self) -> Result:
        folder, controller = self.start("undisturbed")
        result = await_result(folder, controller)
        if not result.completed:
            raise SystemExit(f"{self.name}: the undisturbed run failed: {result.said}")
        if strays := list_strays(result.run):
            raise SystemExit(f"{self.name}: the undisturbed run left {', '.join(strays)}")
        return result
