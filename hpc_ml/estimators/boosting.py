"""Boosting over a collective: laid out, trained segment by segment, kept, and begun again.

The controller puts the scores together and alone decides when to stop, so that no worker can
stop while another goes on.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from dataclasses import astuple, replace
from typing import Any

from hpc_ml.errors import BadJob, WorkersLost
from hpc_ml.estimators.boosting_course import Begun, Course, judge, seed_of_segment
from hpc_ml.estimators.boosting_layout import (
    Layout,
    Size,
    Worker,
    choose_layout,
    describe,
    fix_parts,
)
from hpc_ml.estimators.boosting_orders import Advance, Begin, Export, Recipe, scout
from hpc_ml.estimators.boosting_rows import Part, join, sample_parts
from hpc_ml.estimators.boosting_scores import Panel
from hpc_ml.estimators.boosting_team import Team
from hpc_ml.estimators.boosting_training import Training
from hpc_ml.estimators.collective import WorkerPlace
from hpc_ml.estimators.inputs import AnyCollective
from hpc_ml.estimators.placement import place

MOST_LOSSES = 5
STATE = "boosting"
_LOOK_EVERY_S = 0.2
# A worker that has come is one of the collective's some moments later.
_JOINING_S = 10.0
# Rows by which values are binned where no worker has them all, as LightGBM's own default.
_BIN_ROWS = 200_000
_BIN_BYTES = 128 * 2**20


class Boosting:
    """Trains one booster.

    Raises WorkersLost when workers are lost again and again before a segment is done, and BadJob
    when their memory does not suffice.
    """

    def __init__(self, collective: AnyCollective, training: Training) -> None:
        self._collective = collective
        self._training = training
        self._schedule = training.schedule
        self._checkpoint = collective.checkpoint
        self._key = training.digest(collective.partitions.key)
        self._begun_unit = f"boosting-begun/{self._key}"
        self._begun = Begun(*self._checkpoint.finished().get(self._begun_unit, ()))
        self._ranks = 0
        self._told = ""

    def run(self) -> Course:
        """Return the course at its end, from where an earlier run of the same training stopped."""
        kept = self._checkpoint.kept_state(STATE)
        safe = Course(self._key) if kept is None else Course.load(kept)
        if safe.key != self._key:
            safe = Course(self._key)
        losses = 0
        while not self._is_done(safe):
            course, began = deepcopy(safe), safe.rounds
            try:
                with self._team(course) as (team, panel):
                    while not (self._is_done(course) or team.outgrown):
                        self._train_segment(course, team, panel)
                        safe = deepcopy(course)
            except WorkersLost as error:
                losses = 1 if safe.rounds > began else losses + 1
                if losses > MOST_LOSSES:
                    raise
                self._checkpoint.tell(f"{error}; training goes on from round {safe.rounds}")
        return safe

    def _is_done(self, course: Course) -> bool:
        return course.stopped or course.rounds >= self._schedule.n_rounds

    @contextmanager
    def _team(self, course: Course) -> Iterator[tuple[Team, Panel]]:
        """Choose the workers that train, and have them make ready from where the course is."""
        training, collective = self._training, self._collective
        places, workers, layout = self._lay_out()
        self._settle(layout)
        recipe = self._recipe_for(layout, workers)
        bins = self._sample(places) if layout.mode == "all" else None
        several = len(layout.ranks) > 1
        network = training.network(collective, layout.ranks) if several else nullcontext([])
        team = Team(collective, layout, places)
        with network as networks:
            try:
                ready = team.muster(recipe, networks, bins)
                own_rows = recipe.trainer.OWN_ROWS
                yield team, Panel(ready, recipe.scorers, recipe.plan.classes, own_rows=own_rows)
            finally:
                team.disband()

    def _lay_out(self) -> tuple[list[WorkerPlace], list[Worker], Layout]:
        """Return the workers and who of them trains, when they have the memory for it."""
        collective, more_come = self._collective, True
        while True:
            places = collective.workers
            workers = collective.each(scout, [None] * len(places))
            more_come = more_come and len(places) < self._checkpoint.first_workers
            try:
                return places, workers, self._choose(workers, places, more_come=more_come)
            except BadJob as error:
                if not more_come:
                    raise
                self._tell(f"{error.problem}: waiting for more workers")
                more_come = self._await_others(places)

    def _await_others(self, places: Sequence[WorkerPlace]) -> bool:
        """Return whether there are other workers, as soon as that is so or none is expected."""
        expected_s = time.monotonic()
        while self._collective.workers == places:
            self._checkpoint.check()
            if self._checkpoint.expects_workers():
                expected_s = time.monotonic()
            elif time.monotonic() - expected_s > _JOINING_S:
                return False
            time.sleep(_LOOK_EVERY_S)
        return True

    def _choose(
        self, workers: Sequence[Worker], places: Sequence[WorkerPlace], *, more_come: bool
    ) -> Layout:
        collective, training = self._collective, self._training
        rows, sizes = collective.rows, collective.partitions.bytes_each
        size = Size(
            rows=sum(rows),
            n_features=collective.n_features,
            n_rounds=self._schedule.n_rounds,
            read_row_bytes=sum(sizes) / max(1, sum(rows)),
            row_bytes=training.row_bytes,
            disk_row_bytes=training.disk_row_bytes,
            block_bytes=max(sizes, default=0),
        )
        held = [sum(rows[number] for number in one.numbers) for one in places]
        most_threads = training.most_threads
        preferred = self._begun.mode or training.layout.replace("auto", "")
        layout = choose_layout(
            workers, held, size, mode=preferred, most_threads=most_threads, more_come=more_come
        )
        if layout.mode == "all":
            numbers = [one.numbers for one in places]
            self._ranks = self._count_ranks(layout, workers)
            parts = self._share_out(self._ranks)
            layout = fix_parts(workers, numbers, parts, rows, size, most_threads=most_threads)
        if max(len(workers), len(layout.ranks)) > 1:
            self._tell(describe(layout, size))
        return layout

    def _count_ranks(self, layout: Layout, workers: Sequence[Worker]) -> int:
        """Return how many ranks train: as many as at first, but for one a worker with a GPU."""
        ranks = self._begun.ranks or self._checkpoint.first_workers or len(layout.ranks)
        if ranks <= len(layout.ranks) or not any(workers[rank].device for rank in layout.ranks):
            return ranks
        self._tell(
            f"{len(layout.ranks)} workers with GPUs cannot share the {ranks} parts in which others "
            "would train: the booster will not be quite the same"
        )
        return len(layout.ranks)

    def _share_out(self, ranks: int) -> list[tuple[int, ...]]:
        """Return the partitions of each rank, which follow from the data alone."""
        sizes, rows = self._collective.partitions.bytes_each, self._collective.rows
        shares = place(sizes, {}, [str(rank) for rank in range(ranks)]).values()
        parts = [tuple(number for number in share if rows[number]) for share in shares]
        return [part for part in parts if part]

    def _settle(self, layout: Layout) -> None:
        """Note where the booster is trained, which decides it: a resumed run does the same."""
        mode = self._begun.mode
        if not mode:
            self._begun = Begun(layout.mode, self._ranks)
            self._checkpoint.record(self._begun_unit, [*astuple(self._begun)])
        elif mode != layout.mode:
            self._tell(
                f"training began as {mode!r} and goes on as {layout.mode!r}: the booster will "
                "not be quite the same"
            )

    def _tell(self, message: str) -> None:
        if message != self._told:
            self._told = message
            self._checkpoint.tell(message)

    def _recipe_for(self, layout: Layout, workers: Sequence[Worker]) -> Recipe:
        training, recipe = self._training, self._training.recipe
        if all(workers[rank].device for rank in layout.ranks):
            recipe = replace(recipe, params={**recipe.params, **training.on_device()})
        if layout.mode == "all" and training.of_all:
            of_all = {n: training.of_all[n] for n in recipe.metrics if n in training.of_all}
            recipe = replace(
                recipe,
                metrics=tuple(name for name in recipe.metrics if name not in of_all),
                scorers={**recipe.scorers, **of_all},
            )
        return recipe

    def _sample(self, places: Sequence[WorkerPlace]) -> Part:
        """Return rows of all partitions, by which every worker bins values alike."""
        collective, plan = self._collective, self._training.recipe.plan
        rows = max(1, sum(collective.rows))
        row_bytes = sum(collective.partitions.bytes_each) / rows
        share = min(1.0, _BIN_ROWS / rows, _BIN_BYTES / max(1.0, rows * row_bytes))
        found: dict[int, Part] = {}
        numbers = [one.numbers for one in places]
        states = [(own, plan, share) for own in numbers]
        for samples in collective.each(_sample_own, states, numbers=numbers):
            found |= samples
        return join([found[number] for number in sorted(found)], replace(plan, kind="regression"))

    def _train_segment(self, course: Course, team: Team, panel: Panel) -> None:
        team.begin(Begin(course.rounds, self._seed(course.rounds), course.model or None))
        end = self._schedule.segment_end(course.rounds)
        round_s: float | None = None
        while course.rounds < end and not course.stopped:
            rounds = self._schedule.rounds_at_once(course.rounds, round_s)
            started_s = time.monotonic()
            answers = team.order(Advance(rounds))
            round_s = (time.monotonic() - started_s) / rounds
            for measured in zip(*answers, strict=True):
                course.add(*panel.combine(measured))
            self._stop_early(course)
            self._checkpoint.progress(course.rounds, self._schedule.n_rounds, "rounds")
        course.model = team.ask_first(Export(course.rounds))
        packed = course.dump()
        self._checkpoint.keep_state(STATE, lambda: packed)

    def _stop_early(self, course: Course) -> None:
        patience = self._schedule.patience
        if patience is None:
            return
        names = [name for name in course.maximise if name.startswith("validation_")]
        if not names:
            raise ValueError("eval_metric names nothing that the library can measure")
        watched = f"validation_{self._training.watched}"
        name = watched if watched in names else names[-1]
        verdict = judge(course.history[name], patience, maximise=course.maximise[name])
        course.watched, course.best = name, verdict.best
        if verdict.stop is not None:
            course.cut(verdict.stop)
            course.stopped = True

    def _seed(self, rounds: int) -> int | None:
        segment = self._schedule.segment(rounds)
        if segment == 0:
            return self._training.seed
        return seed_of_segment(self._training.seed or 0, segment)


def _sample_own(holder: Any, state: Any) -> dict[int, Part]:
    numbers, plan, share = state
    return sample_parts(holder, numbers, plan, share)
