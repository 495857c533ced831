"""Whatever job file, flags and environment say: a job, or one line that says why not."""

import copy
import json
import os
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, note
from hypothesis import strategies as st
from ruamel.yaml import YAMLError

from hpc_ml import api
from hpc_ml.cli.main import cli
from hpc_ml.runs.folder import RunFolder
from hpc_ml.runs.summary import summarise
from hpc_ml.spec.layers import dump_job, job_file_layer, resolve
from hpc_ml.spec.yaml_file import dump_yaml
from hpc_ml.tasks import registry
from tests.fuzz.words import CANARY, HOSTILE, assignments

TABLE = f"it's $(touch {CANARY}).csv"
ROWS = "n,c,label\n" + "".join(f"{row},{'ab'[row % 2]},{row % 2}\n" for row in range(30))
TASKS = tuple(registry.names())


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a table of a hostile name, no configuration, and no scheduler's commands."""
    place = tmp_path_factory.mktemp("fuzz")
    (place / TABLE).write_text(ROWS)
    os.mkfifo(place / "pipe.csv")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("HPC_ML_", "DASK_"))]:
            patch.delenv(name)
        patch.setenv("XDG_CONFIG_HOME", str(place / "config"))
        patch.setenv("DASK_CONFIG", str(place / "dask"))
        patch.setenv("HPC_ML_RUNS", str(place / "runs"))
        patch.setattr(api, "conduct", lambda folder, job, listener: summarise(folder))
        patch.chdir(place)
        yield place


@st.composite
def bases(draw):
    """Draw a small job that is right, of any task."""
    task = draw(st.sampled_from(TASKS))
    base = {"task": task, **copy.deepcopy(dict(registry.load(task).EXAMPLE))}
    if draw(st.booleans()) and task != "predict":
        base["data"] = {"path": draw(st.sampled_from((TABLE, TABLE, "pipe.csv", "none.csv")))}
        if task != "kmeans":
            base["data"]["target"] = "label"
    if draw(st.booleans()):
        base["on"] = draw(st.sampled_from(("slurm", "pbs")))
    return base


def put(job, path, value):
    """Set a key in a job as its file has it."""
    *sections, name = path[1:] if path[0] == "settings" else path
    for section in sections:
        if not isinstance(job.get(section), dict):
            job[section] = {}
        job = job[section]
    job[name] = value


@st.composite
def commands(draw):
    """Draw words, a job file's text and variables that ask for a run in one way or another."""
    job = draw(bases())
    task, words, variables = job["task"], [], {}
    for key, value in draw(assignments(task)):
        # Variables set what every task shares.
        more = "flag" if key.flags else "set", "set" if key.section == "task" else "environment"
        way = draw(st.sampled_from(("file", "set", *more)))
        word = value if isinstance(value, str) else json.dumps(value, default=str)
        if way == "file":
            put(job, key.path, value)
        elif way == "set":
            words += ["--set", f"{key.dotted}={word}"]
        elif way == "flag":
            words += [key.flags[0], *([] if key.form == "switch" else [word])]
        else:
            variables[draw(st.sampled_from(key.variables))] = word.replace("\0", "0")
    return task, words, draw(texts_of(job)), variables


@st.composite
def texts_of(draw, job):
    """Draw the text of a job file, sometimes with bytes taken out or put in."""
    try:
        text = dump_yaml(job)
    except (YAMLError, UnicodeError, ValueError):
        text = json.dumps(job, default=str)
    content = bytearray(text.encode("utf-8", "surrogateescape"))
    for _ in range(draw(st.sampled_from((0,) * 8 + (1, 3)))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 6)))
        hidden = st.sampled_from(HOSTILE).map(lambda w: w.encode("utf-8", "surrogateescape"))
        content[start:end] = draw(st.one_of(st.binary(max_size=6), hidden))
    return bytes(content)


def call(place, command, *options):
    """Run a command in this process; return its exit code and output, which is one of ours."""
    task, words, text, variables = command
    Path("job.yaml").write_bytes(text)
    verb, *options = options
    words = [verb, task, "--job", "job.yaml", *words, *options]
    note(f"{words}\n{text!r}\n{variables}")
    done = CliRunner().invoke(cli, words, env=variables)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code in (0, 2), done.output
    assert "Traceback" not in done.output
    if done.exit_code == 2:
        assert done.stderr.splitlines()[-1].startswith("hpc-ml: "), done.stderr
    assert not list(place.rglob(CANARY)), "what the job hid was carried out"
    return done


@given(command=commands(), verb=st.sampled_from(("run", "submit")))
def test_dry_runs_say_what_they_would_do_or_why_not(place, command, verb):
    done = call(place, command, verb, "--dry-run", "--json")
    assert not (place / "runs").exists()
    answer = json.loads(done.stdout)
    if done.exit_code == 0:
        for name, text in answer["scripts"].items():
            if name.endswith(".sh"):
                run_script(place, Path(answer["dir"]), text)
    else:
        assert answer["exit_code"] == 2


def run_script(place, run_dir, text):
    """Let bash carry a script out where its Python does nothing: what it hides would show."""
    run_dir.mkdir(parents=True)
    script = run_dir / "script.sh"
    script.write_text(text)
    try:
        checked = subprocess.run(["bash", "-n", script], capture_output=True, check=False)
        assert checked.returncode == 0, checked.stderr
        harmless = ["env", "-i", "PATH=/usr/bin:/bin", "bash", "-c", _NO_EXEC, "bash", script]
        subprocess.run(harmless, capture_output=True, timeout=60, check=False)
        assert not list(place.rglob(CANARY)), text
    finally:
        script.unlink()
        run_dir.rmdir()
        run_dir.parent.rmdir()


# The body ends in `exec PYTHON`: the words are expanded, but no program is started.
_NO_EXEC = 'exec() { :; }; module() { :; }; source "$1"'


@given(command=commands())
def test_runs_are_made_whole_or_not_at_all(place, command):
    done = call(place, command, "run")
    runs = place / "runs"
    made = sorted(runs.iterdir()) if runs.exists() else []
    assert len(made) == (done.exit_code == 0)
    for path in made:
        folder = RunFolder.open(path)
        settings_class = registry.settings_class(folder.read_record().task)
        job = resolve([job_file_layer(folder.layout.job_file)], settings_class).job
        assert dump_job(job) == folder.layout.job_file.read_text()
        assert path.stat().st_mode & 0o777 == 0o700
        for file in sorted(path.rglob("*"), reverse=True):
            file.rmdir() if file.is_dir() else file.unlink()
        path.rmdir()
    if made:
        runs.rmdir()
