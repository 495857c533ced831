"""A worker's ranks in the training of a booster, and how they obey the controller.

Both libraries know their network by the thread, so every rank of a worker keeps to one of its own.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from distributed.threadpoolexecutor import ThreadPoolExecutor

from hpc_ml.estimators.boosting_orders import Advance, Begin, Disband, Export, Muster, Trainer

if TYPE_CHECKING:
    from hpc_ml.estimators.holder import Holder


@dataclass(frozen=True)
class Failed:
    """Why a rank did not do as it was told; `left_alone` where another had gone before."""

    error: Exception
    left_alone: bool


def obey(holder: "Holder", orders: Sequence[Any] | None) -> list[Any]:
    """Do as the controller says, an order for each rank; a step of `Collective.each`.

    None, for a rank or for the worker, has it wait.
    """
    if not orders:
        return []
    match orders[0]:
        case Muster():
            _vacate(holder)
            _seats[holder] = _Seats(holder, orders)
        case Disband():
            _vacate(holder)
    if (seats := _seats.get(holder)) is None:
        return [None] * len(orders)
    answers = seats.give(orders)
    if any(isinstance(answer, Failed) for answer in answers):
        # The ranks of other workers wait for messages until the sockets of this one are closed.
        _vacate(holder)
    return answers


_seats: "WeakKeyDictionary[Holder, _Seats]" = WeakKeyDictionary()


def _vacate(holder: "Holder") -> None:
    if (seats := _seats.pop(holder, None)) is not None:
        seats.close()


class _Seats:
    """All ranks of a worker."""

    def __init__(self, holder: "Holder", musters: Sequence[Muster]) -> None:
        first = musters[0]
        self._resources = ExitStack()
        if not first.at_once:
            held = (holder.numbers, holder.rank, holder.size)
            holder.assign((), holder.rank, holder.size)
            self._resources.callback(holder.assign, *held)
        self._seats = [_Seat(holder, threaded=number > 0) for number in range(len(musters))]
        self._resources.callback(self._close_seats)
        self._resources.enter_context(first.recipe.trainer.watch(first.network))

    def give(self, orders: Sequence[Any]) -> list[Any]:
        """Give each rank its order; all obey at the same time."""
        work = [partial(seat.obey, order) for seat, order in zip(self._seats, orders, strict=True)]
        return self._do_all(work)

    def close(self) -> None:
        """Let all go that they have."""
        self._resources.close()

    def _close_seats(self) -> None:
        # At the same time, since some wait for the others as they leave.
        self._do_all([seat.dismiss for seat in self._seats])
        for seat in self._seats:
            seat.close()

    def _do_all(self, work: Sequence[Callable[[], Any]]) -> list[Any]:
        """Have each seat do its work; the first does it in this thread, while the others do."""
        begun = [seat.start(own) for seat, own in zip(self._seats, work, strict=True)]
        return [answer() for answer in begun]


class _Seat:
    """A rank, and its trainer from its muster until it is dismissed."""

    def __init__(self, holder: "Holder", *, threaded: bool) -> None:
        self._holder = holder
        self._trainer: Trainer | None = None
        # Dask's, since the interpreter does not wait for its threads when it ends.
        self._thread = ThreadPoolExecutor(1) if threaded else None

    def start(self, work: Callable[[], Any]) -> Callable[[], Any]:
        """Begin with work in the seat's thread; what is returned waits for what comes of it.

        Without a thread of its own the work is done by whoever waits.
        """
        if self._thread is None:
            return work
        # With the caller's context, in which Dask tells which worker it is.
        found: Future[Any] = self._thread.submit(copy_context().run, work)
        return found.result

    def obey(self, order: Any) -> Any:
        """Do as the controller says; None has the rank wait."""
        try:
            return self._do(order)
        except Exception as error:
            left_alone = self._trainer is not None and self._trainer.is_left_alone(error)
            return Failed(error, left_alone)

    def dismiss(self) -> None:
        """Let the trainer go."""
        trainer, self._trainer = self._trainer, None
        if trainer is not None:
            with suppress(Exception):
                trainer.close()

    def close(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._thread.shutdown(wait=False)

    def _do(self, order: Any) -> Any:
        if isinstance(order, Muster):
            self._trainer = order.recipe.trainer(self._holder, order)
            return self._trainer.ready()
        if order is None or self._trainer is None:
            return None
        match order:
            case Begin():
                return self._trainer.begin(order)
            case Advance():
                return self._trainer.advance(order.rounds)
            case Export():
                return self._trainer.export(order.rounds)
