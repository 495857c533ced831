"""One layer of configuration: values from one origin, and where each of them stands."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hpc_ml.errors import BadJob, HpcMlError

KeyPath = tuple[str, ...]

_LINES = 5


@dataclass(frozen=True)
class Layer:
    """Values from one origin, nested as in a job file.

    Parameters
    ----------
    origin : str
        What the layer is: ``job file search.yaml``, ``flags``.
    values : mapping
        Nested as in a job file, the task's own keys beside the common ones.
    places : mapping
        What an error names, by path of keys: ``search.yaml:12``, ``--cores``.
    notes : tuple of str
        What the user should hear of the layer, such as keys without a counterpart here.
    """

    origin: str
    values: Mapping[str, Any]
    places: Mapping[KeyPath, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def place_of(self, path: KeyPath) -> str:
        """Return the place of a key, else of the nearest around it, of one below it, the origin."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        below = (place for known, place in self.places.items() if known[: len(path)] == path)
        return next(below, self.origin)


class LayerBuilder:
    """A layer that grows word by word: flags, assignments, variables."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self._values: dict[str, Any] = {}
        self._places: dict[KeyPath, str] = {}

    def put(self, path: KeyPath, value: Any, place: str) -> None:
        """Add the value of a key; a mapping joins what is there. Raises BadJob for a second one."""
        if isinstance(value, dict) and value:
            for name, inner in value.items():
                self._put_one((*path, str(name)), inner, place)
        else:
            self._put_one(path, value, place)

    def _put_one(self, path: KeyPath, value: Any, place: str) -> None:
        for known, other in self._places.items():
            if known[: len(path)] == path[: len(known)]:
                problem = f"{'.'.join(path)} is also set by {other}"
                raise BadJob(problem, where=place, hint="leave out one of them")
        branch = self._values
        for name in path[:-1]:
            branch = branch.setdefault(name, {})
        branch[path[-1]] = value
        self._places[path] = place

    def build(self) -> Layer:
        return Layer(self.origin, self._values, self._places)


@dataclass(frozen=True)
class Complaint:
    """One thing that is wrong: the parts of an error, before it is known how many there are."""

    problem: str
    where: str | None = None
    hint: str | None = None


def refusal(complaints: Iterable[Complaint], error: type[HpcMlError] = BadJob) -> HpcMlError:
    """Return one error for all complaints, a line each; past five, their number."""
    every = list(dict.fromkeys(complaints))
    if len(every) == 1:
        return error(every[0].problem, where=every[0].where, hint=every[0].hint)
    lines = [str(error(c.problem, where=c.where, hint=c.hint)) for c in every[:_LINES]]
    if len(every) > _LINES:
        lines.append(f"(and {len(every) - _LINES} more)")
    return error("\n".join(lines))
