"""The main job on this machine, as a user types it."""

import csv
import json
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import LIMIT_S, Command, command_of, json_of
from tests.reference import (
    SVC_JOB,
    TEXT_JOB,
    assert_equal_results,
    search_svc,
    search_text,
    write_corpus,
)


def test_the_example_needs_no_words(hpc_ml: Command) -> None:
    done = hpc_ml("run", "gridsearch")

    assert done.returncode == 0, done.stderr
    run = json_of(hpc_ml("results", "last", "--json"))
    assert run["state"] == "completed"
    assert run["metrics"]["candidates"] == 6
    for said in ("best_params", "C=1, gamma=0.001", "test_accuracy", run["dir"]):
        assert said in done.stdout


def test_the_reference_search_equals_scikit_learn(hpc_ml: Command) -> None:
    run = json_of(hpc_ml("run", "gridsearch", "--job", SVC_JOB, "--json"))

    assert run["metrics"]["candidates"] == 48
    assert run["metrics"]["best_score"] == pytest.approx(0.948997, abs=5e-7)
    assert run["metrics"]["best_params"] == {"C": 1.0, "kernel": "rbf", "shrinking": True}
    assert run["metrics"]["train_accuracy"] == pytest.approx(0.983)
    assert_equal_results(Path(run["artefacts"]["cv_results"]), search_svc().cv_results_)


def test_the_text_pipeline_equals_scikit_learn(hpc_ml: Command, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.csv"
    bodies, labels = write_corpus(corpus)
    (tmp_path / "text.yaml").write_text(TEXT_JOB.format(path=corpus))

    run = json_of(hpc_ml("run", "gridsearch", "--job", "text.yaml", "--json"))

    assert "model" not in run["artefacts"]
    expected = search_text(bodies, labels).cv_results_
    assert_equal_results(Path(run["artefacts"]["cv_results"]), expected)


def test_a_run_leaves_a_folder_that_repeats_it(hpc_ml: Command, tmp_path: Path) -> None:
    table = write_people(tmp_path / "people.csv")
    words = ["--data", table, "--target", "buys", "--estimator", "LogisticRegression"]
    run = json_of(hpc_ml("run", "gridsearch", *words, "--grid", "C=0.1,1", "--cv", 3, "--json"))

    folder = Path(run["dir"])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [
        path for path in folder.rglob("*") if path.is_file() and path.stat().st_mode & 0o077
    ] == []
    assert not (folder / "tls").exists()
    assert len((folder / "ledger" / "units.jsonl").read_text().splitlines()) == 6

    import skops.io

    model = skops.io.load(folder / "model" / "model.skops", trusted=[])
    import pandas as pd

    rows = pd.read_csv(table)
    assert set(model.predict(rows.drop(columns="buys"))) <= {"yes", "no"}
    facts = json.loads((folder / "model" / "model.json").read_text())
    assert facts["classes"] == ["no", "yes"]
    assert facts["metrics"]["test_accuracy"] == run["metrics"]["test_accuracy"]

    again = json_of(hpc_ml("run", "gridsearch", "--job", folder / "job.yaml", "--json"))
    assert again["metrics"] == run["metrics"]


def write_people(path: Path, rows: int = 120) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["age", "city", "buys"])
        for row in range(rows):
            age = 18 + row % 50
            writer.writerow([age, ("Oslo", "Rome", "Lima")[row % 3], "yes" if age > 40 else "no"])
    return path


def test_a_failing_candidate_does_not_stop_the_rest(hpc_ml: Command) -> None:
    words = ["--data", "iris", "--estimator", "LogisticRegression", "--cv", 3]
    run = json_of(hpc_ml("run", "gridsearch", *words, "--grid", "C=1,-1,10", "--json"))

    assert run["metrics"]["failed_fits"] == 3
    with open(run["artefacts"]["cv_results"], newline="") as file:
        scores = [row["mean_test_score"] for row in csv.DictReader(file)]
    assert scores[1] == "nan"
    assert run["metrics"]["best_params"] in ({"C": 1}, {"C": 10})


