"""Layers laid over each other, key by key; the later one wins."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hpc_ml.spec.job import Job
from hpc_ml.spec.keys import KeyPath, all_keys, declared_form, nested_model
from hpc_ml.spec.layer import Complaint, Layer, refusal
from hpc_ml.spec.model import SpecModel
from hpc_ml.spec.nearest import nearest

# Of these, the one that the later layer gives takes the other's place.
_ALTERNATIVES: dict[KeyPath, KeyPath] = {
    ("data", "path"): ("data", "name"),
    ("data", "name"): ("data", "path"),
}


@dataclass(frozen=True)
class Shape:
    """What may stand below a key.

    `keys` are those of a model. An `open` mapping, such as `params`, merges by key and takes any
    key; a value that has neither is replaced whole.
    """

    keys: Mapping[str, "Shape"] = field(default_factory=dict)
    open: bool = False


_VALUE = Shape()


@dataclass(frozen=True)
class Merged:
    """The winning values, and for each of them the layer it came from."""

    values: dict[str, Any]
    winners: Mapping[KeyPath, Layer]

    def place_of(self, path: KeyPath) -> str | None:
        """Return where the value of a key, or of one below it, was given; None: nowhere."""
        for length in range(len(path), 0, -1):
            if layer := self.winners.get(path[:length]):
                return layer.place_of(path)
        below = [key for key in self.winners if key[: len(path)] == path != ()]
        return self.winners[below[-1]].place_of(below[-1]) if below else None


def job_shape(settings_class: type[SpecModel]) -> Shape:
    """Return the shape of a job file of a task: the common keys and the task's own."""
    all_keys(settings_class)  # refuses a settings class whose keys are taken
    common = {name: shape for name, shape in _shapes(Job) if name != "settings"}
    return Shape(common | dict(_shapes(settings_class)))


def _shapes(model: type[SpecModel]) -> Iterator[tuple[str, Shape]]:
    for name, info in model.model_fields.items():
        nested = nested_model(info.annotation)
        if nested is not None:
            yield name, Shape(dict(_shapes(nested)))
        else:
            yield name, Shape(open=True) if declared_form(model, name) == "values" else _VALUE


def merge(layers: Sequence[Layer], shape: Shape) -> Merged:
    """Lay the layers over each other.

    Models and `params` merge by key; a list, and a mapping such as `grid`, is replaced whole.
    An empty key (`resources:` and nothing below) says nothing.

    Raises
    ------
    BadJob
        For the unknown keys of all layers, each with its place and the nearest known key.
    """
    leaves: dict[KeyPath, tuple[Any, Layer]] = {}
    complaints: list[Complaint] = []
    for layer in layers:
        given: dict[KeyPath, Any] = {}
        for path, value, problem in _leaves(layer.values, shape, shape, ()):
            if problem is None:
                given[path] = value
            else:
                complaints.append(Complaint(problem[0], layer.place_of(path), problem[1]))
        for path, value in given.items():
            other = _ALTERNATIVES.get(path)
            if other is not None and other not in given and value is not None:
                leaves.pop(other, None)
            leaves.pop(path, None)
            leaves[path] = (value, layer)
    if complaints:
        raise refusal(complaints)
    return Merged(
        _nest({path: value for path, (value, _) in leaves.items()}),
        {path: layer for path, (_, layer) in leaves.items()},
    )


_Problem = tuple[str, str | None]


def _leaves(
    values: Mapping[Any, Any], shape: Shape, root: Shape, path: KeyPath
) -> Iterator[tuple[KeyPath, Any, _Problem | None]]:
    """Yield path, value and problem of each key that is not taken apart any further."""
    for name, value in values.items():
        here = (*path, str(name))
        below = _VALUE if shape.open else shape.keys.get(name)
        if below is None:
            yield here, value, _unknown(here, shape, root)
        elif not (below.keys or below.open):
            yield here, value, None
        elif isinstance(value, Mapping):
            yield from _leaves(value, below, root, here)
        elif value is not None:
            yield here, value, _not_a_mapping(here, value, below)


def _unknown(path: KeyPath, shape: Shape, root: Shape) -> _Problem:
    elsewhere = [
        ".".join(known) for known in _paths(root, ()) if known[-1] == path[-1] and known != path
    ]
    hint = f"did you mean {elsewhere[0]!r}?" if elsewhere else nearest(path[-1], shape.keys)
    return f"unknown key {'.'.join(path)!r}", hint


def _not_a_mapping(path: KeyPath, value: Any, shape: Shape) -> _Problem:
    known = f" with keys of {', '.join(shape.keys)}" if shape.keys else ""
    return f"{'.'.join(path)} takes a mapping{known}, not {value!r}", None


def _paths(shape: Shape, path: KeyPath) -> Iterator[KeyPath]:
    for name, below in shape.keys.items():
        yield (*path, name)
        yield from _paths(below, (*path, name))


def _nest(leaves: Mapping[KeyPath, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for path, value in leaves.items():
        branch = nested
        for name in path[:-1]:
            branch = branch.setdefault(name, {})
        branch[path[-1]] = value
    return nested
