"""`hpc-ml` itself: its help, its own errors, and how any command ends."""

import json
import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from hpc_ml.cli.groups import LazyGroup
from hpc_ml.cli.main import Program, cli
from hpc_ml.errors import BadRun, Interrupted, TaskFailed
from hpc_ml.spec.keys import all_keys
from hpc_ml.tasks import registry
from hpc_ml.version import __version__

HEAVY = {"dask", "distributed", "sklearn", "numpy", "pandas", "pyarrow", "scipy"}


@pytest.mark.parametrize(
    "words",
    [["--help"], ["--version"], ["run", "--help"], ["run", "gridsearch", "--help"],
     ["submit", "gridsearch", "--help"], ["run", "gridsearch", "--grid", "C"], ["status"],
     ["clean"]],
)  # fmt: skip
def test_what_computes_nothing_imports_nothing_heavy(tmp_path, words):
    probe = (
        "import sys\nfrom hpc_ml.__main__ import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe, *words], cwd=tmp_path, capture_output=True, text=True,
        check=True, timeout=60,
    )  # fmt: skip
    assert done.stderr.splitlines()[-1] == "[]"


def test_the_help_names_every_command_with_what_it_does():
    output = CliRunner().invoke(cli, ["--help"]).stdout
    rows = [row for row in output.split("Commands:")[1].splitlines() if row[2:3].strip()]
    words = [row.split(maxsplit=1) for row in rows]
    verbs = ["run", "submit", "resume", "status", "logs", "cancel", "clean", "results", "data"]
    assert [word[0] for word in words] == verbs
    assert all(len(word) == 2 for word in words)


@pytest.mark.parametrize("verb", ["run", "submit"])
@pytest.mark.parametrize("task", registry.names())
def test_every_key_of_a_task_is_in_the_help_under_its_section(verb, task):
    result = CliRunner().invoke(cli, [verb, task, "--help"], terminal_width=200)
    assert result.exit_code == 0
    for section in ("Data:", "Task:", "Place and resources:", "Run:"):
        assert section in result.stdout
    words = set(result.stdout.replace(",", " ").split())
    for key in all_keys(registry.settings_class(task)):
        assert key.help, f"{key.dotted} has no help"
        assert set(key.flags) <= words


def test_the_version():
    assert CliRunner().invoke(cli, ["--version"]).stdout == f"hpc-ml {__version__}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rnu"], "there is no command 'rnu'; did you mean 'run'? known: run, submit, resume"),
        (["run", "grdsearch"], "there is no task 'grdsearch'; did you mean 'gridsearch'? known: "),
        (["submit", "x"], "there is no task 'x'; known: "),
        (["--nope"], "no such option '--nope'; see `hpc-ml --help`"),
        (["run", "--on", "slurm", "gridsearch"], "no such option '--on'; see `hpc-ml run --help`"),
        (["status", "--watch", "--json"], "--watch "),
        (
            ["run", "sgd", "--n_iter_no_chang", "3"],
            "no such option '--n_iter_no_chang'; did you mean '--n-iter-no-change'?",
        ),
        (
            ["run", "sgd", "--loss", "hinge"],
            "no such option '--loss'; a parameter of the estimator is given by --param NAME=VALUE",
        ),
        (
            ["run", "linear", "--impute", "age=mean,city=most_frequent"],
            "--impute: 'age=mean,city=most_frequent' names several at once; repeat the option: "
            "--impute age=mean --impute city=most_frequent",
        ),
    ],
)
def test_wrong_words_are_one_line_and_exit_2(words, said):
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"hpc-ml: {said}")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("words", [[], ["run"]])
def test_without_words_there_is_help(words):
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 2
    assert "Usage:" in result.stderr


def program(action):
    """Return a program with one command, which does the action."""

    @click.command()
    @click.option("--json", "as_json", is_flag=True)
    @click.option("--debug", is_flag=True)
    def act(**_):
        return action()

    class One(Program):
        def get_command(self, ctx, cmd_name):
            return act

    return One("hpc-ml", targets={"act": ""})


def raising(error):
    def action():
        raise error

    return program(action)


@pytest.mark.parametrize(
    ("error", "line", "code"),
    [
        (BadRun("no run 'x'", where="/runs", hint="look"), "/runs: no run 'x'; look", 2),
        (TaskFailed("all fits failed"), "all fits failed", 1),
        (Interrupted("interrupted by Ctrl-C"), "interrupted by Ctrl-C", 130),
        (KeyboardInterrupt(), "interrupted", 130),
        (ValueError("a\n  b"),
         "unexpected ValueError: a b; run again with --debug for the traceback", 1),
    ],
)  # fmt: skip
def test_every_error_is_a_line_and_an_exit_code(error, line, code):
    result = CliRunner().invoke(raising(error), ["act", "--json"])
    assert result.exit_code == code
    assert result.stderr.strip() == f"hpc-ml: {line}"
    assert json.loads(result.stdout) == {"error": line, "exit_code": code}
    assert CliRunner().invoke(raising(error), ["act"]).stdout == ""


@pytest.mark.parametrize(
    ("words", "environ"), [(["--debug"], {}), ([], {"HPC_ML_DEBUG": "1"})], ids=["flag", "variable"]
)
def test_debug_shows_the_traceback_before_the_line(words, environ):
    result = CliRunner().invoke(raising(BadRun("gone")), ["act", *words], env=environ)
    assert "Traceback (most recent call last)" in result.stderr
    assert result.stderr.splitlines()[-1] == "hpc-ml: gone"
    assert result.exit_code == 2


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (75, 75)])
def test_what_a_command_returns_is_its_exit_code(returned, code):
    assert CliRunner().invoke(program(lambda: returned), ["act"]).exit_code == code


def test_several_errors_are_a_line_each():
    result = CliRunner().invoke(raising(BadRun("one\ntwo")), ["act"])
    assert result.stderr == "hpc-ml: one\nhpc-ml: two\n"


def test_a_reader_that_left_is_no_error(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "hpc_ml", "run", "gridsearch", "--help"], cwd=tmp_path,
        stdout=writer, stderr=subprocess.PIPE, text=True, check=False, timeout=60,
    )  # fmt: skip
    os.close(writer)
    assert done.stderr == ""


def test_a_lazy_group_knows_only_its_targets():
    group = LazyGroup("x", targets={"status": "hpc_ml.cli.status:status"})
    context = click.Context(group)
    assert group.list_commands(context) == ["status"]
    assert group.get_command(context, "logs") is None
