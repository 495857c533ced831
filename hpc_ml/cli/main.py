"""The command `hpc-ml`."""

import sys
from collections.abc import Sequence
from typing import Any

import click

from hpc_ml.cli.failures import end
from hpc_ml.cli.groups import LazyGroup
from hpc_ml.version import __version__


class Program(LazyGroup):
    """The group that every command line enters by, and that turns errors into exit codes."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        words = sys.argv[1:] if args is None else list(args)
        run = super().main

        def command() -> object:
            return run(words, prog_name or "hpc-ml", complete_var, standalone_mode=False, **extra)

        code = end(command, words)
        return sys.exit(code) if standalone_mode else code


@click.group(
    "hpc-ml",
    cls=Program,
    targets={
        "run": "hpc_ml.cli.run:run",
        "submit": "hpc_ml.cli.submit:submit",
        "resume": "hpc_ml.cli.resume:resume",
        "status": "hpc_ml.cli.status:status",
        "logs": "hpc_ml.cli.logs:logs",
        "cancel": "hpc_ml.cli.cancel:cancel",
        "clean": "hpc_ml.cli.clean:clean",
        "results": "hpc_ml.cli.results:results",
        "data": "hpc_ml.cli.data:data",
        "controller": "hpc_ml.cli.controller:controller",
    },
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="hpc-ml", message="%(prog)s %(version)s")
def cli() -> None:
    """Run one machine-learning job on this machine, on a PBS or a Slurm cluster.

    \b
    hpc-ml run gridsearch               a small example, here
    hpc-ml submit gridsearch --on slurm the same, handed to the scheduler
    """
