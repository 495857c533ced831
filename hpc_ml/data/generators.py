"""Calls of scikit-learn's generators, written as text: parsed, never evaluated."""

import ast
import inspect
import operator
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hpc_ml.errors import BadData
from hpc_ml.spec.nearest import nearest

GENERATORS = (
    "make_blobs",
    "make_circles",
    "make_classification",
    "make_friedman1",
    "make_friedman2",
    "make_friedman3",
    "make_gaussian_quantiles",
    "make_hastie_10_2",
    "make_moons",
    "make_regression",
    "make_s_curve",
    "make_sparse_uncorrelated",
    "make_swiss_roll",
)
# These change what a generator returns, which must stay X and y.
_FIXED = ("coef", "return_centers", "return_X_y")
_LONGEST_CALL = 2_000
_FEW_ROWS = 100
_EXAMPLE = "write it as make_classification(n_samples=1000, random_state=0)"


@dataclass(frozen=True)
class GeneratorCall:
    """A generator and its keyword arguments, `random_state` among them."""

    name: str
    arguments: Mapping[str, Any]

    def __str__(self) -> str:
        words = ", ".join(f"{key}={value!r}" for key, value in sorted(self.arguments.items()))
        return f"{self.name}({words})"


def parse_call(text: str, seed: int) -> GeneratorCall:
    """Return the generator call that `text` spells; `seed` fills an unset random_state.

    Raises BadData for anything but a known generator with literal keyword arguments.
    """
    tree = _parse(text)
    if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name):
        raise BadData(f"{text!r} is not a generator call", where="data.name", hint=_EXAMPLE)
    name = tree.func.id
    if name not in GENERATORS:
        raise BadData(
            f"no generator is called {name!r}", where="data.name", hint=nearest(name, GENERATORS)
        )
    if tree.args:
        raise BadData(f"{name} takes arguments by name only", where="data.name", hint=_EXAMPLE)
    arguments = {keyword.arg or "**": _literal(name, keyword) for keyword in tree.keywords}
    if len(arguments) < len(tree.keywords):
        raise BadData(f"{name} has an argument twice", where="data.name", hint=_EXAMPLE)
    _check_arguments(name, arguments)
    if arguments.get("random_state") is None:
        arguments["random_state"] = seed
    return GeneratorCall(name, arguments)


def _parse(text: str) -> ast.expr:
    if len(text) > _LONGEST_CALL:
        raise BadData(
            f"a generator call of {len(text)} characters", where="data.name", hint=_EXAMPLE
        )
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise BadData(
            f"{text!r} is not a generator call", where="data.name", hint=_EXAMPLE
        ) from None


def _literal(name: str, keyword: ast.keyword) -> Any:
    try:
        return ast.literal_eval(keyword.value)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        raise BadData(
            f"argument {keyword.arg or '**'!r} of {name} is not a plain value",
            where="data.name",
            hint="use numbers, text, true or false words of Python, and lists of them",
        ) from None


def _signature(name: str) -> Mapping[str, inspect.Parameter]:
    import sklearn.datasets

    return inspect.signature(getattr(sklearn.datasets, name)).parameters


def _check_arguments(name: str, arguments: Mapping[str, Any]) -> None:
    known = [word for word in _signature(name) if word not in _FIXED]
    for argument in arguments:
        if argument not in known:
            raise BadData(
                f"{name} has no argument {argument!r}",
                where="data.name",
                hint=nearest(argument, known),
            )


def count_rows(call: GeneratorCall) -> int:
    """Return how many rows a call makes. Raises BadData where that is no number."""
    asked = argument(call, "n_samples")
    try:
        return sum(asked) if isinstance(asked, list | tuple) else operator.index(asked)
    except TypeError:
        raise BadData(f"{call}: n_samples must be a whole number", where="data.name") from None


def small_call(call: GeneratorCall) -> GeneratorCall:
    """Return the call for a few rows only, with all of its other words."""
    asked = argument(call, "n_samples")
    several = isinstance(asked, list | tuple)
    few = [min(_FEW_ROWS, count) for count in asked] if several else min(_FEW_ROWS, asked)
    if isinstance(asked, tuple):
        few = tuple(few)
    return replace(call, arguments={**call.arguments, "n_samples": few})


def argument(call: GeneratorCall, name: str) -> Any:
    """Return an argument of a call, or its default, or None where there is none."""
    parameter = _signature(call.name).get(name)
    return call.arguments.get(name, parameter.default if parameter is not None else None)


def generate(call: GeneratorCall) -> tuple[Any, Any]:
    """Return X (rows x features, float64) and y (rows). Raises BadData where it cannot be made."""
    import sklearn.datasets

    try:
        X, y = getattr(sklearn.datasets, call.name)(**call.arguments)
    except MemoryError:
        raise BadData(f"{call} does not fit into memory", where="data.name") from None
    except (ValueError, TypeError, IndexError, OverflowError, ZeroDivisionError) as error:
        raise BadData(f"{call}: {' '.join(str(error).split())}", where="data.name") from None
    return X, y
