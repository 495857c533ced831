"""How a command ends: an error becomes one line on stderr and an exit code."""

import json
import os
import traceback
from collections.abc import Callable, Sequence

import click
from click.exceptions import NoArgsIsHelpError

from hpc_ml.errors import ExitCode, HpcMlError
from hpc_ml.spec.nearest import closest

PREFIX = "hpc-ml: "
# Share of letters in common from which an option was probably meant.
_ALIKE = 0.7


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
    if isinstance(error, click.NoSuchOption) and error.ctx:
        return _word_option(error.option_name, error.ctx)
    message = " ".join(error.format_message().split()).rstrip(".")
    message = message[:1].lower() + message[1:]
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{message}; see `{context.command_path} --help`" if context else message


def _word_option(given: str, context: click.Context) -> str:
    """Return the message for an option that a command does not have."""
    flags = [flag for parameter in context.command.get_params(context) for flag in parameter.opts]
    bare = given.lstrip("-")
    known = {flag.lstrip("-"): flag for flag in flags if flag.startswith("--")}
    near = closest(bare, known, _ALIKE)
    if near:
        return f"no such option {given!r}; did you mean {known[near]!r}?"
    parameter = "a parameter of the estimator is given by --param NAME=VALUE; "
    advice = parameter if "--param" in flags else ""
    return f"no such option {given!r}; {advice}see `{context.command_path} --help`"
