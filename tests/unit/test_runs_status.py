"""The state that is shown is the state that a run is in, whatever its record still says."""

import os
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from hpc_ml.runs.atomic import write_json
from hpc_ml.runs.heartbeat import Beat, Progress, Workers
from hpc_ml.runs.ownership import Ownership
from hpc_ml.runs.record import RunRecord, RunState
from hpc_ml.runs.status import Sight, judge, look
from hpc_ml.schedulers.base import JobReport, JobState

NOW = datetime(2026, 11, 20, 19, 0, tzinfo=UTC)


def record(state, **fields):
    made = NOW - timedelta(hours=1)
    return RunRecord(id="r", task="gridsearch", state=state, created_at=made, **fields)


def job(state, explanation):
    return JobReport("12", JobState(state), explanation=explanation)


def beat(age_s, **fields):
    return Beat(beat=1, time=NOW - timedelta(seconds=age_s), **fields)


def see(beat=None, alive=None, **jobs):
    return Sight(NOW, beat, alive, {name.removeprefix("job"): word for name, word in jobs.items()})


SUBMITTED = {"controller_job": "12", "scheduler": "slurm"}
HERE = {"host": "login1", "pid": 4711}


@pytest.mark.parametrize(
    ("recorded", "seen", "state", "reason"),
    [
        (record("completed"), see(), "completed", None),
        (record("failed", error="no memory"), see(alive=False), "failed", "no memory"),
        (record("pending", **SUBMITTED), see(), "pending", None),
        (
            record("pending", **SUBMITTED),
            see(job12=job("pending", "waits for free nodes")),
            "pending",
            "job 12 waits for free nodes",
        ),
        (
            record("pending", **SUBMITTED),
            see(job12=job("running", "runs")),
            "starting",
            "job 12 has begun",
        ),
        (
            record("pending", **SUBMITTED),
            see(job12=job("failed", "ended with exit code 127")),
            "failed",
            "its controller's job 12 ended with exit code 127",
        ),
        (
            record("pending", **SUBMITTED),
            see(job12=job("cancelled", "was cancelled by ann")),
            "cancelled",
            "its controller's job 12 was cancelled by ann",
        ),
        (
            record("running", **SUBMITTED, **HERE),
            see(beat(1), job12=job("timeout", "reached its walltime")),
            "interrupted",
            "its controller's job 12 reached its walltime",
        ),
        (
            record("running", **SUBMITTED, **HERE),
            see(beat(1), job12=job("out of memory", "used more memory than it asked for")),
            "failed",
            "used more memory",
        ),
        (
            record("running", **SUBMITTED, **HERE),
            see(beat(1), job12=job("gone", "")),
            "interrupted",
            "its controller's job 12 has ended (gone)",
        ),
        (record("running", **HERE), see(beat(1), alive=True), "running", None),
        (record("running", **HERE), see(beat(9999), alive=True), "running", None),
        (record("running", **HERE), see(beat(1), alive=False), "interrupted", "4711 on login1"),
        (record("starting", **HERE), see(beat(30)), "starting", None),
        (record("running", **HERE), see(beat(600)), "interrupted", "login1 for 10 min"),
        (record("running", **HERE), see(), "interrupted", "login1 for 60 min"),
        # The scheduler's word counts more than a heartbeat that a slow file system holds back.
        (record("running", **SUBMITTED), see(beat(600), job12=job("running", "")), "running", None),
        # One clock is ahead of the other, or jumped: nothing follows from it.
        (record("running", **HERE), see(beat(-60)), "running", None),
        (record("running", **HERE), see(beat(-600)), "running", "login1, is dated 10 min ahead"),
        (record("running", **HERE), see(beat(-600), alive=True), "running", None),
        (
            record("running", **SUBMITTED),
            see(beat(-600), job12=job("running", "")),
            "running",
            None,
        ),
    ],
)
def test_the_state_follows_the_facts(recorded, seen, state, reason):
    judged, why = judge(recorded, seen)
    assert judged == state
    assert why is None if reason is None else reason in why


def test_a_run_says_what_it_waits_for():
    running = record("running", worker_jobs=["12", "13"], **HERE)
    waiting = {"job13": job("pending", "waits for free nodes")}
    none_here = Workers(want=2, have=0)
    some_here = Workers(want=2, have=1)
    told = beat(1, workers=none_here, reason="2 jobs wait in the queue")
    assert judge(running, see(told, True, **waiting))[1] == "2 jobs wait in the queue"
    said = see(beat(1, workers=none_here), True, **waiting)
    assert judge(running, said)[1] == "job 13 waits for free nodes"
    assert judge(running, see(beat(1, workers=some_here), True, **waiting))[1] is None


def test_json_has_every_key_of_the_contract(make_run):
    run = make_run(state="running", controller_job="12", worker_jobs=["13"], scheduler="slurm")
    progress = Progress(done=3, total=48, unit="fits")
    workers = Workers(want=2, have=1)
    alive = Beat(beat=7, time=datetime.now(UTC), progress=progress, workers=workers)
    write_json(run.layout.heartbeat_file, alive.model_dump(mode="json"))
    write_json(run.layout.metrics_file, {"best_score": 0.9, "test_accuracy": float("nan")})
    status = look(run, {"12": job("running", "runs")}).as_json()
    assert status == {
        "run": run.run_id,
        "dir": str(run.path),
        "task": "gridsearch",
        "state": "running",
        "metrics": {"best_score": 0.9, "test_accuracy": None},
        "artefacts": {"metrics": str(run.layout.metrics_file)},
        "progress": {"done": 3, "total": 48, "unit": "fits"},
        "workers": {"want": 2, "have": 1},
        "jobs": [
            {"id": "12", "role": "controller", "state": "running", "explanation": "runs"},
            {"id": "13", "role": "worker", "state": None, "explanation": ""},
        ],
        "reason": None,
    }


def test_a_killed_owner_is_seen_on_its_host(make_run):
    run = make_run(state="running")
    Ownership.take(run.layout)
    assert look(run).state is RunState.RUNNING
    ended = subprocess.Popen(["true"])
    ended.wait()
    text = run.layout.owner_file.read_text()
    run.layout.owner_file.write_text(text.replace(f":{os.getpid()},", f":{ended.pid},"))
    assert look(run).state is RunState.INTERRUPTED
    assert run.read_record().state is RunState.RUNNING
