"""`hpc-ml status`, and that the reading verbs load nothing heavy."""

import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from hpc_ml.errors import SchedulerMissing
from hpc_ml.runs.atomic import write_json
from hpc_ml.runs.heartbeat import Beat, Progress, Workers
from hpc_ml.runs.ownership import Ownership

HEAVY = {"dask", "distributed", "sklearn", "numpy", "pandas", "pyarrow", "scipy"}


def beat(run, **fields):
    alive = Beat(beat=1, time=datetime.now(UTC), **fields)
    write_json(run.layout.heartbeat_file, alive.model_dump(mode="json"))


def test_all_runs_stand_in_a_table_newest_first(make_run, type_words):
    old = make_run(name="first")
    new = make_run(state="failed", error="the scorer [x] is unknown")
    code, out, _ = type_words("status")
    header, *rows = out.splitlines()
    assert code == 0
    assert not any(line.endswith(" ") for line in out.splitlines())
    assert header.split()[:5] == ["run", "name", "task", "on", "state"]
    assert rows[0].split()[0] == new.run_id
    assert "the scorer [x] is unknown" in rows[0]
    assert rows[1].split()[:5] == [old.run_id, "first", "gridsearch", "local", "completed"]


def test_one_run_is_told_in_full(make_run, type_words, scheduler):
    run = make_run(
        state="running", name="svc", on="slurm", scheduler="slurm", worker_jobs=["13", "14"]
    )
    Ownership.take(run.layout)
    beat(run, progress=Progress(done=3, total=48, unit="fits"), workers=Workers(want=2, have=1))
    scheduler.add("13", "running", "runs")
    scheduler.add("14", "pending", "waits for free nodes")
    code, out, _ = type_words("status", "last")
    assert code == 0
    rows = [line.split() for line in out.splitlines()]
    assert ["run", run.run_id, "(svc)"] in rows
    assert ["task", "gridsearch", "on", "slurm"] in rows
    assert ["progress", "3", "of", "48", "fits"] in rows
    assert ["workers", "1", "of", "2"] in rows
    assert ["14", "worker", "pending", "waits", "for", "free", "nodes"] in rows


def test_a_pending_run_says_why_it_waits(make_run, type_words, scheduler):
    make_run(state="pending", on="slurm", scheduler="slurm", controller_job="12")
    scheduler.add("12", "pending", "waits because its partition is down")
    code, out, _ = type_words("status", "--json")
    assert code == 0
    (status,) = json.loads(out)
    assert status["state"] == "pending"
    assert status["reason"] == "job 12 waits because its partition is down"
    assert [job["id"] for job in status["jobs"]] == ["12"]


def test_live_runs_are_asked_about_in_one_call_and_ended_ones_not(make_run, type_words, scheduler):
    make_run(on="slurm", scheduler="slurm", controller_job="1", worker_jobs=["2"])
    make_run(on="slurm", scheduler="slurm", state="pending", controller_job="3")
    make_run(on="slurm", scheduler="slurm", state="running", worker_jobs=["4", "5"])
    code, _, _ = type_words("status")
    assert code == 0
    assert [sorted(asked) for asked in scheduler.polls] == [["3", "4", "5"]]


def test_without_the_scheduler_the_folder_speaks(make_run, type_words, scheduler):
    run = make_run(state="pending", on="slurm", scheduler="slurm", controller_job="12")
    scheduler.error = SchedulerMissing("squeue is not on this host")
    code, out, err = type_words("status", "--json")
    assert code == 0
    assert json.loads(out)[0]["run"] == run.run_id
    assert json.loads(out)[0]["state"] == "pending"
    assert "squeue is not on this host" in err


def test_a_broken_run_hides_no_other(make_run, type_words):
    broken, whole = make_run(), make_run()
    broken.layout.record_file.write_text("{")
    code, out, err = type_words("status", "--json")
    assert code == 0
    assert [status["run"] for status in json.loads(out)] == [whole.run_id]
    assert f"left out: {broken.layout.record_file}" in err


def test_no_runs_are_said(tmp_path, type_words):
    assert type_words("status") == (0, f"no runs in {tmp_path / 'runs'}\n", "")
    assert type_words("status", "--json")[1] == "[]\n"


@pytest.mark.parametrize(
    "words", [["status", "x"], ["logs", "x"], ["results", "x"], ["cancel", "x"]]
)
def test_a_run_that_is_not_there_is_wrong_words(make_run, type_words, words):
    make_run()
    code, out, err = type_words(*words)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "no run 'x'" in err


def test_watching_an_ended_run_ends(make_run, type_words):
    run = make_run(state="failed", error="too little memory")
    code, out, _ = type_words("status", "last", "--watch")
    assert (code, out) == (0, f"{run.run_id} | failed | too little memory\n")


def test_watch_and_json_do_not_go_together(make_run, type_words):
    make_run()
    assert type_words("status", "--watch", "--json")[0] == 2


@pytest.mark.parametrize(
    "words",
    [["status"], ["status", "last"], ["status", "--json"], ["logs", "last"], ["results", "last"],
     ["cancel", "last"]],
    ids=" ".join,
)  # fmt: skip
def test_reading_a_run_loads_nothing_heavy(make_run, tmp_path, words):
    make_run()
    code = (
        "import sys; from hpc_ml.cli.main import cli\n"
        "code = cli.main(sys.argv[1:], standalone_mode=False)\n"
        "print('loaded', *sys.modules, file=sys.stderr); sys.exit(code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words, "--runs", tmp_path / "runs"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    loaded = set(done.stderr.split())
    assert "loaded" in loaded
    assert not HEAVY & loaded
