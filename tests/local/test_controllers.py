"""Controllers that are killed, race each other, lose their folder or are told twice to stop."""

import json
import shutil
import signal
import socket
import subprocess
from pathlib import Path

from tests.conftest import LIMIT_S, Command, command_of, json_of
from tests.local.test_runs_here import run_of, start_run

SEARCH = [
    "--data", "make_classification(n_samples=3000, n_features=30)", "--cv", 2,
    "--estimator", "GradientBoostingClassifier", "--grid", "n_estimators=20,21,22,23,24,25,26,27",
    "--refit", "false", "--set", "data.test_size=0", "--workers", 1,
]  # fmt: skip


def test_of_two_that_resume_a_killed_run_at_once_one_works(
    hpc_ml: Command, environ: dict[str, str], tmp_path: Path
) -> None:
    running = start_run(environ, tmp_path, *SEARCH)
    assert hpc_ml("resume", "last").returncode == 2  # one controller at a time
    running.kill()
    running.communicate(timeout=LIMIT_S)
    [status] = json_of(hpc_ml("status", "last", "--json"))
    assert status["state"] == "interrupted"
    with (run_of(tmp_path) / "ledger" / "units.jsonl").open("a") as ledger:
        ledger.write('{"unit": "0/7/1", "val')  # what a kill within a write leaves

    two = [
        subprocess.Popen(
            command_of("resume", "last", "--json"), cwd=tmp_path, env=environ, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for _ in range(2)
    ]  # fmt: skip
    said = {process: process.communicate(timeout=LIMIT_S) for process in two}
    winner, loser = sorted(two, key=lambda process: process.returncode)
    assert (winner.returncode, loser.returncode) == (0, 2), said
    assert f"owned by process {winner.pid} on {socket.gethostname()}" in said[loser][1]
    assert json.loads(said[winner][0])["state"] == "completed"
    assert "was cut short by a crash" in said[winner][1]

    results = hpc_ml("results", "last").stdout
    assert "keeping the work safe took " in results
    record = json.loads((run_of(tmp_path) / "run.json").read_text())
    assert 0 < record["safekeeping_s"] < record["controller_s"]


def test_a_folder_that_is_removed_ends_its_run(environ: dict[str, str], tmp_path: Path) -> None:
    running = start_run(environ, tmp_path, *SEARCH)
    shutil.rmtree(run_of(tmp_path))
    _, stderr = running.communicate(timeout=LIMIT_S)
    assert running.returncode == 1, stderr
    assert "Traceback" not in stderr
    assert "folder was removed while the run went on" in stderr.splitlines()[-1]


def test_a_second_interrupt_stops_a_run_no_less_cleanly(
    hpc_ml: Command, environ: dict[str, str], tmp_path: Path
) -> None:
    running = start_run(environ, tmp_path, *SEARCH)
    for _ in range(3):
        running.send_signal(signal.SIGINT)
    _, stderr = running.communicate(timeout=LIMIT_S)
    assert running.returncode == 130, stderr
    [status] = json_of(hpc_ml("status", "last", "--json"))
    assert status["state"] == "interrupted"
    assert not (run_of(tmp_path) / "tls").exists()
