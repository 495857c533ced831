"""`hpc-ml logs`: what the controller and the workers of a run have written."""

import time
from collections.abc import Iterable
from pathlib import Path

import click

from hpc_ml.cli.job_reports import JobPoller
from hpc_ml.cli.options import debug_option, runs_option
from hpc_ml.errors import BadRun
from hpc_ml.runs.folder import RunFolder
from hpc_ml.runs.index import find_run
from hpc_ml.runs.ledger import read_units
from hpc_ml.runs.logs import LogFile, controller_logs, read_from, tail_offset, worker_logs
from hpc_ml.runs.record import RunState
from hpc_ml.runs.status import RunStatus, look

_LOOK_EVERY_S = 0.5
_FAILED_JOB = ("failed", "timeout", "out of memory")


@click.command()
@click.argument("run")
@click.option("--follow", is_flag=True, help="Go on showing what is written, until the run ends.")
@click.option("--failed", is_flag=True, help="Only what failed: fits, and the logs of jobs.")
@click.option("--worker", type=click.IntRange(min=1), help="Only the log of this worker, from 1.")
@click.option(
    "--lines", type=click.IntRange(min=1), default=40, show_default=True,
    help="Lines to show of each log.",
)  # fmt: skip
@runs_option
@debug_option
def logs(
    run: str, follow: bool, failed: bool, worker: int | None, lines: int, runs_dir: Path
) -> None:
    """Show the logs of a run: the controller's, then each worker's.

    RUN is an id, the start of one, a name, a path, or 'last'.
    """
    if follow and failed:
        raise click.UsageError("--failed shows what has failed so far; leave out --follow")
    folder = find_run(run, runs_dir)
    if failed:
        _show_failed(folder, lines)
        return
    poller = JobPoller()
    reader = LogReader(lines)
    status = _look(folder, poller) if follow else look(folder)
    while follow and not status.state.ended:
        reader.show(_choose(folder, worker), whole_lines=True)
        time.sleep(_LOOK_EVERY_S)
        status = _look(folder, poller)
    reader.show(_choose(folder, worker))
    if not reader.shown:
        click.echo(f"no logs yet: the run is {status.state}", err=True)
    if follow:
        click.echo(f"run {folder.run_id} is {status.state}", err=True)


class LogReader:
    """Prints logs from their last lines on, each stretch under the name of its file."""

    def __init__(self, lines: int) -> None:
        self._lines = lines
        self._offsets: dict[Path, int] = {}
        self._last: Path | None = None

    @property
    def shown(self) -> bool:
        """Whether anything was there to print."""
        return self._last is not None

    def show(self, logs: Iterable[LogFile], *, whole_lines: bool = False) -> None:
        """Print what has been added to these logs; those that are not there yet may come."""
        for log in logs:
            try:
                if log.path not in self._offsets:
                    self._offsets[log.path] = tail_offset(log.path, self._lines)
                text, self._offsets[log.path] = read_from(
                    log.path, self._offsets[log.path], whole_lines=whole_lines
                )
            except OSError:
                continue
            if text:
                self._print(log, text)

    def _print(self, log: LogFile, text: str) -> None:
        if self._last != log.path:
            gap = "\n" if self.shown else ""
            click.echo(f"{gap}==> {log.title}: {log.path} <==")
            self._last = log.path
        click.echo(text, nl=not text.endswith("\n"))


def _look(folder: RunFolder, poller: JobPoller) -> RunStatus:
    record = folder.read_record()
    poller.ask([record])
    return look(folder, poller.reports(record))


def _choose(folder: RunFolder, worker: int | None) -> list[LogFile]:
    record = folder.read_record()
    of_workers = worker_logs(folder.layout, record)
    if worker is None:
        return controller_logs(folder.layout, record) + of_workers
    if worker > len(of_workers):
        there = f"1 to {len(of_workers)}" if of_workers else "none"
        raise BadRun(
            f"there is no worker {worker} with a log of its own; there are: {there}",
            where=folder.run_id,
            hint="the workers of a run on one machine write to the controller's log",
        )
    return [of_workers[worker - 1]]


def _show_failed(folder: RunFolder, lines: int) -> None:
    poller = JobPoller()
    status = _look(folder, poller)
    failed = {job.id: job for job in status.jobs if job.state in _FAILED_JOB}
    units = {
        unit: value["reason"]
        for unit, value in read_units(folder.layout.ledger_file).items()
        if isinstance(value, dict) and value.get("reason")
    }
    for unit, reason in units.items():
        click.echo(f"{unit}: {reason}")
    broken = status.state is RunState.FAILED
    if broken:
        click.echo(f"run {folder.run_id} failed: {status.reason}")
    record = status.record
    every = controller_logs(folder.layout, record) + worker_logs(folder.layout, record)
    reader = LogReader(lines)
    for log in every:
        if log.job_id in failed:
            click.echo(f"job {log.job_id} {failed[log.job_id].explanation}")
        if log.job_id in failed or (log.path == folder.layout.controller_log and broken):
            reader.show([log])
    if poller.note:
        click.echo(f"note: {poller.note}", err=True)
    if not (units or failed or broken):
        click.echo("nothing of this run has failed", err=True)
