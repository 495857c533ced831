"""The main job over a real Slurm, by its own commands and by the Torque commands."""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import LIMIT_S, Command, command_of, json_of
from tests.privacy import assert_private
from tests.reference import (
    SVC_JOB,
    TEXT_JOB,
    assert_equal_results,
    search_svc,
    search_text,
    write_corpus,
)
from tests.slurm.conftest import SITES, ask, await_empty_queue, queued_jobs

PLACES = ["slurm", "pbs"]
SMALL = ["--data", "iris", "--estimator", "LogisticRegression", "--grid", "C=0.1,1,10", "--cv", 3]


def place(on: str) -> list[object]:
    return ["--on", on, "--site", SITES[on]]


@pytest.fixture(autouse=True)
def no_jobs_left() -> Iterator[None]:
    """Every test leaves the queue as it found it: empty."""
    assert queued_jobs() == []
    yield
    left = queued_jobs()
    if left:
        subprocess.run(["scancel", *left], check=False)
    assert left == []


@pytest.mark.parametrize("on", PLACES)
def test_the_reference_search_equals_scikit_learn(hpc_ml: Command, on: str) -> None:
    run = json_of(
        hpc_ml("run", "gridsearch", "--job", SVC_JOB, *place(on), "--workers", 2, "--json")
    )

    assert run["metrics"]["best_score"] == pytest.approx(0.948997, abs=5e-7)
    assert run["metrics"]["best_params"] == {"C": 1.0, "kernel": "rbf", "shrinking": True}
    assert run["metrics"]["train_accuracy"] == pytest.approx(0.983)
    assert_equal_results(Path(run["artefacts"]["cv_results"]), search_svc().cv_results_)


def test_the_text_pipeline_equals_scikit_learn(hpc_ml: Command, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.csv"
    bodies, labels = write_corpus(corpus)
    job = tmp_path / "text.yaml"
    job.write_text(TEXT_JOB.format(path=corpus))

    run = json_of(
        hpc_ml("run", "gridsearch", "--job", job, *place("slurm"), "--workers", 2, "--json")
    )

    assert run["metrics"]["candidates"] == 8
    assert "model" not in run["artefacts"]
    expected = search_text(bodies, labels).cv_results_
    assert_equal_results(Path(run["artefacts"]["cv_results"]), expected)


@pytest.mark.parametrize("on", PLACES)
def test_a_submitted_run_passes_its_states_and_leaves_no_job(hpc_ml: Command, on: str) -> None:
    words = ["--job", SVC_JOB]
    ask("scontrol", "update", "PartitionName=main", "State=DOWN")
    try:
        submitted = json_of(
            hpc_ml("submit", "gridsearch", *words, *place(on), "--workers", 2, "--json")
        )
        assert submitted["state"] == "pending"
        assert submitted["job"] in queued_jobs()
        [status] = json_of(hpc_ml("status", submitted["run"], "--json"))
        assert status["state"] == "pending"
        assert "down" in status["reason"]
    finally:
        ask("scontrol", "update", "PartitionName=main", "State=UP")

    states, most_jobs = [], 0
    while not states or states[-1] in ("pending", "starting", "running"):
        [status] = json_of(hpc_ml("status", submitted["run"], "--json"))
        if status["state"] not in states:
            states.append(status["state"])
        most_jobs = max(most_jobs, len(queued_jobs()))
    order = ["pending", "starting", "running", "completed"]
    assert states == sorted(states, key=order.index)
    assert states[-2:] == ["running", "completed"]
    assert most_jobs == 3  # the controller and its two workers
    await_empty_queue()  # the controller's own job ends a moment after its run

    result = json_of(hpc_ml("results", submitted["run"], "--json"))
    assert_private(Path(result["dir"]))
    local = json_of(hpc_ml("run", "gridsearch", *words, "--json"))
    assert result["metrics"] == local["metrics"]
    assert_equal_results(Path(result["artefacts"]["cv_results"]), search_svc().cv_results_)


@pytest.mark.parametrize("on", PLACES)
def test_a_dry_run_prints_the_bytes_that_are_submitted(hpc_ml: Command, on: str) -> None:
    words = ["submit", "gridsearch", *SMALL, *place(on), "--workers", 1, "--json"]
    dry = json_of(hpc_ml(*words, "--dry-run"))
    assert not Path(dry["dir"]).exists()

    run = json_of(hpc_ml(*words, "--run-id", dry["run"]))
    assert run["dir"] == dry["dir"]
    received = ask("scontrol", "write", "batch_script", run["job"], "-")
    assert received.rstrip("\n") == dry["scripts"]["controller.sh"].rstrip("\n")

    worker = await_worker_job(hpc_ml, run["run"])
    received = ask("scontrol", "write", "batch_script", worker, "-")
    assert received.rstrip("\n") == dry["scripts"]["worker.sh"].rstrip("\n")
    assert hpc_ml("cancel", run["run"]).returncode == 0


def await_worker_job(hpc_ml: Command, run: str) -> str:
    while True:
        [status] = json_of(hpc_ml("status", run, "--json"))
        workers = [job["id"] for job in status["jobs"] if job["role"] == "worker"]
        if workers:
            return workers[0]
        assert status["state"] in ("pending", "starting", "running"), status


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--queue", "nowhere"], "partition"),
        (["--account", "nobody"], "account"),
        (["--memory", "900 GiB"], "emory"),
        (["--set", "resources.python=/nowhere/python"], "/nowhere/python"),
        (["--set", "resources.python=/bin/false"], "exit"),
        (["--queue", "parked", "--wait", "5s"], "artition"),
    ],
    ids=["partition", "account", "memory", "no python", "wrong python", "never starts"],
)
@pytest.mark.parametrize("on", PLACES)
def test_workers_that_never_come_end_the_run(
    hpc_ml: Command, on: str, words: list[str], said: str
) -> None:
    done = hpc_ml("run", "gridsearch", *SMALL, *place(on), "--workers", 2, *words)

    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    assert said in done.stderr.strip().splitlines()[-1]


