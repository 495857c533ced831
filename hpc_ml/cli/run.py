"""`hpc-ml run TASK`: a job in the foreground."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from hpc_ml.cli.failures import PREFIX
from hpc_ml.cli.groups import Request, TaskGroup
from hpc_ml.cli.progress import make_listener

if TYPE_CHECKING:
    from hpc_ml.runs.summary import RunSummary


def _run(request: Request) -> int:
    from hpc_ml import api

    with make_listener() as listener:
        for note in request.resolved.notes:
            listener.tell(note)
        if request.dry_run:
            print_dry_run(request, submitted=False)
            return 0
        summary = api.run(
            request.resolved.job,
            runs_dir=request.runs_dir,
            run_id=request.run_id,
            listener=listener,
        )
    return print_result(summary, as_json=request.as_json)


run = TaskGroup(
    "run",
    act=_run,
    help="Run TASK here, in the foreground; its workers are local or, with --on, batch jobs.",
)


def print_dry_run(request: Request, *, submitted: bool) -> None:
    """Print what the run would submit: with `--json` the scripts byte for byte."""
    from hpc_ml import api

    layout, texts = api.dry_run(
        request.resolved.job,
        runs_dir=request.runs_dir,
        run_id=request.run_id,
        submitted=submitted,
    )
    if request.as_json:
        plan = {"run": layout.run_id, "dir": str(layout.path), "scripts": texts}
        click.echo(json.dumps(plan))
        return
    for name, text in texts.items():
        click.echo(f"# --- {name} of run {layout.run_id} ---")
        click.echo(text.rstrip("\n"))
    click.echo(
        f"{PREFIX}nothing was run; add --run-id {layout.run_id} to the command for just this",
        err=True,
    )


def print_result(summary: "RunSummary", *, as_json: bool) -> int:
    """Print what a run came to and return its exit code."""
    if as_json:
        click.echo(json.dumps(summary.as_json()))
    else:
        _print_table(summary)
    return int(summary.exit_code or 0)


def _print_table(summary: "RunSummary") -> None:
    rows = {"run": f"{summary.run} ({summary.task}, {summary.state})"}
    rows |= {name: _word(value) for name, value in summary.metrics.items()}
    rows["folder"] = str(summary.dir)
    width = max(map(len, rows))
    for name, text in rows.items():
        click.echo(f"{click.style(name.ljust(width), bold=True)}  {text}")


def _word(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={_word(v)}" for name, v in value.items())
    return f"{value:.6g}" if isinstance(value, float) else str(value)
