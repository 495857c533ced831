"""The real Slurm that these tests drive, and what is asked of it directly."""

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import LIMIT_S

CLUSTER = Path(__file__).parent.parent / "cluster"
SITES = {"slurm": CLUSTER / "testslurm.yaml", "pbs": CLUSTER / "testtorque.yaml"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.slurm)


@pytest.fixture(scope="session", autouse=True)
def slurm(request: pytest.FixtureRequest) -> None:
    """Skip, or fail where it is required, unless the test cluster answers."""
    answers = shutil.which("scontrol") is not None and "UP" in ask("scontrol", "ping")
    if answers:
        return
    message = "no Slurm answers here; to have these tests run, as root: tests/cluster/start"
    if request.config.getoption("--require-slurm"):
        pytest.fail(message)
    pytest.skip(message)


def ask(*words: str) -> str:
    """Return what a command of the scheduler prints."""
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False).stdout


def queued_jobs() -> list[str]:
    """Return the ids of all jobs that wait or run."""
    return ask("squeue", "-h", "-o", "%i", "-t", "PENDING,RUNNING,CONFIGURING").split()


def await_empty_queue() -> None:
    """Return when no job waits or runs any more."""
    deadline_s = time.monotonic() + LIMIT_S
    while left := queued_jobs():
        assert time.monotonic() < deadline_s, left
        time.sleep(0.2)
