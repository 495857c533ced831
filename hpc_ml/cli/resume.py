"""`hpc-ml resume RUN`: goes on where a run stopped, on the same or another place."""

from pathlib import Path
from typing import Any

import click

from hpc_ml.cli.options import (
    JobCommand,
    debug_option,
    flag_layer,
    json_option,
    key_options,
    runs_option,
)
from hpc_ml.cli.progress import make_listener
from hpc_ml.cli.run import print_result
from hpc_ml.cli.submit import print_submission
from hpc_ml.spec.keys import common_keys

_KEYS = [key for key in common_keys() if key.section == "place and resources"]


@click.command(cls=JobCommand)
@click.argument("run")
@click.option(
    "--submit", "submitted", is_flag=True, help="Hand the run to the scheduler and return."
)
@click.option(
    "--accept-changes",
    is_flag=True,
    help="Go on though the data or job.yaml have changed: what is finished is kept where it is "
    "valid all the same, and else all is computed anew.",
)
@runs_option
@json_option
@debug_option
def resume(
    run: str,
    submitted: bool,
    accept_changes: bool,
    runs_dir: Path,
    as_json: bool,
    **words: Any,
) -> int:
    """Go on with RUN where it stopped; what is finished is kept.

    RUN is an id, the start of one, a name, a path, or 'last'. The place and its resources may
    differ from those that the run began with; what is not given stays as it was, whatever default
    is named below.
    """
    from hpc_ml import api

    folder = api.open_run(run, runs_dir=runs_dir)
    with make_listener() as listener:
        summary = api.resume(
            folder,
            flags=flag_layer(_KEYS, words),
            submitted=submitted,
            accept_changes=accept_changes,
            listener=listener,
        )
    show = print_submission if submitted and not summary.state.ended else print_result
    return show(summary, as_json=as_json)


resume.params[1:1] = key_options(_KEYS)
