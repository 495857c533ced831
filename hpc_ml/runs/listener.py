"""Who hears how a run goes while it goes: a terminal, a log, a notebook."""

from typing import Protocol


class Listener(Protocol):
    """Hears a run. Called from several threads; it must not raise."""

    def progress(self, done: int, total: int, unit: str) -> None:
        """Hear how far the work is; `unit` is a plural noun such as 'fits'."""

    def tell(self, message: str) -> None:
        """Hear something that the user should know, in one line."""

    def workers(self, have: int, want: int, reason: str) -> None:
        """Hear how many workers there are, and why not all of them; '' where there is no why."""


class Silence:
    """The listener that hears nothing."""

    def progress(self, done: int, total: int, unit: str) -> None:
        pass

    def tell(self, message: str) -> None:
        pass

    def workers(self, have: int, want: int, reason: str) -> None:
        pass
