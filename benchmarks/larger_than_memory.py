"""Tasks on data that are larger than the memory of all workers together, and what they took.

    python benchmarks/larger_than_memory.py                 8 GiB with 2 workers of 1 GiB
    python benchmarks/larger_than_memory.py --data 1.5 --memory 0.6      as the tests do

A peak is the most that a process ever had resident, as Linux keeps it: that of the controller and
of the largest of its workers. The exit code is 1 where a worker passed its limit or the controller
500 MiB. XGBoost, which keeps some bytes of each row, runs where it is asked for: in one worker,
from disk.

    python benchmarks/larger_than_memory.py --data 1.5 --tasks xgboost
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from pairs import write
from rich.console import Console
from rich.table import Table

GIB = 2**30
CONTROLLER_LIMIT_BYTES = 500 * 2**20
N_FEATURES = 50
CLUSTERS = 5
_WATCH_EVERY_S = 0.2
_CHUNK_ROWS = 200_000

TASKS: Mapping[str, tuple[str, ...]] = {
    "kmeans": (
        "--param", f"n_clusters={CLUSTERS}", "--param", "max_iter=3", "--param", "n_init=1",
        "--set", f"data.columns=[{', '.join(map(str, range(N_FEATURES)))}]",
    ),
    "sgd": ("--set", "epochs=1"),
    "linear": ("--param", "max_iter=5"),
    "predict": (),
    "xgboost": ("--workers", "1", "--n-estimators", "3"),
}  # fmt: skip
OF_ANY_SIZE = ("kmeans", "sgd", "linear", "predict")


def make_data(path: Path, size_gib: float) -> int:
    """Write a float32 matrix whose last column is a class of two; return its rows."""
    n_rows = int(size_gib * GIB / 4 / (N_FEATURES + 1))
    rng = np.random.default_rng(0)
    centres = rng.normal(scale=3, size=(CLUSTERS, N_FEATURES)).astype(np.float32)
    coefficients = rng.normal(size=N_FEATURES).astype(np.float32)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file,
            {"descr": "<f4", "fortran_order": False, "shape": (n_rows, N_FEATURES + 1)},
        )
        for start in range(0, n_rows, _CHUNK_ROWS):
            count = min(_CHUNK_ROWS, n_rows - start)
            rows = np.empty((count, N_FEATURES + 1), dtype=np.float32)
            X = rng.standard_normal((count, N_FEATURES), dtype=np.float32)
            X += centres[rng.integers(CLUSTERS, size=count)]
            rows[:, :-1], rows[:, -1] = X, X @ coefficients > 0
            file.write(rows.tobytes())
    return n_rows


def watch(command: list[str]) -> dict[str, Any]:
    """Run a command; return its answer and the peak of its process and of its largest child."""
    started_s = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = psutil.Popen(command, stdout=output, stderr=errors)
        controller_bytes = worker_bytes = 0
        while process.poll() is None:
            controller_bytes = max(controller_bytes, peak_bytes(process))
            children = children_of(process)
            worker_bytes = max([worker_bytes, *map(peak_bytes, children)])
            time.sleep(_WATCH_EVERY_S)
        output.seek(0)
        errors.seek(0)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)}: exit {process.returncode}\n{errors.read()}")
        answer = json.load(output)
    return {
        "run": answer["run"],
        "metrics": answer["metrics"],
        "wall_s": time.perf_counter() - started_s,
        "controller_bytes": controller_bytes,
        "worker_bytes": worker_bytes,
    }


def children_of(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def peak_bytes(process: psutil.Process) -> int:
    """Return the most that a process had resident so far; 0 for one that has ended."""
    try:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    except OSError:
        return 0
    sizes = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
    return 1024 * sum(sizes)


def run_all(names: list[str], data: Path, memory_gib: float, runs: Path) -> dict[str, Any]:
    common = [
        "--data", str(data), "--workers", "2", "--memory", f"{memory_gib} GiB",
        "--runs", str(runs), "--json",
    ]  # fmt: skip
    found: dict[str, Any] = {}
    for name in names:
        words = [*TASKS[name]]
        if name == "predict":
            words += ["--model", found["linear"]["run"]]
        command = [sys.executable, "-m", "hpc_ml", "run", name, *common, *words]
        found[name] = watch(command)
        Console().print(f"{name}: {found[name]['wall_s']:.0f} s", highlight=False)
    return found


def show(found: Mapping[str, Any], memory_gib: float, console: Console) -> bool:
    """Print a line for each task; return whether all stayed under their limits."""
    table = Table(title="Peak of resident memory", title_justify="left")
    for heading in ("task", "seconds", "controller MiB", "largest worker MiB", "limit MiB"):
        table.add_column(heading, justify="left" if heading == "task" else "right")
    fits = True
    for name, one in found.items():
        sizes = [one["controller_bytes"] / 2**20, one["worker_bytes"] / 2**20, memory_gib * 1024]
        table.add_row(name, f"{one['wall_s']:.0f}", *(f"{size:.0f}" for size in sizes))
        fits &= one["controller_bytes"] <= CONTROLLER_LIMIT_BYTES and sizes[1] <= sizes[2]
    console.print(table)
    return fits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=float, default=8, help="GiB of data")
    parser.add_argument("--memory", type=float, default=1, help="GiB of each of the two workers")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=OF_ANY_SIZE)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/memory.json"))
    options = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data.npy"
        n_rows = make_data(data, options.data)
        console.print(f"{n_rows:,} rows x {N_FEATURES}, {options.data:g} GiB", highlight=False)
        found = run_all(options.tasks, data, options.memory, Path(folder) / "runs")
    sizes = {"rows": n_rows, "data_gib": options.data, "memory_gib": options.memory}
    write(options.output, {**sizes, "tasks": found})
    raise SystemExit(0 if show(found, options.memory, console) else 1)


if __name__ == "__main__":
    main()
