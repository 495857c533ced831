"""What every test may use: hpc-ml as a user calls it."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests import leftovers

Command = Callable[..., subprocess.CompletedProcess[str]]

SLURM = "tests/slurm/"

# Far above what any command takes: it ends a hang, it judges no speed.
LIMIT_S = 240


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-slurm",
        action="store_true",
        help="fail, not skip, where the Slurm of tests/cluster/start does not run",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests over Slurm: where two processes share all tests, one has them all."""
    items.sort(key=lambda item: not item.nodeid.startswith(SLURM))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Where several processes share the tests, give one all tests of a file, and all of Slurm."""
    from xdist.scheduler import LoadFileScheduling

    class LoadFileOrSlurm(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return SLURM if nodeid.startswith(SLURM) else super()._split_scope(nodeid)

    config.option.loadscopereorder = False
    return LoadFileOrSlurm(config, log)


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """After all tests no process, job or key of theirs is there."""
    mark = secrets.token_hex(8)
    os.environ[leftovers.MARK] = mark
    yield
    folder = tmp_path_factory.getbasetemp()
    left = [
        *leftovers.await_none(lambda: leftovers.list_jobs(folder)),
        *leftovers.await_none(lambda: leftovers.list_processes(mark)),
        *leftovers.list_files(folder),
        *leftovers.list_mounts(folder),
    ]
    assert not left, "left behind:\n" + "\n".join(left)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment without the settings of whoever runs the tests."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("HPC_ML_", "DASK_"))}
    return clean | {
        "HPC_ML_RUNS": str(tmp_path / "runs"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "DASK_CONFIG": str(tmp_path / "dask"),
    }


@pytest.fixture
def hpc_ml(tmp_path: Path, environ: Mapping[str, str]) -> Command:
    """Run hpc-ml in a process of its own, in an empty folder."""

    def call(*words: object, **changes: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command_of(*words), cwd=tmp_path, env={**environ, **changes}, text=True,
            capture_output=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip

    return call


def command_of(*words: object) -> list[str]:
    return [sys.executable, "-m", "hpc_ml", *map(str, words)]


def json_of(done: subprocess.CompletedProcess[str]) -> Any:
    """Return the one JSON object of a command that succeeded."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
