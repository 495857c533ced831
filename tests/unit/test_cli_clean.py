"""`hpc-ml clean` ends what is dead and removes what is old, and touches nothing that lives."""

import io
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from hpc_ml.errors import SchedulerMissing
from hpc_ml.runs.heartbeat import Heartbeat
from hpc_ml.runs.ownership import Ownership
from tests.disks import fill

GONE = {"host": "node7", "pid": 1}


@pytest.fixture
def dead_pid():
    """The number of a process that was."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture
def dead_run(make_run, dead_pid):
    """A run whose controller, a process of this host, was killed."""
    run = make_run(state="running", on="slurm", scheduler="slurm", worker_jobs=["13"])
    Ownership.take(run.layout)
    owner = json.loads(run.layout.owner_file.read_text())
    run.layout.owner_file.write_text(json.dumps(owner | {"pid": dead_pid}))
    run.layout.tls.mkdir(mode=0o700)
    run.layout.tls_key_file.write_text("key")
    return run


def days_ago(days):
    return datetime.now(UTC) - timedelta(days=days)


def tell_json(answer):
    code, out, _ = answer
    return code, json.loads(out)


def test_the_jobs_of_a_dead_run_are_listed_and_nothing_is_touched(dead_run, type_words, scheduler):
    scheduler.add("13", "running", name=dead_run.layout.tag, folder=dead_run.path)
    code, out, _ = type_words("clean")
    assert code == 0
    assert "1 job of dead runs; --jobs cancels them" in out
    assert dead_run.run_id in out
    assert "its controller is gone" in out
    assert "tls" in out
    assert scheduler.cancelled == []
    assert dead_run.layout.tls_key_file.exists()


def test_with_jobs_they_end_and_the_run_says_so(dead_run, type_words, scheduler):
    scheduler.add("13", "running", name=dead_run.layout.tag, folder=dead_run.path)
    scheduler.add("14", "pending", name=dead_run.layout.tag, folder=dead_run.path / "logs")
    code, told = tell_json(type_words("clean", "--jobs", "--yes", "--json"))
    assert code == 0
    assert sorted(told["cancelled"]) == sorted(scheduler.cancelled) == ["13", "14"]
    record = dead_run.read_record()
    assert (record.state, record.exit_code) == ("interrupted", 75)
    assert record.ended_at is not None
    assert "its controller is gone" in record.error
    assert not dead_run.layout.tls.exists()
    assert not dead_run.layout.owner_file.exists()


def test_a_run_that_is_resumed_meanwhile_keeps_its_jobs(dead_run, type_words, scheduler):
    scheduler.add("13", "running", name=dead_run.layout.tag, folder=dead_run.path)
    owner = Ownership.take(dead_run.layout)  # this process: alive
    code, told = tell_json(type_words("clean", "--jobs", "--leftovers", "--yes", "--json"))
    assert (code, told["jobs"], told["leftovers"], scheduler.cancelled) == (0, [], [], [])
    owner.release()


@pytest.mark.parametrize("state", ["pending", "running"])
def test_a_run_whose_controllers_job_is_there_lives(make_run, type_words, scheduler, state):
    run = make_run(state=state, on="slurm", scheduler="slurm", controller_job="12", **GONE)
    scheduler.add("12", state, name=run.layout.tag, folder=run.path)
    scheduler.add("13", "running", name=run.layout.tag, folder=run.path)
    code, told = tell_json(type_words("clean", "--jobs", "--yes", "--json"))
    assert (code, told["jobs"], scheduler.cancelled) == (0, [], [])


def test_a_run_whose_next_controller_waits_lives(make_run, type_words, scheduler):
    run = make_run(
        state="interrupted", on="slurm", scheduler="slurm", controller_job="12;east",
        created_at=days_ago(50),
    )  # fmt: skip
    scheduler.add("12", "pending", name=run.layout.tag, folder=run.path)
    words = ["--jobs", "--leftovers", "--runs-older-than", "30d", "--yes", "--json"]
    code, told = tell_json(type_words("clean", *words))
    assert (code, told["jobs"], told["runs"], scheduler.cancelled) == (0, [], [], [])


@pytest.mark.parametrize("days", [-400, 400])
def test_a_clock_that_jumped_ends_no_run_that_beats(
    make_run, type_words, scheduler, monkeypatch, days
):
    run = make_run(state="running", on="slurm", scheduler="slurm", worker_jobs=["13"], **GONE)
    Ownership.take(run.layout)
    owner = json.loads(run.layout.owner_file.read_text())
    elsewhere = owner | {"host": "node7", "boot_id": "another"}
    run.layout.owner_file.write_text(json.dumps(elsewhere))
    scheduler.add("13", "running", name=run.layout.tag, folder=run.path)
    monkeypatch.setattr("hpc_ml.runs.heartbeat.read_clock", lambda: days_ago(days))
    words = ["--jobs", "--leftovers", "--runs-older-than", "30d", "--yes", "--json"]
    with Heartbeat(run.layout, interval_s=0.05):
        code, told = tell_json(type_words("clean", *words))
    assert (told["cancelled"], told["removed"], scheduler.cancelled) == ([], [], [])
    assert code == (4 if days > 0 else 0)
    assert all("which is alive" in line for line in told["left_alone"])
    assert run.layout.owner_file.exists()


def test_workers_whose_controllers_job_ended_are_orphans(make_run, type_words, scheduler):
    run = make_run(state="running", on="slurm", scheduler="slurm", controller_job="12", **GONE)
    scheduler.add("12", "timeout", "reached its walltime")
    scheduler.add("13", "running", name=run.layout.tag, folder=run.path)
    code, told = tell_json(type_words("clean", "--jobs", "--yes", "--json"))
    assert (code, told["cancelled"]) == (0, ["13"])
    assert "job 12 reached its walltime" in told["jobs"][0]["reason"]


def test_a_job_whose_run_is_not_to_be_found_ends_only_by_its_name(tmp_path, type_words, scheduler):
    scheduler.add("13", "running", name="hpcml-3f9a1c", folder=tmp_path / "gone")
    code, told = tell_json(type_words("clean", "--jobs", "--yes", "--json"))
    assert (code, scheduler.cancelled) == (0, [])
    assert [(job["job"], job["certain"]) for job in told["jobs"]] == [("13", False)]
    assert "not to be found" in told["jobs"][0]["reason"]
    code, told = tell_json(type_words("clean", "--job-id", "13", "--yes", "--json"))
    assert (code, told["cancelled"], scheduler.cancelled) == (0, ["13"], ["13"])


def test_the_jobs_of_a_dead_run_elsewhere_are_listed_alone(
    dead_run, tmp_path, type_words, scheduler
):
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "runs").rename(elsewhere)
    folder = elsewhere / dead_run.run_id
    scheduler.add("13", "running", name=dead_run.layout.tag, folder=folder)
    code, told = tell_json(type_words("clean", "--jobs", "--yes", "--json"))
    assert (code, scheduler.cancelled) == (0, [])
    assert told["jobs"][0]["dir"] == str(folder)
    assert f"look with --runs {elsewhere}" in type_words("clean")[1]


def test_a_job_that_is_no_orphan_is_refused(make_run, type_words, scheduler):
    code, _, err = type_words("clean", "--job-id", "12", "--yes")
    assert code == 2
    assert "job 12 is no orphaned job" in err


def test_without_the_schedulers_word_it_is_said(dead_run, type_words, scheduler):
    scheduler.error = SchedulerMissing("squeue is ill", hint="wait")
    code, _, err = type_words("clean")
    assert code == 0
    assert "note: the jobs there are not known, for squeue is ill" in err


def test_where_nobody_can_be_asked_nothing_is_done(dead_run, type_words, scheduler, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    scheduler.add("13", "running", name=dead_run.layout.tag, folder=dead_run.path)
    code, _, err = type_words("clean", "--jobs", "--leftovers")
    assert code == 2
    assert "nothing was done: nobody can be asked to cancel 1 job, remove 2 leftovers" in err
    assert scheduler.cancelled == []


def test_a_dry_run_lists_and_touches_nothing(dead_run, type_words, scheduler):
    scheduler.add("13", "running", name=dead_run.layout.tag, folder=dead_run.path)
    code, told = tell_json(type_words("clean", "--jobs", "--leftovers", "--dry-run", "--json"))
    assert code == 0
    assert (len(told["jobs"]), told["cancelled"], told["removed"]) == (1, [], [])
    assert scheduler.cancelled == []


def test_leftovers_of_dead_runs_go_and_results_stay(dead_run, tmp_path, type_words, scheduler):
    model = dead_run.layout.model
    model.mkdir()
    (model / "model.json").write_text("{}")
    half = dead_run.path / ".model.0123abcd"
    half.mkdir()
    (dead_run.layout.logs / ".worker.0123abcd").write_text("")
    (dead_run.path / "owner-abc.next").write_text("")
    unfinished = tmp_path / "runs" / ".20261120-185512-3f9a1c.0123abcd"
    unfinished.mkdir()
    os.utime(unfinished, (0, 0))
    code, told = tell_json(type_words("clean", "--leftovers", "--yes", "--json"))
    assert (code, told["left_alone"]) == (0, [])
    assert len(told["removed"]) == 6
    assert not any(path.exists() for path in (half, unfinished, dead_run.layout.tls))
    assert sorted(path.name for path in dead_run.path.iterdir()) == [
        "job.yaml", "ledger", "logs", "model", "run.json",
    ]  # fmt: skip


def test_what_may_be_a_run_in_the_making_stays(tmp_path, type_words, scheduler):
    unfinished = tmp_path / "runs" / ".20261120-185512-3f9a1c.0123abcd"
    unfinished.mkdir(parents=True)
    _, told = tell_json(type_words("clean", "--leftovers", "--yes", "--json"))
    assert told["leftovers"] == []
    assert unfinished.exists()


def test_old_runs_go_by_age_and_state(make_run, type_words, scheduler):
    old = make_run(created_at=days_ago(50), ended_at=days_ago(40))
    failed = make_run(created_at=days_ago(50), ended_at=days_ago(40), state="failed")
    young = make_run(created_at=days_ago(50), ended_at=days_ago(2), state="failed")
    lives = make_run(created_at=days_ago(50), state="running")
    Ownership.take(lives.layout)
    words = ["clean", "--runs-older-than", "30d", "--yes", "--json"]
    _, told = tell_json(type_words(*words, "--state", "failed"))
    assert told["removed"] == [str(failed.path)]
    _, told = tell_json(type_words(*words))
    assert told["removed"] == [str(old.path)]
    assert young.path.exists()
    assert lives.path.exists()
    assert not [path for path in old.path.parent.iterdir() if path.name.startswith(".")]


def test_a_run_with_jobs_is_not_removed(make_run, type_words, scheduler):
    run = make_run(created_at=days_ago(50), state="failed")
    scheduler.add("13", "running", name=run.layout.tag, folder=run.path)
    words = ["clean", "--runs-older-than", "30d", "--yes", "--json"]
    code, told = tell_json(type_words(*words))
    assert code == 4
    assert "jobs that go on: 13" in told["left_alone"][0]
    assert run.path.exists()


def test_links_and_foreign_folders_are_not_followed(make_run, tmp_path, type_words, scheduler):
    run = make_run(created_at=days_ago(50))
    precious = tmp_path / "precious"
    run.path.rename(precious)
    run.path.symlink_to(precious)
    (precious / "elsewhere").symlink_to(tmp_path)
    words = ["clean", "--runs-older-than", "30d", "--leftovers", "--yes", "--json"]
    _, told = tell_json(type_words(*words))
    assert (told["runs"], told["leftovers"]) == ([], [])
    os.chown(precious, 65534, 65534)
    run.path.unlink()
    precious.rename(run.path)
    _, told = tell_json(type_words(*words))
    assert told["runs"] == []
    assert (run.path / "run.json").exists()


def test_a_link_in_a_run_goes_and_what_it_leads_to_stays(make_run, tmp_path, type_words, scheduler):
    run = make_run(created_at=days_ago(50))
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("x")
    (run.path / "model").symlink_to(tmp_path / "precious")
    type_words("clean", "--runs-older-than", "30d", "--yes")
    assert not run.path.exists()
    assert (tmp_path / "precious" / "file").exists()


def test_room_can_be_made_on_a_full_disk(small_disk, make_run, type_words, scheduler, tmp_path):
    (tmp_path / "runs").symlink_to(small_disk)
    run = make_run(created_at=days_ago(50), state="failed")
    fill(small_disk)
    code, told = tell_json(type_words("clean", "--runs-older-than", "30d", "--yes", "--json"))
    assert (code, told["removed"]) == (0, [str(run.path)])
    assert not run.path.exists()


@pytest.mark.parametrize("age", ["30", "soon", "-1d", ""])
def test_what_is_no_age_is_refused(type_words, age):
    code, _, err = type_words("clean", "--runs-older-than", age)
    assert code == 2
    assert "is not an age; write it with its unit" in err


def test_a_state_without_an_age_is_refused(type_words):
    code, _, err = type_words("clean", "--state", "failed")
    assert code == 2
    assert "--runs-older-than" in err
