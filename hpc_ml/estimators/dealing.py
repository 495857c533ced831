"""Independent pieces of work dealt to the workers of a `Collective`, each at its own pace.

Where `Collective.each` has all workers take one step together, here a fast worker takes more
pieces than a slow one, and of a worker that is lost only its own piece is done again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import cloudpickle

from hpc_ml.estimators.collective import Collective, WorkerPlace
from hpc_ml.estimators.dispatch import value_of
from hpc_ml.estimators.here import HereCollective
from hpc_ml.estimators.inputs import AnyCollective


@dataclass(frozen=True)
class Order:
    """One piece of work: the state that the step gets, and the partitions that it may load."""

    state: Any
    numbers: Sequence[int]


class Dealer(Protocol):
    """Knows what there is to do."""

    def next_order(self, place: WorkerPlace) -> Order | None:
        """Return the next piece for a worker that is free, or None where there is none for it."""

    def take(self, place: WorkerPlace, order: Order, answer: Any) -> None:
        """Take what the step has returned."""

    def lose(self, place: WorkerPlace, order: Order) -> None:
        """Hear that a worker was lost over a piece, which must be done again."""


def deal(collective: AnyCollective, step: Callable[[Any, Any], Any], dealer: Dealer) -> None:
    """Have every worker take ``step(holder, order.state)`` until the dealer has no more orders.

    Raises what the step or the dealer raises.
    """
    if isinstance(collective, HereCollective):
        _deal_here(collective, step, dealer)
    else:
        _deal_out(collective, step, dealer)


def _deal_here(collective: HereCollective, step: Callable[[Any, Any], Any], dealer: Dealer) -> None:
    (place,) = collective.workers
    while (order := dealer.next_order(place)) is not None:
        (answer,) = collective.each(step, [order.state])
        dealer.take(place, order, answer)


def _deal_out(collective: Collective, step: Callable[[Any, Any], Any], dealer: Dealer) -> None:
    packed = cloudpickle.dumps(step)
    dispatch = collective.dispatch
    pending: dict[int, tuple[Any, WorkerPlace, Order]] = {}
    while True:
        places = collective.workers
        busy = {member for member, _, _ in pending.values()}
        for member, place in zip(list(dispatch.members), places, strict=True):
            order = None if member in busy else dealer.next_order(place)
            if order is not None:
                call = dispatch.call(member, "each", packed, order.state, order.numbers)
                pending[call] = (member, place, order)
        if not pending:
            return
        collective.checkpoint.check()
        heard = dispatch.hear()
        if heard is None:
            continue
        if heard.message is None:
            for call in [
                call for call, (member, _, _) in pending.items() if member is heard.member
            ]:
                _, place, order = pending.pop(call)
                dealer.lose(place, order)
        elif heard.message.call in pending:
            _, place, order = pending.pop(heard.message.call)
            dealer.take(place, order, value_of(heard.message))