def test_a_site_that_is_not_there_is_bad_input(hpc_ml: Command) -> None:
    done = hpc_ml("run", "gridsearch", *SMALL, "--on", "slurm", "--site", "atlantis")
    assert done.returncode == 2
    assert "atlantis" in done.stderr


def test_a_missing_scheduler_is_bad_input(hpc_ml: Command, tmp_path: Path) -> None:
    done = hpc_ml("run", "gridsearch", *SMALL, *place("slurm"), PATH=str(tmp_path))
    assert done.returncode == 2
    assert "sbatch" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_status_names_why_a_run_waits(hpc_ml: Command) -> None:
    words = ["submit", "gridsearch", *SMALL, *place("slurm"), "--queue", "parked", "--json"]
    run = json_of(hpc_ml(*words))
    [status] = json_of(hpc_ml("status", run["run"], "--json"))
    assert status["state"] == "pending"
    assert "down" in status["reason"].lower()
    assert hpc_ml("cancel", run["run"]).returncode == 0
    [status] = json_of(hpc_ml("status", run["run"], "--json"))
    assert status["state"] == "cancelled"


def start_long_run(
    hpc_ml: Command, environ: dict[str, str], tmp_path: Path, on: str
) -> subprocess.Popen[str]:
    """Start a search that takes minutes, and return when its first units are in the ledger."""
    words = [
        "--data", "make_classification(n_samples=20000, n_features=40)",
        "--estimator", "GradientBoostingClassifier", "--cv", 3,
        "--grid", "n_estimators=" + ",".join(["20"] * 40),
    ]  # fmt: skip
    command = command_of("run", "gridsearch", *words, *place(on), "--workers", 2)
    running = subprocess.Popen(
        command, cwd=tmp_path, env=environ, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    deadline_s = time.monotonic() + LIMIT_S
    while not finished_units(tmp_path):
        assert running.poll() is None, running.stderr and running.stderr.read()
        assert time.monotonic() < deadline_s
        time.sleep(0.1)
    return running


def finished_units(tmp_path: Path) -> int:
    ledgers = list((tmp_path / "runs").glob("*/ledger/units.jsonl"))
    return len(ledgers[0].read_bytes().splitlines()) if ledgers else 0


@pytest.mark.parametrize(
    ("on", "signal", "code"),
    [("slurm", "INT", 130), ("slurm", "TERM", 75), ("slurm", "USR1", 75), ("pbs", "INT", 130)],
)
def test_a_signal_ends_the_jobs_and_keeps_the_units(
    hpc_ml: Command, environ: dict[str, str], tmp_path: Path, on: str, signal: str, code: int
) -> None:
    running = start_long_run(hpc_ml, environ, tmp_path, on)
    subprocess.run(["kill", f"-{signal}", str(running.pid)], check=True)
    _, stderr = running.communicate(timeout=LIMIT_S)

    assert running.returncode == code, stderr
    assert "Traceback" not in stderr
    assert queued_jobs() == []
    assert finished_units(tmp_path) >= 1
    [status] = json_of(hpc_ml("status", "last", "--json"))
    assert status["state"] == "interrupted"


@pytest.mark.parametrize("on", PLACES)
def test_cancel_ends_a_run(
    hpc_ml: Command, environ: dict[str, str], tmp_path: Path, on: str
) -> None:
    running = start_long_run(hpc_ml, environ, tmp_path, on)
    done = hpc_ml("cancel", "last")
    assert done.returncode == 0, done.stderr
    assert queued_jobs() == []
    _, stderr = running.communicate(timeout=LIMIT_S)

    assert running.returncode == 130, stderr
    assert finished_units(tmp_path) >= 1
    [status] = json_of(hpc_ml("status", "last", "--json"))
    assert status["state"] == "cancelled"


def test_each_gpu_worker_gets_a_device_of_its_own(hpc_ml: Command) -> None:
    words = [*place("slurm"), "--workers", 2, "--gpus", 1, "--queue", "gpu"]
    run = json_of(hpc_ml("run", "gridsearch", *SMALL, *words, "--json"))
    record = json.loads((Path(run["dir"]) / "run.json").read_text())
    devices = [
        (Path(run["dir"]) / "logs" / f"worker-{job}.log").read_text()
        for job in record["worker_jobs"]
    ]
    assert sorted(line for log in devices for line in log.splitlines() if "GPU" in line) == [
        "hpc-ml: GPU 0", "hpc-ml: GPU 1",
    ]  # fmt: skip


def test_gpus_that_this_machine_has_not_are_refused(hpc_ml: Command) -> None:
    done = hpc_ml("run", "gridsearch", *SMALL, "--on", "local", "--gpus", 1)
    assert done.returncode == 3
    assert "GPU" in done.stderr
