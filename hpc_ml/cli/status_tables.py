"""Runs as tables for people."""

from collections.abc import Iterator
from datetime import datetime

import click
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table

from hpc_ml.runs.record import RunRecord
from hpc_ml.runs.status import RunStatus

# Into a pipe or file lines are long rather than broken.
_PIPE_WIDTH = 1_000
_COLOURS = {
    "completed": "green", "running": "cyan", "starting": "cyan", "partial": "yellow",
    "interrupted": "yellow", "cancelled": "yellow", "failed": "red",
}  # fmt: skip


def open_console() -> Console:
    """Return stdout as rich sees it."""
    console = Console(highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    return console


def show(*shown: RenderableType) -> None:
    """Print to stdout; into a pipe or file no line ends in spaces."""
    console = open_console()
    if console.is_terminal:
        console.print(*shown, sep="\n")
        return
    with console.capture() as captured:
        console.print(*shown, sep="\n")
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def render(statuses: list[RunStatus], *, details: bool) -> RenderableType:
    """Return a table of runs, or all that is known of the only one."""
    return _render_one(statuses[0]) if details and statuses else _render_all(statuses)


def _render_all(statuses: list[RunStatus]) -> Table:
    table = make_table("run", "name", "task", "on", "state", "progress", "workers", "reason")
    for status in statuses:
        record = status.record
        table.add_row(
            record.id,
            record.name or "",
            record.task,
            record.on,
            _colour(status.state.value),
            str(status.progress or ""),
            _describe_workers(status),
            escape(status.reason or ""),
        )
    return table


def _render_one(status: RunStatus) -> Group:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _list_details(status):
        table.add_row(name, value)
    return Group(table, _render_jobs(status)) if status.jobs else Group(table)


def _list_details(status: RunStatus) -> Iterator[tuple[str, str]]:
    record = status.record
    yield "run", escape(f"{record.id} ({record.name})" if record.name else record.id)
    yield "task", escape(f"{record.task} on {record.on}")
    yield "state", _colour(status.state.value)
    if status.progress:
        yield "progress", str(status.progress)
    if workers := _describe_workers(status):
        yield "workers", workers
    yield from _list_times(record)
    if len(record.controller_jobs) > 1:
        yield "controllers", escape(f"jobs {', '.join(record.controller_jobs)}")
    if status.reason:
        yield "reason", escape(status.reason)
    yield "folder", escape(str(status.summary.dir))


def _list_times(record: RunRecord) -> Iterator[tuple[str, str]]:
    for name, moment in (
        ("made", record.created_at),
        ("began", record.started_at),
        ("ended", record.ended_at),
    ):
        if moment is not None:
            yield name, _describe_moment(moment)


def _render_jobs(status: RunStatus) -> Table:
    table = make_table("job", "role", "state", "")
    for job in status.jobs:
        table.add_row(
            escape(job.id), job.role, _colour(job.state or "unknown"), escape(job.explanation)
        )
    return table


def make_table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=column.strip() in ("run", "job"), overflow="fold")
    return table


def _describe_workers(status: RunStatus) -> str:
    workers = status.workers
    return f"{workers.have} of {workers.want}" if workers.want and not status.state.ended else ""


def _describe_moment(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def _colour(state: str) -> str:
    colour = _COLOURS.get(state)
    return f"[{colour}]{state}[/{colour}]" if colour else state
