"""The fault suite: every task under every fault, and whether its result is the undisturbed one.

    python -m tests.faults                          # all jobs here, 20 moments each: an hour
    python -m tests.faults --task kmeans --moments 5
    python -m tests.faults --on slurm               # against the Slurm of tests/cluster/start
    python -m tests.faults --task sgd --at 4.2      # one moment again

Each job of `jobs.py` is run undisturbed first, and then once a moment in a folder of its own, with
the fault at that moment; what is interrupted by it is resumed, with another number of workers.
Moments are spread over the whole of the undisturbed run's time, its start and its end included:
one in each of as many equal parts, drawn by `--seed`. They are printed, so that one can be repeated
by `--at`. A run survives when it is completed; its result is equal when metrics, tables,
predictions, and what the model has learned are, times left out: to the bit for searches, centres,
partial_fit and forests, to 1e-6 for L-BFGS and for what boosters predict. Nothing may be left: no
process, no batch job, no lock, no key, no half-written file. Runs that came to no good end stay in
`--folder`. The exit code is 1 where there is one of these.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from tests.faults import worker_faults as workers
from tests.faults.bench import Bench, no_jobs
from tests.faults.controller_faults import kill_controller
from tests.faults.jobs import JOBS, WORKERS_AFTER
from tests.faults.table import Outcome, format_table, write_outcomes

Fault = Callable[[Bench, float, int], Outcome]


@dataclass(frozen=True)
class Place:
    """Where jobs run, and what can happen there."""

    words: Sequence[str]
    list_jobs: Callable[[Path], list[str]]
    faults: Mapping[str, Fault]


def _to_worker(fault: str, disturb: workers.Disturb) -> tuple[str, Fault]:
    return fault, partial(workers.disturb_worker, fault=fault, disturb=disturb)


_PLACES = {
    "local": Place((), no_jobs, {"controller killed": kill_controller}),
    "slurm": Place(
        workers.PLACE,
        workers.list_jobs_left,
        {
            "controller killed": kill_controller,
            **dict(
                [
                    _to_worker("worker killed", workers.kill_process),
                    _to_worker("job cancelled", workers.cancel_job),
                    _to_worker("node down", workers.take_node_down),
                    _to_worker("walltime reached", workers.reach_walltime),
                ]
            ),
        },
    ),
}


@click.command(help=__doc__)
@click.option("--on", type=click.Choice(list(_PLACES)), default="local", show_default=True)
@click.option("--task", "tasks", multiple=True, help="A task, or one of its jobs; repeatable.")
@click.option("--fault", "faults", multiple=True, help="A fault by its name; repeatable.")
@click.option("--moments", default=20, show_default=True, help="Moments of each fault and job.")
@click.option("--at", "moment_s", type=float, help="One moment, in seconds, in place of these.")
@click.option("--seed", default=0, show_default=True, help="Of the moments.")
@click.option(
    "--workers-after", type=int, help="Workers of resumed runs; default mostly 1, else 3."
)
@click.option("--folder", type=Path, default=Path("/tmp/hpc-ml-faults"), show_default=True)
@click.option("--json", "json_file", type=Path, help="Where outcomes go; default in the folder.")
def main(
    on: str,
    tasks: Sequence[str],
    faults: Sequence[str],
    moments: int,
    moment_s: float | None,
    seed: int,
    workers_after: int | None,
    folder: Path,
    json_file: Path | None,
) -> None:
    place, outcomes = _PLACES[on], []
    path = json_file or folder / "outcomes.json"
    folder.mkdir(parents=True, exist_ok=True)
    for name in _chosen(JOBS, tasks, key=lambda name: JOBS[name].task):
        bench = Bench(name, JOBS[name], folder / name, place.words, place.list_jobs)
        wall_s = bench.undisturbed.wall_s
        click.echo(f"{name}: undisturbed in {wall_s:.1f} s")
        drawn = draw(wall_s, moments, f"{seed}/{name}") if moment_s is None else [moment_s]
        for fault in _chosen(place.faults, faults):
            for number, moment in enumerate(drawn):
                after = (workers_after,) if workers_after else WORKERS_AFTER
                count = after[number % len(after)]
                outcomes.append(place.faults[fault](bench, moment, count))
                click.echo(outcomes[-1].describe())
                write_outcomes(path, outcomes)
    click.echo(f"\n{format_table(outcomes)}\n\n{path}")
    raise SystemExit(0 if all(outcome.good for outcome in outcomes) else 1)


def draw(wall_s: float, count: int, seed: str) -> list[float]:
    """Return moments of a run's time, one in each of so many equal parts."""
    source = random.Random(seed)
    return [(number + source.random()) * wall_s / count for number in range(count)]


def _chosen(
    known: Mapping[str, object], asked: Sequence[str], key: Callable[[str], str] = str
) -> Iterator[str]:
    for word in asked:
        if not any(word in (name, key(name)) for name in known):
            raise click.UsageError(f"there is no {word!r}; known: {', '.join(known)}")
    return (name for name in known if not asked or {name, key(name)} & set(asked))


if __name__ == "__main__":
    main()