BASE = ["--estimator", "LogisticRegression", "--grid", "C=1,10", "--cv", "2"]
BAD_FILES = {
    "empty.csv": "",
    "header.csv": "a,b,label\n",
    "ragged.csv": "a,b,label\n1,2,x\n3,4,5,6,y\n5,6,x\n",
    "words.csv": "a,b,label\n" + "1,2,x\n3,4,y\n" * 40 + "5,oops,x\n",
    "nan.csv": "a,b,label\n1,2,x\n,4,y\n5,6,x\n7,8,y\n",
    "one.csv": "a,b,label\n1,2,x\n3,4,x\n5,6,x\n7,8,x\n",
    "good.csv": "a,b,label\n" + "1,2,x\n3,4,y\n" * 20,
    "junk.yaml": "task: [gridsearch\n  estimator: }",
    "unknown.yaml": "task: gridsearch\nestimater: SVC\n",
}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--data", "missing.csv", *BASE], ["missing.csv"]),
        (["--data", "empty.csv", *BASE], ["empty.csv", "empty"]),
        (["--data", "header.csv", *BASE], ["header.csv", "row"]),
        (["--data", "good.csv", "--target", "lable", *BASE], ["lable", "label"]),
        (["--data", "ragged.csv", *BASE], ["ragged.csv", "3"]),
        (["--data", "words.csv", *BASE], ["'b'", "oops"]),
        (["--data", "nan.csv", *BASE], ["'a'", "missing"]),
        (["--data", "one.csv", *BASE], ["class"]),
        (["--data", "good.csv", "--estimator", "SVC", "--grid", "D=1"], ["'D'", "SVC"]),
        (["--data", "good.csv", "--estimator", "SVC", "--grid", "C"], ["--grid", "="]),
        (["--data", "good.csv", "--estimator", "SVX", "--grid", "C=1"], ["SVX", "SVC"]),
        (["--data", "good.csv", *BASE, "--scoring", "accurazy"], ["accurazy", "accuracy"]),
        (["--data", "good.csv", *BASE, "--param", "depth=3"], ["depth"]),
        (["--job", "junk.yaml"], ["junk.yaml"]),
        (["--job", "unknown.yaml"], ["unknown.yaml:2", "estimater", "estimator"]),
        (["--walltime", "soon"], ["--walltime", "soon"]),
        (["--cv", "1"], ["2 folds"]),
        (["--colour", "red"], ["--colour"]),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_no_run(
    hpc_ml: Command, tmp_path: Path, words: list[str], said: list[str]
) -> None:
    for name, text in BAD_FILES.items():
        (tmp_path / name).write_text(text)

    done = hpc_ml("run", "gridsearch", *words)

    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    [line] = done.stderr.splitlines()
    for word in said:
        assert word in line
    assert not (tmp_path / "runs").exists()


def test_gpus_that_this_machine_has_not_are_refused(hpc_ml: Command) -> None:
    done = hpc_ml("run", "gridsearch", "--on", "local", "--gpus", 1)
    assert done.returncode == 3
    assert "GPU" in done.stderr


def test_no_dask_scheduler_ends_the_run(hpc_ml: Command) -> None:
    done = hpc_ml("run", "gridsearch", "--on", "tcp://127.0.0.1:9")
    assert done.returncode == 3
    assert "tcp://127.0.0.1:9" in done.stderr.splitlines()[-1]


def test_an_interrupted_run_goes_on_with_what_is_missing(
    hpc_ml: Command, environ: dict[str, str], tmp_path: Path
) -> None:
    words = [
        "--data", "make_classification(n_samples=4000, n_features=40)",
        "--estimator", "GradientBoostingClassifier", "--cv", 3,
        "--grid", "n_estimators=10,11,12,13,14,15,16,17",
    ]  # fmt: skip
    running = start_run(environ, tmp_path, *words)
    assert hpc_ml("resume", "last").returncode == 2  # one controller at a time
    running.send_signal(signal.SIGINT)
    _, stderr = running.communicate(timeout=LIMIT_S)
    assert running.returncode == 130, stderr
    assert "Traceback" not in stderr
    assert stderr.splitlines()[-1].endswith(f"hpc-ml resume {run_of(tmp_path).name}")
    finished = ledger_of(tmp_path).read_bytes().splitlines()
    assert 0 < len(finished) < 24

    resumed = json_of(hpc_ml("resume", "last", "--json"))
    assert resumed["state"] == "completed"
    ledger = ledger_of(tmp_path).read_bytes().splitlines()
    assert ledger[: len(finished)] == finished
    assert len(ledger) == 24

    again = hpc_ml("resume", resumed["run"])
    assert again.returncode == 0
    assert "nothing to resume" in again.stderr


def start_run(environ: dict[str, str], folder: Path, *words: object) -> subprocess.Popen[str]:
    """Start a search, and return when its first units are in the ledger."""
    running = subprocess.Popen(
        command_of("run", "gridsearch", *words), cwd=folder, env=environ, text=True,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    deadline_s = time.monotonic() + LIMIT_S
    while not any(path.stat().st_size for path in (folder / "runs").glob("*/ledger/units.jsonl")):
        assert running.poll() is None, running.stderr and running.stderr.read()
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    return running


def run_of(folder: Path) -> Path:
    [run] = (folder / "runs").glob("2*")
    return run


def ledger_of(folder: Path) -> Path:
    return run_of(folder) / "ledger" / "units.jsonl"
