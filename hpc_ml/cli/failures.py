"""How a command ends: an error becomes one line on stderr and an exit code."""

import json
import os
import traceback
from collections.abc import Callable, Sequence

import click
from click.exceptions import NoArgsIsHelpError

from hpc_ml.errors import ExitCode, HpcMlError

PREFIX = "hpc-ml: "


def end(command: Callable[[], object], words: Sequence[str]) -> int:
    """Run a command and return the exit code it ends with, its error told.

    Parameters
    ----------
    command : callable
        Returns an exit code, or None for 0.
    words : sequence of str
        The command line: with `--debug` (or HPC_ML_DEBUG=1) a traceback comes before the error's
        line, and with `--json` an object with the error goes to stdout.
    """
    try:
        code = command()
    except NoArgsIsHelpError as error:
        error.show()
        return ExitCode.BAD_INPUT
    except (KeyboardInterrupt, click.Abort):
        return _tell("interrupted", ExitCode.INTERRUPTED, words)
    except HpcMlError as error:
        return _tell(str(error), error.exit_code, words)
    except click.ClickException as error:
        return _tell(_word_usage(error), ExitCode.BAD_INPUT, words)
    except Exception as error:
        message = " ".join(f"unexpected {type(error).__name__}: {error}".split())
        return _tell(f"{message}; run again with --debug for the traceback", ExitCode.FAILED, words)
    return code if isinstance(code, int) else ExitCode.DONE


def _tell(message: str, code: ExitCode, words: Sequence[str]) -> int:
    if "--debug" in words or os.environ.get("HPC_ML_DEBUG") == "1":
        traceback.print_exc()
    for line in message.splitlines():
        click.echo(PREFIX + line, err=True)
    if "--json" in words:
        click.echo(json.dumps({"error": message, "exit_code": int(code)}))
    return code


def _word_usage(error: click.ClickException) -> str:
    """Return Click's own message as one of ours: one line, and what to do next."""
    if isinstance(error, click.NoSuchOption) and error.possibilities:
        return f"no such option {error.option_name!r}; did you mean {error.possibilities[0]!r}?"
    message = " ".join(error.format_message().split()).rstrip(".")
    message = message[:1].lower() + message[1:]
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{message}; see `{context.command_path} --help`" if context else message
