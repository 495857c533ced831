"""A disk that fills, or becomes read-only, under a run: an error in one line, and no unit lost."""

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV

from tests.conftest import LIMIT_S, Command, command_of, json_of
from tests.disks import fill, mounted
from tests.reference import assert_equal_results

DEPTHS = list(range(1, 21))
SEARCH = [
    "gridsearch", "--data", "make_classification(n_samples=2000, random_state=0)",
    "--set", "data.test_size=0", "--estimator", "RandomForestClassifier",
    "--param", "n_estimators=25", "--grid", f"max_depth={','.join(map(str, DEPTHS))}", "--cv", "3",
    "--set", "refit=false", "--workers", "2",
]  # fmt: skip


@pytest.fixture(scope="module")
def expected() -> Any:
    """What scikit-learn finds, undisturbed."""
    X, y = make_classification(n_samples=2000, random_state=0)
    forest = RandomForestClassifier(n_estimators=25, random_state=0)
    return GridSearchCV(forest, {"max_depth": DEPTHS}, cv=3, refit=False).fit(X, y).cv_results_


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "disk", "size=1m") as folder:
        yield folder


def make_read_only(disk: Path) -> Callable[[], None]:
    # A disk on which a file is open for writing cannot be; this is what such a file sees then.
    subprocess.run(["mount", "--bind", disk, disk], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", disk], check=True)

    def undo() -> None:
        subprocess.run(["umount", disk], check=True)

    return undo


def fill_up(disk: Path) -> Callable[[], None]:
    return fill(disk).unlink


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (fill_up, "cannot write: No space left on device; make room there"),
        (make_read_only, "cannot write: Read-only file system"),
    ],
    ids=["full", "read-only"],
)
def test_a_search_ends_with_one_line_and_goes_on_from_there(
    hpc_ml: Command, environ: dict[str, str], disk: Path, expected: Any,
    spoil: Callable[[Path], Callable[[], None]], said: str,
) -> None:  # fmt: skip
    place = {"HPC_ML_RUNS": str(disk / "runs")}
    running = subprocess.Popen(
        command_of("run", *SEARCH), cwd=disk.parent, env=environ | place, text=True,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    ledger = await_units(running, disk)
    mend = spoil(disk)
    _, stderr = running.communicate(timeout=LIMIT_S)
    kept = ledger.read_bytes()
    mend()

    assert running.returncode == 1, stderr
    assert said in stderr.splitlines()[-1]
    assert "Traceback" not in stderr
    assert kept.endswith(b"\n")
    assert 0 < kept.count(b"\n") <= 3 * len(DEPTHS)

    run = json_of(hpc_ml("resume", "last", "--json", **place))
    assert_equal_results(Path(run["artefacts"]["cv_results"]), expected)
    assert ledger.read_bytes().startswith(kept)
    assert ledger.read_bytes().count(b"\n") == 3 * len(DEPTHS)


def await_units(running: subprocess.Popen[str], disk: Path) -> Path:
    """Return the ledger as soon as it holds finished units."""
    deadline_s = time.monotonic() + LIMIT_S
    while True:
        assert running.poll() is None, running.stderr and running.stderr.read()
        assert time.monotonic() < deadline_s
        for ledger in disk.glob("runs/*/ledger/units.jsonl"):
            if ledger.stat().st_size:
                return ledger
        time.sleep(0.02)
