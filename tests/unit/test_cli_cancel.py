"""`hpc-ml cancel` ends the controller and the jobs, and says what is left."""

import json
import os
import signal
import subprocess
import sys

import pytest

from hpc_ml.errors import SchedulerMissing
from hpc_ml.runs.heartbeat import Heartbeat
from hpc_ml.runs.ownership import Ownership
from hpc_ml.runs.record import RunState

# A controller that hears the request, and one that does not.
LISTENS = (
    "import sys, time; from pathlib import Path\n"
    "from hpc_ml.runs.folder import RunFolder\n"
    "from hpc_ml.runs.heartbeat import Heartbeat\n"
    "from hpc_ml.runs.ownership import Ownership\n"
    "folder = RunFolder.open(Path(sys.argv[1]))\n"
    "owner = Ownership.take(folder.layout)\n"
    "with Heartbeat(folder.layout, interval_s=0.05) as heartbeat:\n"
    "    print('ready', flush=True)\n"
    "    while not heartbeat.cancel_requested: time.sleep(0.01)\n"
    "    folder.update(state='cancelled', exit_code=130, error='by request')\n"
    "owner.release()\n"
)
IS_DEAF = LISTENS.replace("not heartbeat.cancel_requested", "True")


@pytest.fixture
def start():
    started = []

    def start_controller(run, code):
        process = subprocess.Popen(
            [sys.executable, "-c", code, run.path], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield start_controller
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("hpc_ml.cli.cancel._CLEAN_END_S", 0.3)
    monkeypatch.setattr("hpc_ml.cli.cancel._FAR_END_S", 0.5)
    monkeypatch.setattr("hpc_ml.cli.cancel._LAST_END_S", 0.3)
    monkeypatch.setattr("hpc_ml.cli.cancel._JOBS_END_S", 0.3)


def test_a_controller_here_ends_by_itself(make_run, type_words, start):
    run = make_run(state="running")
    process = start(run, LISTENS)
    code, out, _ = type_words("cancel", "last")
    assert (code, out) == (0, f"run {run.run_id} is cancelled\n")
    assert process.wait() == 0
    assert run.read_record().error == "by request"


def test_a_deaf_controller_gets_a_signal(make_run, type_words, start, impatient):
    run = make_run(state="running")
    process = start(run, IS_DEAF)
    code, out, err = type_words("cancel", "last")
    assert (code, out) == (0, f"run {run.run_id} is cancelled\n")
    assert "SIGTERM" in err
    assert process.wait() == -signal.SIGTERM
    assert run.read_record().state is RunState.CANCELLED


def test_a_controller_that_does_not_end_is_named(make_run, type_words, start, impatient):
    run = make_run(state="running")
    process = start(
        run, "import signal; signal.signal(signal.SIGTERM, lambda *_: None)\n" + IS_DEAF
    )
    code, _, err = type_words("cancel", "last")
    assert code == 3
    assert f"kill -KILL {process.pid}" in err
    assert run.read_record().state is RunState.RUNNING


def test_a_dead_controller_leaves_a_cancelled_run(make_run, type_words, start):
    run = make_run(state="running")
    run.layout.tls.mkdir()
    process = start(run, IS_DEAF)
    process.kill()
    process.wait()
    assert type_words("cancel", "last")[0] == 0
    assert not run.layout.tls.exists()
    record = run.read_record()
    assert (record.state, record.exit_code) == (RunState.CANCELLED, 130)
    assert record.ended_at is not None


def submitted(make_run, **fields):
    return make_run(**{"on": "slurm", "scheduler": "slurm", "controller_job": "12"} | fields)


def test_a_waiting_job_is_cancelled_at_once(make_run, type_words, scheduler):
    run = submitted(make_run, state="pending")
    scheduler.add("12", "pending", "waits for free nodes")
    code, out, _ = type_words("cancel", "last")
    assert (code, out) == (0, f"run {run.run_id} is cancelled; its last job was ended\n")
    assert scheduler.cancelled == ["12"]
    assert run.read_record().state is RunState.CANCELLED


def test_recorded_and_unrecorded_jobs_end(make_run, type_words, scheduler, impatient):
    run = submitted(make_run, state="running", worker_jobs=["13", "14"])
    scheduler.add("12", "running")
    scheduler.add("13", "timeout")
    scheduler.add("14", "running")
    scheduler.add("15", "pending", name=run.layout.tag)
    code, out, _ = type_words("cancel", "last")
    assert (code, out) == (0, f"run {run.run_id} is cancelled; its last 3 jobs were ended\n")
    assert sorted(scheduler.cancelled) == ["12", "14", "15"]


def test_jobs_that_stay_are_named_with_the_command(make_run, type_words, scheduler, impatient):
    run = submitted(make_run, state="running", worker_jobs=["13"])
    scheduler.add("12", "completed")
    scheduler.add("13", "running")
    scheduler.stubborn = {"13"}
    code, _, err = type_words("cancel", "last")
    assert code == 3
    assert "13" in err
    assert "`scancel 13`" in err
    assert run.read_record().state is RunState.RUNNING


def test_without_the_scheduler_nothing_is_claimed(make_run, type_words, scheduler):
    run = submitted(make_run, state="pending")
    scheduler.error = SchedulerMissing("squeue is not on this host", hint="log in to the cluster")
    code, _, err = type_words("cancel", "last")
    assert code == 2
    assert "squeue is not on this host" in err
    assert run.layout.cancel_file.exists()
    assert run.read_record().state is RunState.PENDING


@pytest.mark.parametrize("state", ["completed", "failed", "cancelled", "interrupted", "partial"])
def test_an_ended_run_says_so(make_run, type_words, state):
    run = make_run(state=state)
    code, out, _ = type_words("cancel", "last")
    assert (code, out) == (0, f"run {run.run_id} has ended already: {state}\n")
    assert not run.layout.cancel_file.exists()
    assert run.read_record().state == state


def test_jobs_left_by_an_ended_run_end(make_run, type_words, scheduler):
    submitted(make_run, state="failed", worker_jobs=["13"])
    scheduler.add("13", "running")
    code, out, _ = type_words("cancel", "last")
    assert code == 0
    assert "has ended already: failed; its last job was ended" in out


def away(run):
    """Let the run be owned by a process of another host."""
    Ownership.take(run.layout)
    written = json.loads(run.layout.owner_file.read_text())
    run.layout.owner_file.write_text(json.dumps(written | {"host": "node7", "boot_id": "another"}))


def test_elsewhere_a_controller_that_goes_on_is_named(make_run, type_words, impatient):
    run = make_run(state="running", host="node7", pid=os.getpid())
    away(run)
    with Heartbeat(run.layout, interval_s=0.05):
        code, _, err = type_words("cancel", "last")
    assert code == 3
    assert f"type `hpc-ml cancel {run.run_id}` on node7" in err
    assert run.read_record().state is RunState.RUNNING


def test_elsewhere_a_silent_controller_counts_as_dead(make_run, type_words, impatient):
    run = make_run(state="running", host="node7", pid=os.getpid())
    away(run)
    code, _, err = type_words("cancel", "last")
    assert code == 0
    assert "waiting for the controller on node7" in err
    assert run.read_record().state is RunState.CANCELLED
    # It may only be paused: the request waits for it.
    assert run.layout.cancel_file.exists()
