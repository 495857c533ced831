"""The workers that train one booster together, from their muster until they disband."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from hpc_ml.errors import HpcMlError, WorkersLost
from hpc_ml.estimators.boosting_layout import Layout
from hpc_ml.estimators.boosting_orders import Begin, Disband, Muster, Ready, Recipe
from hpc_ml.estimators.boosting_seats import Failed, obey
from hpc_ml.estimators.collective import WorkerPlace
from hpc_ml.estimators.inputs import AnyCollective


class Team:
    """Gives orders to the workers of a layout; the others wait.

    Parameters
    ----------
    collective : Collective
    layout : Layout
        Who trains, by rank.
    places : sequence of WorkerPlace
        The workers that the layout was chosen for, by rank.
    """

    def __init__(
        self, collective: AnyCollective, layout: Layout, places: Sequence[WorkerPlace]
    ) -> None:
        self._collective = collective
        self._layout = layout
        self._addresses = [places[rank].address for rank in layout.ranks]
        self._known = {place.address for place in places}
        self._begun = False

    @property
    def outgrown(self) -> bool:
        """Whether ranks share a worker that could have those to themselves which have come."""
        if len(set(self._layout.ranks)) == len(self._layout.ranks):
            return False
        return bool({worker.address for worker in self._collective.workers} - self._known)

    def muster(
        self, recipe: Recipe, networks: Sequence[Mapping[str, Any]], bins: Any
    ) -> list[Ready]:
        """Have each rank read its rows and join the others."""
        layout = self._layout
        parts = layout.parts or (tuple(range(self._collective.n_partitions)),)
        musters = [
            Muster(
                recipe=recipe,
                mode=layout.mode,
                numbers=parts[rank],
                rank=rank,
                size=len(self._addresses),
                threads=layout.threads[rank],
                at_once=layout.at_once,
                network=networks[rank] if networks else {},
                bins=bins,
            )
            for rank in range(len(layout.ranks))
        ]
        loads: dict[str, list[int]] = {}
        for address, numbers in zip(self._addresses, parts, strict=True):
            loads.setdefault(address, []).extend(numbers)
        return self._give(musters, loads)

    def begin(self, begin: Begin) -> None:
        """Have all begin a segment; the model of the rounds before travels once."""
        self.order(replace(begin, model=None) if self._begun else begin)
        self._begun = True

    def order(self, order: Any) -> list[Any]:
        """Have all do the same; return their answers by rank."""
        return self._give([order] * len(self._addresses))

    def ask_first(self, order: Any) -> Any:
        """Have the first do something that all could do."""
        return self._give([order] + [None] * (len(self._addresses) - 1))[0]

    def disband(self) -> None:
        """Let all go that the workers made."""
        with suppress(HpcMlError):
            self.order(Disband())

    def _give(
        self, orders: Sequence[Any], loads: Mapping[str, Sequence[int]] | None = None
    ) -> list[Any]:
        """Give each rank its order; `loads` are the partitions that workers read for it."""
        by_address: dict[str, list[Any]] = {}
        for address, order in zip(self._addresses, orders, strict=True):
            by_address.setdefault(address, []).append(order)
        there = [worker.address for worker in self._collective.workers]
        if lost := set(self._addresses) - set(there):
            raise WorkersLost(f"the worker {min(lost)} was lost")
        answers = self._collective.each(
            obey,
            [by_address.get(address) for address in there],
            numbers=None if loads is None else [loads.get(address, ()) for address in there],
        )
        _raise_failures([answer for own in answers for answer in own])
        found = {address: iter(own) for address, own in zip(there, answers, strict=True)}
        return [next(found[address]) for address in self._addresses]


def _raise_failures(answers: Sequence[Any]) -> None:
    """Raise the first failure that is a worker's own, else that one was left alone."""
    failures = [answer for answer in answers if isinstance(answer, Failed)]
    for failed in failures:
        if not failed.left_alone:
            raise failed.error
    if failures:
        raise WorkersLost("a worker was lost during training") from failures[0].error
