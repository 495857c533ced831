"""What a search calls with candidates: it splits, sends, and forms the results."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
from sklearn.metrics._scorer import _MultimetricScorer
from sklearn.model_selection._validation import (
    _insert_error_scores,
    _warn_or_raise_about_fit_failures,
)

from hpc_ml.errors import TaskFailed
from hpc_ml.estimators.engine import MORE_MEMORY, Engine
from hpc_ml.estimators.outcomes import (
    Record,
    is_finished,
    list_failures,
    make_failure,
    read_record,
)
from hpc_ml.estimators.prefixes import find_prefixes
from hpc_ml.estimators.recipe import Recipe
from hpc_ml.estimators.rounds import Round
from hpc_ml.estimators.sharing import Fold
from hpc_ml.estimators.surroundings import current_checkpoint
from hpc_ml.estimators.units import Folds, Unit

if TYPE_CHECKING:
    from hpc_ml.estimators.search import DistributedSearch


class Evaluation:
    """What a search calls with candidates, once or once an iteration."""

    def __init__(
        self,
        search: "DistributedSearch",
        engine: Engine,
        recipe: Recipe,
        split: Callable[[Any], Iterable[tuple[Any, Any]]],
    ) -> None:
        self._search = search
        self._engine = engine
        self._recipe = recipe
        self._split = split
        self._checkpoint = current_checkpoint()
        self._iteration = 0
        self._more: dict[str, list[Any]] = defaultdict(list)
        self._candidates: list[Mapping[str, Any]] = []
        self._done = self._total = self._expected = 0
        self.outcomes: list[dict[str, Any]] = []
        self.records: list[Record] = []
        self.results: dict[str, Any] = {}

    @property
    def n_threads(self) -> int:
        """How many fits the workers can do at once."""
        return sum(self._engine.roster.threads().values())

    def __call__(
        self,
        candidate_params: Iterable[Mapping[str, Any]],
        cv: Any = None,
        more_results: Mapping[str, Sequence[Any]] | None = None,
        callback_ctx: Any = None,
    ) -> dict[str, Any]:
        """Fit and score candidates on every fold; return all results so far."""
        search, candidates = self._search, list(candidate_params)
        folds = self._make_folds(cv or search._checked_cv_orig)
        if search.verbose > 0:
            print(
                f"Fitting {len(folds)} folds for each of {len(candidates)} candidates,"
                f" totalling {len(folds) * len(candidates)} fits"
            )
        if not candidates or not folds:
            raise ValueError(
                "No fits were performed. Was the CV iterator empty? Were there no candidates?"
            )
        records = self._run(candidates, folds)
        self._keep(candidates, records)
        for key, values in (more_results or {}).items():
            self._more[key].extend(values)
        self._iteration += 1
        self.results = search._format_results(
            self._candidates, search.n_splits_, self.outcomes, self._more
        )
        return self.results

    def expect(self, candidates: int) -> None:
        """Hear how many candidates there will be over all iterations, and report."""
        self._expected = candidates * self._search.n_splits_
        self._report()

    def _report(self) -> None:
        self._checkpoint.progress(self._done, max(self._total, self._expected), "fits")

    def judge_failures(self) -> None:
        """Warn of all fits that failed. Raises ValueError where all did."""
        _warn_or_raise_about_fit_failures(self.outcomes, self._search.error_score)

    def _keep(self, candidates: Sequence[Mapping[str, Any]], records: Sequence[Record]) -> None:
        search = self._search
        outcomes = [read_record(record, search.return_train_score) for record in records]
        if not search._judged_at_the_end:
            _warn_or_raise_about_fit_failures(outcomes, search.error_score)
        if callable(search.scoring):
            _insert_error_scores(outcomes, search.error_score)
        self._candidates.extend(candidates)
        self.outcomes.extend(outcomes)
        self.records.extend(records)

    def _make_folds(self, cv: Any) -> list[Fold]:
        splits = list(self._split(cv))
        if len(splits) != self._search.n_splits_:
            raise ValueError(
                "cv.split and cv.get_n_splits return inconsistent results. "
                f"Expected {self._search.n_splits_} splits, got {len(splits)}"
            )
        return [_make_fold(np.asarray(train), np.asarray(test)) for train, test in splits]

    def _run(self, candidates: Sequence[Mapping[str, Any]], folds: Sequence[Fold]) -> list[Record]:
        """Return the records of all fits, those of the checkpoint included."""
        units = self._make_units(candidates, folds)
        finished = self._checkpoint.finished()
        records: dict[str, Record] = {}
        for unit in units:
            record = finished.get(unit.key)
            if record and is_finished(record, unit.of, self._search.return_train_score):
                records[unit.key] = record
        self._total += len(units)
        self._done += len(records)
        self._report()

        def finish(unit: Unit, record: Record) -> None:
            records[unit.key] = record
            self._checkpoint.record(unit.key, record)
            self._done += 1
            self._report()

        waiting = [unit for unit in units if unit.key not in records]
        if waiting:
            survived = bool(records or self.records)
            Round(self._engine, waiting, Folds(folds), finish, self._bury, survived).run()
        for unit in units:
            row = len(self._candidates) + unit.candidate
            self._search.failures_ += list_failures(row, unit.fold, records[unit.key])
        return [records[unit.key] for unit in units]

    def _make_units(
        self, candidates: Sequence[Mapping[str, Any]], folds: Sequence[Fold]
    ) -> list[Unit]:
        prefixes = find_prefixes(self._recipe, candidates)
        hashes = [_hash(candidate) for candidate in candidates]
        return [
            Unit(
                key=f"{self._iteration}/{candidate}/{fold}",
                candidate=candidate,
                fold=fold,
                parameters=candidates[candidate],
                prefix=prefixes[candidate],
                of=f"{hashes[candidate]}:{folds[fold].key}",
            )
            for candidate, fold in product(range(len(candidates)), range(len(folds)))
        ]

    def _bury(self, unit: Unit, reason: str) -> Record:
        error_score, scorer = self._search.error_score, self._recipe.scorer
        if error_score == "raise":
            raise TaskFailed(
                f"candidate {unit.candidate} on fold {unit.fold}: {reason}",
                where=str(dict(unit.parameters)),
                hint=MORE_MEMORY,
            )
        metrics = list(scorer._scorers) if isinstance(scorer, _MultimetricScorer) else None
        return make_failure(reason, error_score, metrics, unit.of)


def _make_fold(train: np.ndarray, test: np.ndarray) -> Fold:
    digest = hashlib.blake2b(train.tobytes(), digest_size=8)
    digest.update(test.tobytes())
    return Fold(digest.hexdigest(), train, test)


def _hash(candidate: Mapping[str, Any]) -> str:
    try:
        return str(joblib.hash(sorted(candidate.items(), key=lambda item: item[0])))[:16]
    except Exception:
        # What cannot be pickled, such as a lambda, is known by its name alone.
        return str(joblib.hash(sorted(candidate)))[:16]
