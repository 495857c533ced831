"""Which fits wait, and which of them a worker gets next."""

from collections import deque
from collections.abc import Iterable
from typing import Any

from hpc_ml.estimators.units import Unit

Route = tuple[Any, ...]


class Backlog:
    """Waiting fits in the candidates' order, but those with the same first steps on one worker.

    A worker goes on with what it began, then takes something new that is near to it, and helps
    others when nothing new is left, so that no core is idle.
    """

    def __init__(self, units: Iterable[Unit]) -> None:
        self._waiting: dict[Route, deque[Unit]] = {}
        self._begun: set[Route] = set()
        self._last: dict[str, Route] = {}
        for unit in units:
            self._waiting.setdefault(unit.route, deque()).append(unit)

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def take(self, worker: str, limit: int) -> list[Unit]:
        """Take up to `limit` fits for a worker."""
        taken: list[Unit] = []
        while self._waiting and len(taken) < limit:
            route = self._choose(worker)
            self._begun.add(route)
            self._last[worker] = route
            waiting = self._waiting[route]
            while waiting and len(taken) < limit:
                taken.append(waiting.popleft())
            if not waiting:
                del self._waiting[route]
        return taken

    def put_back(self, units: Iterable[Unit]) -> None:
        """Let fits that were taken wait again, before the others of their kind."""
        for unit in reversed(list(units)):
            self._waiting.setdefault(unit.route, deque()).appendleft(unit)

    def _choose(self, worker: str) -> Route:
        last = self._last.get(worker)
        if last in self._waiting:
            assert last is not None
            return last
        new = [route for route in self._waiting if route not in self._begun]
        if new:
            return max(new, key=lambda route: _common(route, last or ()))
        return max(self._waiting, key=lambda route: len(self._waiting[route]))


def _common(one: Route, other: Route) -> int:
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    return count
