"""The options of the commands: those of a job from its keys, and the few that are not keys."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from hpc_ml.errors import BadJob
from hpc_ml.spec.keys import Key, Section
from hpc_ml.spec.layer import Layer, LayerBuilder
from hpc_ml.spec.reading import read_pairs, read_word

_TITLES: dict[Section, str] = {
    "data": "Data",
    "task": "Task",
    "place and resources": "Place and resources",
    "run": "Run",
}


def _choose_runs_dir(_: click.Context, __: click.Parameter, given: Path | None) -> Path:
    import os

    from hpc_ml.runs.index import runs_dir

    return runs_dir(given, os.environ)


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object on stdout and nothing else."
)
runs_option = click.option(
    "--runs",
    "runs_dir",
    type=click.Path(path_type=Path),
    callback=_choose_runs_dir,
    help="Folder of the runs (default: HPC_ML_RUNS, else ./hpc-ml-runs).",
)
# `failures.end` looks for it in the words of the command line, so that it holds for every error.
debug_option = click.option(
    "--debug", is_flag=True, expose_value=False, help="Show the traceback of an error."
)
job_option = click.option(
    "--job",
    "job_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Job file (YAML) to start from.",
)
set_option = click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set any key of the job, such as data.missing=drop; repeatable.",
)
run_id_option = click.option(
    "--run-id", metavar="ID", help="Use the run id that a dry run printed (default: a new one)."
)
dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Print what would be submitted, and submit nothing."
)


class KeyOption(click.Option):
    """The option of one key of the job; its value is kept as words, for spec to read."""

    def __init__(self, key: Key) -> None:
        self.key = key
        switch = key.form == "switch"
        flags = [f"{f}/--no-{f.removeprefix('--')}" for f in key.flags] if switch else key.flags
        # The models' errors are better than Click's: they name what is allowed.
        kind: dict[str, Any] = {} if switch else {"type": click.STRING, "metavar": key.metavar}
        super().__init__(
            [*flags, _name_of(key)],
            multiple=key.repeated,
            default=None,
            help=_help_of(key),
            **kind,
        )


class JobCommand(click.Command):
    """A command whose options are listed by what they are about."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows: dict[Section, list[tuple[str, str]]] = {section: [] for section in _TITLES}
        for option in self.get_params(ctx):
            section: Section = option.key.section if isinstance(option, KeyOption) else "run"
            if record := option.get_help_record(ctx):
                rows[section].append(record)
        for section, records in rows.items():
            if records:
                with formatter.section(_TITLES[section]):
                    formatter.write_dl(records)


def key_options(keys: Sequence[Key]) -> list[click.Parameter]:
    """Return an option for each key that has a flag."""
    return [KeyOption(key) for key in keys if key.flags]


def flag_layer(keys: Sequence[Key], given: Mapping[str, Any]) -> Layer:
    """Return the layer of the flags; raises BadJob for words that cannot be read.

    Parameters
    ----------
    keys : sequence of Key
        The keys whose options the command has.
    given : mapping
        What Click hands to the command; options that were not given are None or empty.
    """
    layer = LayerBuilder("flags")
    for key in keys:
        words = given.get(_name_of(key))
        if words not in (None, ()):
            layer.put(key.path, _read(key, words), key.flags[0])
    return layer.build()


def _read(key: Key, words: Any) -> Any:
    if key.form == "switch":
        return words
    if key.form in ("values", "lists"):
        _refuse_joined_pairs(key, words)
        return read_pairs(key, words, key.flags[0])
    if key.form == "items":
        return [item for word in words for item in read_word(key, word, key.flags[0])]
    return read_word(key, words, key.flags[0])


def _refuse_joined_pairs(key: Key, words: Sequence[str]) -> None:
    """Raise BadJob for several pairs in one word: ``age=median,city=most_frequent``."""
    for word in words:
        value = word.partition("=")[2].strip()
        if value.startswith(("[", "{", '"', "'")):
            continue
        if another := re.search(r",\s*(\w+=.*)", value):
            flag, first = key.flags[0], word.removesuffix(another[0])
            raise BadJob(
                f"{word!r} names several at once",
                where=flag,
                hint=f"repeat the option: {flag} {first} {flag} {another[1]}",
            )


def _name_of(key: Key) -> str:
    """Return the name that Click hands a key's words under; none of the other options has it."""
    return "key__" + "__".join(key.path)


def _help_of(key: Key) -> str:
    text = key.help[:1].upper() + key.help[1:]
    if key.form in ("values", "lists"):
        text += "; repeatable"
    if key.default in (None, (), {}) or "default" in key.help:
        return text + "."
    shown = str(key.default).lower() if isinstance(key.default, bool) else key.default
    return f"{text} (default: {shown})."
