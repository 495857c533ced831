"""`hpc-ml controller RUN_DIR`: what the controller's batch job runs; not for typing."""

from pathlib import Path

import click


@click.command(hidden=True)
@click.argument("run_dir", type=click.Path(path_type=Path))
def controller(run_dir: Path) -> int:
    """Take the run in RUN_DIR to its end."""
    from hpc_ml.api import conduct_submitted
    from hpc_ml.cli.progress import make_listener

    with make_listener() as listener:
        return int(conduct_submitted(run_dir, listener).exit_code or 0)
