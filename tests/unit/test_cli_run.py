"""`hpc-ml run` and `hpc-ml submit`: words become a job, and the outcome becomes words."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from hpc_ml import api
from hpc_ml.cli.main import cli
from hpc_ml.errors import SubmissionRefused
from hpc_ml.runs.layout import RunLayout
from hpc_ml.runs.record import RunState
from hpc_ml.runs.summary import RunSummary

RUN_ID = "20261120-185512-3f9a1c"


@pytest.fixture(autouse=True)
def _empty_place(tmp_path, monkeypatch):
    """No configuration but what a test writes."""
    for name in ("HPC_ML_RUNS", "HPC_ML_DEBUG", "HPC_ML_ON"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("DASK_CONFIG", str(tmp_path / "dask"))
    monkeypatch.chdir(tmp_path)


class Calls:
    """What the API was asked, and what it answers."""

    def __init__(self):
        self.job = None
        self.words = {}
        self.summary = RunSummary(
            run=RUN_ID, dir=Path("/runs") / RUN_ID, task="gridsearch", state=RunState.COMPLETED,
            metrics={
                "best_score": 0.9489968, "best_params": {"C": 1.0, "kernel": "rbf"},
                "candidates": 48, "test_accuracy": 0.9444444,
            },
            artefacts={"metrics": Path("/runs/metrics.json")}, job=None, exit_code=0,
        )  # fmt: skip

    def answer(self, job, **words):
        self.job, self.words = job, words
        if "listener" in words:
            words["listener"].tell("hello")
        return self.summary


@pytest.fixture
def calls(monkeypatch):
    calls = Calls()
    monkeypatch.setattr(api, "run", calls.answer)
    monkeypatch.setattr(api, "submit", calls.answer)
    return calls


def call(*words, code=0):
    result = CliRunner().invoke(cli, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result


def test_flags_make_the_job(calls):
    call(
        "run", "gridsearch", "--data", "x.csv", "--target", "y", "--estimator", "SVC",
        "--grid", "C=0.1,1,10", "--grid", "kernel=rbf,poly", "--param", "gamma=auto",
        "--cv", 3, "--train-scores", "--workers", 4, "--memory", "8 GiB", "--walltime", "90",
        "--partition", "fast", "--directive", "--exclusive", "--directive", "--nodelist=a,b",
        "--seed", 7, "--name", "first", "--set", "data.missing=drop", "--controller-cores", 2,
        "--runs", "/scratch/runs", "--run-id", RUN_ID,
    )  # fmt: skip
    job = calls.job
    assert (job.data.path, job.data.target, job.data.missing) == ("x.csv", "y", "drop")
    assert job.settings.grid == {"C": [0.1, 1, 10], "kernel": ["rbf", "poly"]}
    assert (job.settings.params, job.settings.cv) == ({"gamma": "auto"}, 3)
    assert job.settings.train_scores
    assert (job.resources.workers, job.resources.memory) == (4, 8 * 2**30)
    assert (job.resources.walltime, job.resources.queue) == (5400, "fast")
    assert job.resources.directives == ("--exclusive", "--nodelist=a,b")
    assert (job.seed, job.name, job.controller.cores) == (7, "first", 2)
    assert calls.words["runs_dir"] == Path("/scratch/runs")
    assert calls.words["run_id"] == RUN_ID


def test_several_scorers_by_one_flag(calls):
    call("run", "gridsearch", "--scoring", "accuracy,f1_macro", "--refit", "accuracy")
    assert calls.job.settings.scoring == ("accuracy", "f1_macro")


def test_labels_are_a_list_of_words_as_they_stand(calls):
    call("run", "sgd", "--classes", "no,yes")
    assert calls.job.settings.classes == ("no", "yes")


def test_flags_win_over_set_over_environment_over_job_file(calls, tmp_path, monkeypatch):
    (tmp_path / "job.yaml").write_text("resources: {workers: 1, cores: 1, gpus: 1}\ncv: 2\n")
    monkeypatch.setenv("HPC_ML_WORKERS", "2")
    monkeypatch.setenv("HPC_ML_CORES", "2")
    call(
        "run", "gridsearch", "--job", "job.yaml", "--workers", 4, "--set", "resources.workers=3",
        "--set", "resources.gpus=0",
    )  # fmt: skip
    resources = calls.job.resources
    assert (resources.workers, resources.cores, resources.gpus) == (4, 2, 0)
    assert calls.job.settings.cv == 2


def test_without_words_it_runs_the_documented_example(calls):
    call("run", "gridsearch")
    assert calls.job.data.name == "digits"
    assert calls.job.settings.estimator == "SVC"
    assert calls.job.settings.grid


def test_the_result_is_readable(calls):
    result = call("run", "gridsearch")
    lines = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert lines["best_score"] == "0.948997"
    assert lines["best_params"] == "C=1, kernel=rbf"
    assert lines["test_accuracy"] == "0.944444"
    assert lines["folder"] == f"/runs/{RUN_ID}"
    assert "completed" in lines["run"]
    assert result.stderr == "hpc-ml: hello\n"


def test_with_json_stdout_is_one_object(calls):
    result = call("run", "gridsearch", "--json")
    assert json.loads(result.stdout) == {
        "run": RUN_ID,
        "dir": f"/runs/{RUN_ID}",
        "task": "gridsearch",
        "state": "completed",
        "metrics": calls.summary.metrics,
        "artefacts": {"metrics": "/runs/metrics.json"},
    }
    assert result.stderr == "hpc-ml: hello\n"


@pytest.mark.parametrize("code", [0, 1, 4, 75])
@pytest.mark.parametrize("words", [[], ["--json"]])
def test_the_command_ends_with_the_runs_exit_code(calls, code, words):
    calls.summary = RunSummary(
        RUN_ID, Path("/r"), "gridsearch", RunState.PARTIAL, {}, {}, None, code
    )
    call("run", "gridsearch", *words, code=code)


def test_submit_says_the_run_the_job_and_what_to_do_next(calls):
    calls.summary = RunSummary(
        RUN_ID, Path("/r"), "gridsearch", RunState.PENDING, {}, {}, "123.server", None
    )
    result = call("submit", "gridsearch", "--on", "pbs", "--site", "pbs")
    assert RUN_ID in result.stdout
    assert "job 123.server" in result.stdout
    assert f"hpc-ml status {RUN_ID}" in result.stdout
    result = call("submit", "gridsearch", "--on", "pbs", "--site", "pbs", "--json")
    assert json.loads(result.stdout) == {
        "run": RUN_ID, "dir": "/r", "task": "gridsearch", "state": "pending", "job": "123.server",
    }  # fmt: skip


@pytest.mark.parametrize(("verb", "submitted"), [("run", False), ("submit", True)])
def test_a_dry_run_prints_the_scripts(monkeypatch, verb, submitted):
    scripts = {"controller.sh": "#!/bin/bash\ntrue\n", "worker.sh": "#!/bin/bash\nfalse\n"}
    asked = []

    def dry_run(job, **words):
        asked.append(words)
        return RunLayout(Path("/runs") / RUN_ID), scripts

    monkeypatch.setattr(api, "dry_run", dry_run)
    result = call(verb, "gridsearch", "--on", "slurm", "--dry-run", "--json")
    assert json.loads(result.stdout) == {
        "run": RUN_ID,
        "dir": f"/runs/{RUN_ID}",
        "scripts": scripts,
    }
    assert asked[0]["submitted"] is submitted
    result = call(verb, "gridsearch", "--on", "slurm", "--dry-run")
    assert result.stdout == (
        f"# --- controller.sh of run {RUN_ID} ---\n#!/bin/bash\ntrue\n"
        f"# --- worker.sh of run {RUN_ID} ---\n#!/bin/bash\nfalse\n"
    )
    assert f"--run-id {RUN_ID}" in result.stderr


def test_notes_on_the_configuration_are_told(calls, tmp_path):
    (tmp_path / "dask").mkdir()
    (tmp_path / "dask" / "jobqueue.yaml").write_text("jobqueue: {slurm: {interface: ib0}}")
    result = call("submit", "gridsearch", "--on", "slurm")
    assert "jobqueue.yaml:1: interface is not taken: it has no counterpart here" in result.stderr


def test_an_error_of_the_scheduler_keeps_its_exit_code(monkeypatch):
    def refuse(job, **words):
        raise SubmissionRefused("sbatch: invalid partition", hint="use one of: cpu")

    monkeypatch.setattr(api, "submit", refuse)
    result = call("submit", "gridsearch", "--on", "slurm", "--json", code=3)
    line = "sbatch: invalid partition; use one of: cpu"
    assert result.stderr == f"hpc-ml: {line}\n"
    assert json.loads(result.stdout) == {"error": line, "exit_code": 3}


BAD_JOB_FILES = {
    "not-yaml.yaml": "a: [1",
    "words.yaml": "just words",
    "empty.yaml": "",
    "twice.yaml": "cv: 3\ncv: 4\n",
    "unknown.yaml": "cv: 3\nresources:\n  workrs: 4\n",
    "kmeans.yaml": "task: kmeans\n",
    "memory.yaml": "resources: {memory: lots}\n",
    "tag.yaml": "cv: !!python/object:os.system {}\n",
}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--grid", "C"], "--grid: 'C' is not NAME=V1,V2,..; write --grid C=0.1,1,10"),
        (["--grid", "C=[1"], "--grid C: not YAML: "),
        (["--param", "gamma"], "--param: 'gamma' is not NAME=VALUE; write --param gamma=auto"),
        (["--workers", "0"], "--workers: resources.workers takes a whole number of at least 1"),
        (["--cores", "four"], "--cores: resources.cores takes a whole number of at least 1, not"),
        (["--memory", "lots"], "--memory: resources.memory: 'lots' is not an amount of memory"),
        (["--walltime", "1x"], "--walltime: resources.walltime: '1x' is not a walltime: write"),
        (["--on", "moon"], "--on: on: 'moon' is no place to run: use local, slurm, pbs"),
        (["--queue", "a;b"], "--queue: resources.queue: 'a;b' has characters that no scheduler"),
        (["--name", "a b"], "--name: name: 'a b' is no name of a run"),
        (["--seed", "-1"], "--seed: seed takes a whole number of at least 0"),
        (["--test-size", "2"], "--test-size: data.test_size takes a number of at least 0 and"),
        (["--search", "gird"], "--search: search takes grid, random, halving, halving-random, tpe"),
        (["--cv", "1"], "--cv: cv must be at least 2 folds, not 1"),
        (["--mode", "allocation"], "--mode: mode takes jobs, not 'allocation'"),
        (["--format", "xls"], "--format: data.format takes csv, jsonl, parquet, "),
        (["--set", "resources.coers=1"], "--set resources.coers: unknown key 'resources.coers'"),
        (["--set", "cores"], "--set: 'cores' is not KEY=VALUE; write --set resources.cores=4"),
        (["--corse", "4"], "no such option '--corse'; did you mean '--cores'?"),
        (["--cores"], "option '--cores' requires an argument"),
        (["extra"], "got unexpected extra argument (extra); see `hpc-ml run gridsearch --help`"),
        (["--job", "nowhere.yaml"], "nowhere.yaml: there is no such file"),
        (["--job", "."], ".: cannot be read: is a directory"),
        (["--job", "not-yaml.yaml"], "not-yaml.yaml:1: not YAML: "),
        (["--job", "words.yaml"], "words.yaml:1: not a mapping; write lines of the form"),
        (["--job", "empty.yaml"], "empty.yaml:1: nothing in it; write lines of the form"),
        (["--job", "twice.yaml"], "twice.yaml:2: key 'cv' is here twice, first in line 1"),
        (["--job", "unknown.yaml"], "unknown.yaml:3: unknown key 'resources.workrs'; did you mean"),
        (["--job", "kmeans.yaml"], "kmeans.yaml:1: task is 'kmeans' here, but 'gridsearch' was"),
        (["--job", "memory.yaml"], "memory.yaml:1: resources.memory: 'lots' is not an amount"),
        (["--job", "tag.yaml"], "tag.yaml:1: tag !!python/object:os.system does not fit here"),
    ],
)  # fmt: skip
def test_wrong_words_are_one_line_and_exit_2(calls, tmp_path, words, said):
    for name, text in BAD_JOB_FILES.items():
        (tmp_path / name).write_text(text)
    for verb in ("run", "submit"):
        result = call(verb, "gridsearch", *words, code=2)
        assert result.stderr.startswith(f"hpc-ml: {said.replace('hpc-ml run', f'hpc-ml {verb}')}")
        assert len(result.stderr.splitlines()) == 1
        assert result.stdout == ""
    assert calls.job is None


def test_wrong_variables_are_told_by_name(calls, monkeypatch):
    monkeypatch.setenv("HPC_ML_WORKRS", "4")
    result = call("run", "gridsearch", code=2)
    assert (
        "HPC_ML_WORKRS: unknown key 'WORKRS' after HPC_ML_; did you mean 'WORKERS'?"
        in result.stderr
    )
