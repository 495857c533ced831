"""Commands that are imported on use, and the commands `run TASK` and `submit TASK`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from hpc_ml.cli.options import (
    JobCommand,
    debug_option,
    dry_run_option,
    flag_layer,
    job_option,
    json_option,
    key_options,
    run_id_option,
    runs_option,
    set_option,
)
from hpc_ml.errors import BadInput
from hpc_ml.spec.layers import Resolved
from hpc_ml.spec.nearest import nearest


@dataclass(frozen=True)
class Request:
    """What the words after `run` or `submit` ask for."""

    resolved: Resolved
    runs_dir: Path
    run_id: str | None
    dry_run: bool
    as_json: bool


class NamedGroup(click.Group):
    """A group that meets an unknown name with the nearest known one."""

    kind = "command"

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # Click cuts a summary that it takes from the help to the width of a line.
        for name in self.list_commands(ctx):
            if (command := self.get_command(ctx, name)) and not command.short_help:
                command.short_help = (command.help or "").partition("\n")[0]
        super().format_commands(ctx, formatter)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        command = self.get_command(ctx, args[0])
        if command is None:
            shown = [
                name
                for name in self.list_commands(ctx)
                if (known := self.get_command(ctx, name)) and not known.hidden
            ]
            raise BadInput(f"there is no {self.kind} {args[0]!r}", hint=nearest(args[0], shown))
        return args[0], command, args[1:]


class LazyGroup(NamedGroup):
    """A group whose commands are imported when they are asked for.

    `targets` are ``module:name`` by command.
    """

    def __init__(self, *args: Any, targets: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._targets = targets

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._targets)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._targets:
            return None
        module, _, name = self._targets[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command


class TaskGroup(NamedGroup):
    """A group with a command for each task, its options made from the task's keys.

    `act` gets the request and returns an exit code.
    """

    kind = "task"

    def __init__(self, *args: Any, act: Callable[[Request], int], **kwargs: Any) -> None:
        super().__init__(*args, **{"subcommand_metavar": "TASK [OPTIONS]"} | kwargs)
        self._act = act

    def list_commands(self, ctx: click.Context) -> list[str]:
        from hpc_ml.tasks import registry

        return registry.names()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        known = cmd_name in self.list_commands(ctx)
        return _make_task_command(cmd_name, self._act) if known else None


def _make_task_command(task: str, act: Callable[[Request], int]) -> click.Command:
    from hpc_ml.spec.keys import all_keys
    from hpc_ml.tasks import registry

    keys = all_keys(registry.settings_class(task))

    @job_option
    @set_option
    @run_id_option
    @runs_option
    @dry_run_option
    @json_option
    @debug_option
    def command(
        job_file: Path | None,
        assignments: tuple[str, ...],
        run_id: str | None,
        runs_dir: Path,
        dry_run: bool,
        as_json: bool,
        **words: Any,
    ) -> int:
        from hpc_ml import api

        flags = flag_layer(keys, words)
        resolved = api.resolve(task, flags=flags, job_file=job_file, assignments=assignments)
        return act(Request(resolved, runs_dir, run_id, dry_run, as_json))

    summary = registry.summary(task)
    made = click.command(
        task,
        cls=JobCommand,
        short_help=summary,
        help=f"{summary[:1].upper()}{summary[1:]}.\n\nWithout --data it runs a small example.",
    )(command)
    made.params[:0] = key_options(keys)
    return made
