"""Which first steps of a pipeline the candidates of a search have in common.

Steps are shared only where the result is provably the same: scikit-learn's own transformers
without chance in them that leave their input alone, no fit parameters for them, and scorers that
ask the pipeline for nothing but its predictions. All else is fitted whole, as scikit-learn does.
"""

import inspect
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from numbers import Number
from types import FunctionType
from typing import Any

import joblib
import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.compose import make_column_selector
from sklearn.feature_extraction import FeatureHasher
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.metrics._scorer import _BaseScorer, _MultimetricScorer, _PassthroughScorer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags

from hpc_ml.estimators.recipe import Recipe

_CHANCE = {"random_state", "rng"}


@dataclass(frozen=True)
class Prefix:
    """The first steps of a candidate's pipeline, of which others have the same.

    Parameters
    ----------
    keys : tuple of str
        For each step, what tells it and all before it from those of other candidates.
    kept : tuple of bool
        For each step, whether its rows are worth keeping for others.
    hoisted : int
        How many first steps look at each row alone, and so can take all rows at once.
    """

    keys: tuple[str, ...]
    kept: tuple[bool, ...]
    hoisted: int

    @property
    def route(self) -> tuple[str, ...]:
        """What is kept on the way, first steps first."""
        return tuple(key for key, kept in zip(self.keys, self.kept, strict=True) if kept)


def find_prefixes(recipe: Recipe, candidates: Sequence[Mapping[str, Any]]) -> list[Prefix | None]:
    """Return for each candidate the steps that it shares, None where it shares nothing."""
    if not _can_share(recipe):
        return [None] * len(candidates)
    judge = _Judge(recipe)
    chains = [judge.chain(candidate) for candidate in candidates]
    counts: Counter[str | None] = Counter(key for chain in chains for key in chain.keys)
    return [_trim(chain, counts) for chain in chains]


def _can_share(recipe: Recipe) -> bool:
    pipeline = recipe.estimator
    return (
        type(pipeline) is Pipeline
        and pipeline.memory is None
        and pipeline.transform_input is None
        and not pipeline.verbose
        and not hasattr(pipeline, "_skl_callbacks")
        and not recipe.config.get("enable_metadata_routing")
        and not get_tags(pipeline).input_tags.pairwise
        and all("__" in name for name in recipe.fit_params)
        and _sees_predictions_alone(recipe.scorer)
    )


def _sees_predictions_alone(scorer: Any) -> bool:
    if isinstance(scorer, _MultimetricScorer):
        return all(_sees_predictions_alone(part) for part in scorer._scorers.values())
    return isinstance(scorer, _BaseScorer | _PassthroughScorer) and _is_own(type(scorer))


@dataclass(frozen=True)
class _Traits:
    """What matters of a step: whether it can be shared, does nothing, and how it treats rows."""

    shareable: bool
    passes: bool = False
    rowwise: bool = False
    makes_sparse: bool = False


@dataclass
class _Chain:
    """The first steps of a candidate that can be shared.

    `first_real` counts the steps before the first that changes the rows, which need no keeping.
    """

    keys: list[str] = field(default_factory=list)
    hoisted: int = 0
    first_real: int | None = None

    def append(self, key: str, traits: _Traits) -> None:
        sparse = traits.makes_sparse or (self.hoisted > 0 and traits.rowwise)
        if sparse and self.hoisted == len(self.keys):
            self.hoisted += 1
        if not traits.passes and self.first_real is None:
            self.first_real = len(self.keys)
        self.keys.append(key)


