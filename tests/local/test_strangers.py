"""Another user of the host reads nothing of a run, and is heard by none of its processes."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed.security import Security

from hpc_ml.runs.layout import RunLayout
from tests.conftest import LIMIT_S, command_of
from tests.privacy import assert_private, list_doors, send_stranger, walk

ENDLESS = [
    "sgd", "--data", "make_classification(n_samples=20000, n_features=20, random_state=0)",
    "--estimator", "SGDClassifier", "--epochs", "100000", "--workers", "2",
]  # fmt: skip


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can enter and read, where only the modes of a run protect it."""
    if os.geteuid() != 0:
        pytest.skip("becoming another user needs root: run this test as root")
    folder = Path(tempfile.mkdtemp(prefix="hpc-ml-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def live_run(open_folder: Path, environ: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A run whose workers are at work, started under an umask that hides nothing."""
    running = subprocess.Popen(
        command_of("run", *ENDLESS), cwd=open_folder, text=True, umask=0o022,
        env=environ | {"HPC_ML_RUNS": str(open_folder / "runs")}, stderr=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    deadline_s = time.monotonic() + LIMIT_S
    while not list(open_folder.glob("runs/*/history.csv")) and not _has_progress(open_folder):
        assert running.poll() is None, running.stderr and running.stderr.read()
        assert time.monotonic() < deadline_s
        time.sleep(0.1)
    yield running
    if running.poll() is None:
        os.killpg(running.pid, signal.SIGKILL)
    running.communicate()


def _has_progress(folder: Path) -> bool:
    return any('"done": ' in path.read_text() for path in folder.glob("runs/*/heartbeat.json"))


def _write_own_keys(folder: Path) -> list[Path]:
    """Return certificate and key of a run that is not this one."""
    own = Security.temporary()
    paths = [folder / "other-cert.pem", folder / "other-key.pem"]
    for path, text in zip(paths, (own.tls_client_cert, own.tls_client_key), strict=True):
        path.write_text(text)
    return paths


def test_a_run_is_closed_to_other_users_while_it_lives_and_after(
    live_run: subprocess.Popen[str], open_folder: Path
) -> None:
    [run_dir] = (open_folder / "runs").iterdir()
    (open_folder / "runs").chmod(0o755)
    layout = RunLayout(run_dir)
    keys = {
        "run's": [layout.tls_cert_file, layout.tls_key_file],
        "other": _write_own_keys(open_folder),
        "none": [],
    }
    everything = list(walk(run_dir))
    assert layout.tls_key_file in everything

    doors, files = send_stranger(doors=list_doors(live_run.pid), files=everything, keys=keys)

    assert files == dict.fromkeys(map(str, everything), "refused")
    web = {port for port, heard in doors.items() if heard["plain"].startswith("HTTP/")}
    assert all(doors[port]["plain"].startswith("HTTP/1.1 404") for port in web)
    dask = {port for port in doors.keys() - web if _is_answer(doors[port]["run's"])}
    assert len(dask) >= 5  # a scheduler, and for each of two workers a nanny and a process
    own = doors.keys() - web - dask
    assert len(own) == 1  # the controller's, for those who know its secret too
    for port in dask | own:
        for shown in ("plain", "none", "other"):
            assert not _is_answer(doors[port][shown]), (port, shown, doors[port])

    live_run.send_signal(signal.SIGINT)
    _, stderr = live_run.communicate(timeout=LIMIT_S)
    assert live_run.returncode == 130, stderr
    assert_private(run_dir)
    _, files = send_stranger(files=list(walk(run_dir)))
    assert set(files.values()) == {"refused"}


def _is_answer(heard: str) -> bool:
    # TLS says why it refuses, in an alert: a record of type 21.
    return heard != "" and not heard.startswith(("refused", "\x15"))
