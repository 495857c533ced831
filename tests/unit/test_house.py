"""The house: imports point down only, the code is linted and typed, the light verbs stay light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "hpc_ml"

# From the top down; a module imports from its own floor and those below it.
FLOORS = (
    ("__main__",), ("cli",), ("api",), ("job_layers", "new_run", "resumption", "submission"),
    ("identity",), ("controller", "live_run", "run_jobs", "signals", "succession", "walltime"),
    ("tasks",), ("clusters",), ("estimators",),
    ("schedulers",), ("data",), ("runs",), ("sites",), ("spec",), ("errors", "version"),
)  # fmt: skip
FLOOR_OF = {name: floor for floor, names in enumerate(FLOORS) for name in names}


def imports_of(path: Path) -> set[str]:
    """Return the parts of hpc_ml that a module imports, also inside its functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = (
            [node.module or ""] if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names] if isinstance(node, ast.Import)
            else []
        )  # fmt: skip
        parts = [name.split(".") for name in names]
        found |= {part[1] for part in parts if part[0] == "hpc_ml" and len(part) > 1}
        if isinstance(node, ast.ImportFrom) and node.module == "hpc_ml":
            found |= {alias.name for alias in node.names if alias.name in FLOOR_OF}
    return found


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_imports_point_down_only(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own == "__init__":
        return
    above = {name for name in imports_of(path) if FLOOR_OF[name] < FLOOR_OF[own]}
    assert not above, f"{path.relative_to(ROOT)} imports from above: {above}"


@pytest.mark.parametrize(
    "words",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy"],
    ],
    ids=["lint", "format", "types"],
)
def test_the_code_is_clean(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
