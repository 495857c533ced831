"""`hpc-ml submit TASK`: a job handed to the scheduler whole."""

import json
from typing import TYPE_CHECKING

import click

from hpc_ml.cli.groups import Request, TaskGroup
from hpc_ml.cli.progress import make_listener
from hpc_ml.cli.run import print_dry_run

if TYPE_CHECKING:
    from hpc_ml.runs.summary import RunSummary


def _submit(request: Request) -> int:
    from hpc_ml import api

    with make_listener() as listener:
        for note in request.resolved.notes:
            listener.tell(note)
        if request.dry_run:
            print_dry_run(request, submitted=True)
            return 0
        summary = api.submit(
            request.resolved.job,
            runs_dir=request.runs_dir,
            run_id=request.run_id,
            listener=listener,
        )
    return print_submission(summary, as_json=request.as_json)


def print_submission(summary: "RunSummary", *, as_json: bool) -> int:
    """Print the id of a run that was submitted, and return the exit code."""
    if as_json:
        click.echo(json.dumps(summary.as_submission_json()))
    else:
        click.echo(f"run {summary.run} is submitted as job {summary.job}")
        click.echo(f"see how it is doing with: hpc-ml status {summary.run}")
    return int(summary.exit_code or 0)


submit = TaskGroup(
    "submit",
    act=_submit,
    help="Hand the whole run of TASK to the scheduler, and return with the run's id.",
)
