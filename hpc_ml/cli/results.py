"""`hpc-ml results`: what a run came to."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from hpc_ml.cli.options import debug_option, json_option, runs_option
from hpc_ml.runs.index import find_run
from hpc_ml.runs.price import Price
from hpc_ml.runs.status import RunStatus, look


@click.command()
@click.argument("run")
@json_option
@runs_option
@debug_option
def results(run: str, as_json: bool, runs_dir: Path) -> None:
    """Show a run's metrics, best parameters, and where its artefacts lie.

    RUN is an id, the start of one, a name, a path, or 'last'.
    """
    status = look(find_run(run, runs_dir))
    if as_json:
        click.echo(json.dumps(status.summary.as_json(), indent=2))
        return
    for line in describe_results(status):
        click.echo(line)


def describe_results(status: RunStatus) -> Iterator[str]:
    """Return the results of a run as lines for people."""
    summary = status.summary
    yield f"run {summary.run}: {summary.task}, {summary.state.value}"
    if not summary.state.ended:
        yield f"not ended yet: {status.progress or 'nothing finished so far'}"
    if status.reason:
        yield status.reason
    if summary.metrics:
        yield "metrics"
        yield from _align({name: format_value(value) for name, value in summary.metrics.items()})
    if summary.artefacts:
        yield "artefacts"
        yield from _align({name: str(path) for name, path in summary.artefacts.items()})
    if status.record.controller_s:
        yield str(Price(status.record.safekeeping_s, status.record.controller_s))


def format_value(value: Any) -> str:
    """Return a metric as text: six digits of a number, `name=value` of parameters."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={format_value(item)}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(format_value(item) for item in value)
    return str(value)


def _align(texts: Mapping[str, str]) -> Iterator[str]:
    width = max(len(name) for name in texts)
    for name, text in texts.items():
        yield f"  {name:<{width}}  {text}"