class _Judge:
    """Judges the steps of candidates, each distinct step once."""

    def __init__(self, recipe: Recipe) -> None:
        self._steps = recipe.estimator.steps
        self._names = {name for name, _ in self._steps}
        self._with_fit_params = {name.split("__", 1)[0] for name in recipe.fit_params}
        self._judged: dict[tuple[str, str], _Traits] = {}

    def chain(self, candidate: Mapping[str, Any]) -> _Chain:
        """Return the first steps of a candidate that can be shared."""
        chain = _Chain()
        by_step: dict[str, dict[str, Any]] = {}
        for name, value in candidate.items():
            by_step.setdefault(name.split("__", 1)[0], {})[name] = value
        if not by_step.keys() <= self._names:
            return chain
        for name, step in self._steps[:-1]:
            own = by_step.get(name, {})
            try:
                own_hash = joblib.hash(sorted(own.items(), key=lambda item: item[0]))
            except Exception:
                # A parameter that cannot be pickled cannot be told from others either.
                break
            if (name, own_hash) not in self._judged:
                self._judged[name, own_hash] = self._judge(name, step, own)
            traits = self._judged[name, own_hash]
            if not traits.shareable:
                break
            chain.append(joblib.hash((chain.keys[-1:], name, own_hash)), traits)
        return chain

    def _judge(self, name: str, step: Any, own: Mapping[str, Any]) -> _Traits:
        if name in self._with_fit_params:
            return _Traits(shareable=False)
        step = own.get(name, step)
        parameters = {key.split("__", 1)[1]: own[key] for key in own if key != name}
        try:
            if parameters:
                step = clone(step).set_params(**clone(parameters, safe=False))
        except Exception:
            # The fit will say what is wrong with the parameters, as scikit-learn says it.
            return _Traits(shareable=False)
        if step is None or step == "passthrough":
            return _Traits(shareable=True, passes=True, rowwise=True)
        return _Traits(
            shareable=_is_determined(step),
            rowwise=_is_rowwise(step),
            makes_sparse=isinstance(step, HashingVectorizer | FeatureHasher),
        )


def _is_rowwise(step: Any) -> bool:
    return (
        _is_own(type(step))
        and not get_tags(step).requires_fit
        and not isinstance(step, FunctionTransformer)
        and "random_state" not in step.get_params(deep=False)
    )


def _is_determined(value: Any) -> bool:
    """Say whether an estimator or a parameter is known to give the same each time."""
    if value is None or isinstance(value, str | bytes | Number | np.generic | np.dtype | type):
        return True
    if isinstance(value, np.ndarray):
        return bool(value.dtype != object)
    if isinstance(value, list | tuple | set | frozenset):
        return all(_is_determined(part) for part in value)
    if isinstance(value, Mapping):
        return all(_is_determined(part) for part in value.values())
    if isinstance(value, slice | np.ufunc | make_column_selector):
        return True
    if isinstance(value, FunctionType):
        return _is_own(value) and not _has_chance(value)
    if not isinstance(value, BaseEstimator) or not _is_own(type(value)):
        return False
    parameters = value.get_params(deep=False)
    # What works in place changes the rows on which train scores are computed later.
    in_place = any(name.startswith("copy") and part is False for name, part in parameters.items())
    return (
        not in_place
        and not get_tags(value).non_deterministic
        and not hasattr(value, "_skl_callbacks")
        and isinstance(parameters.get("random_state", 0), int | np.integer)
        and all(_is_determined(part) for part in parameters.values())
    )


def _is_own(thing: Any) -> bool:
    """Say whether a class or function is scikit-learn's own."""
    return str(thing.__module__).startswith("sklearn.")


@cache
def _has_chance(function: Any) -> bool:
    return not _CHANCE.isdisjoint(inspect.signature(function).parameters)


def _trim(chain: _Chain, counts: Counter[str | None]) -> Prefix | None:
    """Keep rows where candidates part, and no further than where they do."""
    if chain.first_real is None:
        return None
    first = max(chain.hoisted, chain.first_real)
    following = [*chain.keys[1:], None]
    kept = [
        level >= first and counts[key] > 1 and counts[after] < counts[key]
        for level, (key, after) in enumerate(zip(chain.keys, following, strict=True))
    ]
    depth = max([chain.hoisted, *(level + 1 for level, keep in enumerate(kept) if keep)])
    return Prefix(tuple(chain.keys[:depth]), tuple(kept[:depth]), chain.hoisted) if depth else None
