"""Workers that are lost over a real Slurm are replaced, and the result is the undisturbed one."""

import fcntl
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV

from hpc_ml.runs.layout import RunLayout
from hpc_ml.schedulers import open_scheduler
from hpc_ml.schedulers.patience import PatientScheduler
from hpc_ml.sites.loading import load_profile
from tests.conftest import LIMIT_S, Command, command_of, json_of
from tests.faults.slow import SlowClassifier
from tests.reference import assert_equal_results
from tests.slurm.conftest import SITES, ask, queued_jobs

ROOT = Path(__file__).parent.parent.parent

PLACE = ["--on", "slurm", "--site", SITES["slurm"], "--workers", 2]


class Run:
    """A run in the foreground of another process."""

    def __init__(self, words: list[object], folder: Path, environ: Mapping[str, str]) -> None:
        self._runs = folder / "runs"
        self._process = subprocess.Popen(
            command_of("run", *words, *PLACE, "--json"),
            cwd=folder, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def read(self, name: str) -> Any:
        found = list(self._runs.glob(f"*/{name}"))
        return json.loads(found[0].read_text()) if found else {}

    def wait(self, ready: Callable[[], object]) -> None:
        deadline_s = time.monotonic() + LIMIT_S
        while not ready():
            assert self._process.poll() is None, self._process.communicate()
            assert time.monotonic() < deadline_s
            time.sleep(0.05)

    def has_begun(self) -> bool:
        """Whether both workers are there, and work is done."""
        beat = self.read("heartbeat.json")
        workers = beat.get("workers") or {}
        return bool((beat.get("progress") or {}).get("done")) and workers.get("have") == 2

    def cancel_a_worker(self) -> str:
        """End a worker's job while the controller stands still and no work is handed out."""
        job: str = self.read("run.json")["worker_jobs"][0]
        self._process.send_signal(signal.SIGSTOP)
        try:
            subprocess.run(["scancel", job], check=True)
            self.wait(lambda: job not in queued_jobs())
        finally:
            self._process.send_signal(signal.SIGCONT)
        return job

    def result(self) -> tuple[dict[str, Any], str]:
        out, err = self._process.communicate(timeout=LIMIT_S)
        assert self._process.returncode == 0, err
        assert not set(self.read("run.json")["worker_jobs"]) & set(queued_jobs())
        return json.loads(out), err


@pytest.fixture
def start(tmp_path: Path, environ: dict[str, str]) -> Callable[..., Run]:
    environ = environ | {"PYTHONPATH": str(ROOT)}
    return lambda *words: Run([*words], tmp_path, environ)


def test_a_search_survives_the_cancelling_of_a_workers_job(start: Callable[..., Run]) -> None:
    # Half a second a fit: most are still to be done when the worker is lost.
    values = [0.01 * 2**number for number in range(8)]
    run = start(
        "gridsearch", "--data", "iris", "--estimator", "tests.faults.slow.SlowClassifier",
        "--param", "seconds=0.5", "--grid", "C=" + ",".join(map(str, values)), "--cv", 4,
        "--refit", "false", "--set", "data.test_size=0",
    )  # fmt: skip
    run.wait(run.has_begun)
    job = run.cancel_a_worker()
    result, told = run.result()

    expected = GridSearchCV(SlowClassifier(), {"C": values}, cv=4, refit=False)
    expected.fit(*load_iris(return_X_y=True))
    assert_equal_results(Path(result["artefacts"]["cv_results"]), expected.cv_results_)
    assert f"worker job {job}" in told
    assert "another takes its place, 5 replacements left" in told
    assert len(run.read("run.json")["worker_jobs"]) == 3


def test_k_means_survives_the_cancelling_of_a_workers_job(
    start: Callable[..., Run], hpc_ml: Command
) -> None:
    words = [
        "kmeans", "--data", "make_blobs(n_samples=1000000, n_features=16, centers=30, "
        "cluster_std=100.0, random_state=0)", "--n-clusters", 60, "--param", "tol=0",
        "--param", "max_iter=100",
    ]  # fmt: skip
    run = start(*words)
    run.wait(run.has_begun)
    job = run.cancel_a_worker()
    result, told = run.result()

    assert f"worker job {job}" in told
    undisturbed = json_of(hpc_ml("run", *words, "--json"))
    assert result["metrics"] == undisturbed["metrics"]
    np.testing.assert_array_equal(centres(result), centres(undisturbed))


def centres(result: dict[str, Any]) -> np.ndarray:
    file = Path(result["artefacts"]["model"]) / "model.skops"
    model = skops.io.load(file, trusted=skops.io.get_untrusted_types(file=file))
    return np.asarray(model.cluster_centers_)


@contextmanager
def silent_controller() -> Iterator[Callable[[], None]]:
    """Have slurmctld answer nothing, until the block's end or the call of what it gives."""
    process_id = int(ask("pgrep", "-x", "slurmctld").split()[0])

    def go_on() -> None:
        os.kill(process_id, signal.SIGCONT)

    with open("/tmp/slurm-nodes.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.kill(process_id, signal.SIGSTOP)
        try:
            yield go_on
        finally:
            go_on()


def test_a_submission_without_an_answer_is_made_once(tmp_path: Path) -> None:
    layout = RunLayout(tmp_path / "20261121-180000-lostit")
    layout.path.mkdir()
    layout.worker_script.write_text(
        "#!/bin/bash\n#SBATCH --account=research --partition=parked\n"
        f"#SBATCH --job-name={layout.tag}\ntrue\n"
    )
    silent = threading.Event()
    scheduler = PatientScheduler(
        open_scheduler(load_profile(str(SITES["slurm"]))), lambda line: silent.set()
    )
    jobs: list[str] = []
    with silent_controller() as go_on:
        asking = threading.Thread(
            target=lambda: jobs.append(scheduler.submit(layout.worker_script))
        )
        asking.start()
        assert silent.wait(LIMIT_S)
        go_on()
        asking.join(LIMIT_S)
    taken = scheduler.find(layout.tag)
    scheduler.cancel(taken)
    assert taken == jobs
