"""`hpc-ml logs`."""

import subprocess
import sys

import pytest

from hpc_ml.runs.ledger import Ledger
from hpc_ml.runs.ownership import Ownership


@pytest.fixture
def run(make_run):
    run = make_run(on="slurm", scheduler="slurm", worker_jobs=["13", "14"])
    run.layout.controller_log.write_text("".join(f"line {n}\n" for n in range(100)))
    (run.layout.logs / "worker-13.log").write_text("worker thirteen\n")
    (run.layout.logs / "worker-14.log").write_text("worker fourteen\nMemoryError\n")
    return run


def test_each_log_stands_under_its_name(run, type_words):
    code, out, _ = type_words("logs", "last", "--lines", "2")
    assert code == 0
    assert out.splitlines() == [
        f"==> controller: {run.layout.controller_log} <==",
        "line 98",
        "line 99",
        "",
        f"==> worker 1, job 13: {run.layout.logs / 'worker-13.log'} <==",
        "worker thirteen",
        "",
        f"==> worker 2, job 14: {run.layout.logs / 'worker-14.log'} <==",
        "worker fourteen",
        "MemoryError",
    ]


def test_one_worker_alone(run, type_words):
    _, out, _ = type_words("logs", "last", "--worker", "1")
    assert out.splitlines()[1:] == ["worker thirteen"]


def test_a_worker_that_is_not_there(run, type_words):
    code, _, err = type_words("logs", "last", "--worker", "3")
    assert code == 2
    assert "there is no worker 3 with a log of its own; there are: 1 to 2" in err


def test_only_what_failed(run, type_words, scheduler):
    scheduler.add("13", "completed", "ended by itself")
    scheduler.add("14", "out of memory", "used more memory than it asked for")
    with Ledger.open(run.layout.ledger_file) as ledger:
        ledger.append("fit 0/0", {"test": 0.9})
        ledger.append("fit 0/1", {"test": "nan", "reason": "ValueError: C is negative"})
    code, out, _ = type_words("logs", "last", "--failed")
    assert code == 0
    assert "fit 0/1: ValueError: C is negative" in out
    assert "job 14 used more memory than it asked for" in out
    assert "MemoryError" in out
    assert "thirteen" not in out
    assert "fit 0/0" not in out


def test_nothing_has_failed(run, type_words, scheduler):
    assert type_words("logs", "last", "--failed") == (
        0,
        "",
        "nothing of this run has failed\n",
    )


def test_no_logs_yet(make_run, type_words):
    make_run(state="pending", on="slurm", scheduler="slurm", controller_job="12")
    code, out, err = type_words("logs", "last")
    assert (code, out) == (0, "")
    assert "no logs yet: the run is pending" in err


def test_following_shows_each_line_once_until_the_run_ends(make_run):
    run = make_run(state="running", worker_jobs=["13"])
    owner = Ownership.take(run.layout)
    run.layout.controller_log.write_text("begun\nhal")
    follower = subprocess.Popen(
        [sys.executable, "-m", "hpc_ml", "logs", run.path, "--follow"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    shown = [follower.stdout.readline() for _ in range(2)]
    with run.layout.controller_log.open("a") as log:
        log.write("f\nmore\n")
    (run.layout.logs / "worker-13.log").write_text("worker is here\nlast words")
    run.update(state="completed")
    out, err = follower.communicate()
    owner.release()
    lines = [line for line in "".join([*shown, out]).splitlines() if line and "==>" not in line]
    # Each file is told in its order; which of two comes first depends on when it is looked at.
    of_worker = [line for line in lines if "wor" in line]
    assert [line for line in lines if line not in of_worker] == ["begun", "half", "more"]
    assert of_worker == ["worker is here", "last words"]
    assert err == f"run {run.run_id} is completed\n"
    assert follower.returncode == 0
