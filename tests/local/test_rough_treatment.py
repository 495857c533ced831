"""What a terminal, an estimator and a mute host do to a run on this machine."""

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from hpc_ml.clusters.attach import greet
from tests.conftest import LIMIT_S, Command, command_of

TALKATIVE = """
from sklearn.dummy import DummyClassifier

class Talkative(DummyClassifier):
    def fit(self, X, y, sample_weight=None):
        print("fitting")
        return super().fit(X, y, sample_weight)
"""


def test_ctrl_c_at_a_terminal_stops_a_run_that_starts_its_workers(
    environ: dict[str, str], tmp_path: Path
) -> None:
    # A terminal sends SIGINT to every process of the run's group, its workers too.
    running = subprocess.Popen(
        command_of("run", "gridsearch"), cwd=tmp_path, env=environ, text=True,
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    deadline_s = time.monotonic() + LIMIT_S
    while not _has_spawned(running.pid):
        assert time.monotonic() < deadline_s
        assert running.poll() is None
    os.killpg(running.pid, signal.SIGINT)
    _, stderr = running.communicate(timeout=LIMIT_S)

    assert running.returncode == 130, stderr
    assert "Traceback" not in stderr
    assert "the run was interrupted by Ctrl-C" in stderr.splitlines()[-1]


def test_what_an_estimator_prints_leaves_the_json_alone(hpc_ml: Command, tmp_path: Path) -> None:
    (tmp_path / "talkative.py").write_text(TALKATIVE)
    words = ["--data", "iris", "--estimator", "talkative.Talkative", "--grid", "constant=0"]
    done = hpc_ml("run", "gridsearch", *words, "--json", PYTHONPATH=str(tmp_path))

    assert json.loads(done.stdout)["state"] == "completed"
    assert "fitting" in done.stderr


@pytest.mark.parametrize(
    ("error_score", "said"), [("nan", "all fits failed, the first with"), ("raise", "a fit failed")]
)
def test_fits_that_all_fail_end_the_run_with_one_line(
    hpc_ml: Command, error_score: str, said: str
) -> None:
    words = ["--data", "iris", "--estimator", "LogisticRegression", "--grid", "C=-1"]
    done = hpc_ml("run", "gridsearch", *words, "--error-score", error_score, "--json")

    assert done.returncode == 1
    error = json.loads(done.stdout)["error"]
    assert error.startswith(said)
    assert "'C' parameter of LogisticRegression must be" in error
    assert "\n" not in error


@pytest.mark.parametrize("scheme", ["tcp", "tls"])
def test_a_host_that_accepts_and_says_nothing_is_given_up(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute, pytest.raises((OSError, TypeError)):
        greet(f"{scheme}://127.0.0.1:{mute.getsockname()[1]}", limit_s=0.5)


def _has_spawned(process_id: int) -> bool:
    """Whether a worker's process is there, in the midst of its imports."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            words = (stat.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == process_id and b"spawn_main" in words:
            return True
    return False
