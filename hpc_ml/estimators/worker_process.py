"""What belongs to a whole worker process while it fits: native threads and warnings.

Several threads of a process may fit at once. What is the process's own is set by the first that
comes and put back by the last that leaves.
"""

import re
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from hpc_ml.estimators.recipe import Recipe
from hpc_ml.estimators.resident import Resident

Heard = dict[tuple[str, str], list[Any]]

_NUMBER = re.compile(r"[-+]?\d[\d.]*(e[-+]?\d+)?")
_ear = threading.local()


@contextmanager
def settings(resident: Resident) -> Iterator[None]:
    """Fit inside with the controller's configuration, and as many native threads as are due."""
    from sklearn import config_context

    recipe = resident.recipe
    threads = native_threads(recipe)
    # The number of OpenMP threads belongs to each thread, that of BLAS to the process.
    with (
        _process.settings(resident, threads),
        _limit(resident.native_pools.select(user_api="openmp"), threads),
        config_context(**recipe.config),
    ):
        yield


@contextmanager
def listening() -> Iterator[Heard]:
    """Collect this thread's warnings: (category, text without its numbers) -> [text, count]."""
    heard: Heard = {}
    _ear.heard = heard
    try:
        yield heard
    finally:
        _ear.heard = None


def without_numbers(text: str) -> str:
    """Return what a warning says whatever the numbers in it."""
    return _NUMBER.sub("#", text)


def native_threads(recipe: Recipe) -> int:
    """One in a process of the workers' own; in the controller's, what its threads leave free."""
    if not recipe.at_home:
        return 1
    from dask.system import CPU_COUNT
    from distributed import get_worker

    return max(1, CPU_COUNT // get_worker().state.nthreads)


def _limit(pools: Any, threads: int) -> Any:
    """Limit native pools; those that the environment holds lower stay as they are."""
    return pools.limit(limits=min([threads, *(pool["num_threads"] for pool in pools.info())]))


class _Process:
    """What this process's batches have set, and how many of them there are."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._batches = 0
        self._held = ExitStack()
        self._filters: list[Any] = []
        self._otherwise: Any = None

    @contextmanager
    def settings(self, resident: Resident, threads: int) -> Iterator[None]:
        with self._lock:
            if not self._batches:
                self._take(resident, threads)
            self._batches += 1
        try:
            yield
        finally:
            with self._lock:
                self._batches -= 1
                if not self._batches:
                    self._held.close()

    def _take(self, resident: Resident, threads: int) -> None:
        blas = resident.native_pools.select(user_api="blas")
        self._held.enter_context(_limit(blas, threads))
        self._filters = [] if resident.recipe.at_home else resident.recipe.filters
        if not resident.recipe.at_home:
            self._held.enter_context(warnings.catch_warnings())
            warnings.resetwarnings()
            # An error raised in a thread of Dask's would end the worker; `hear` raises in fits.
            warnings.filters.extend(  # type: ignore[attr-defined]
                ("always" if entry[0] == "error" else entry[0], *entry[1:])
                for entry in self._filters
            )
        self._otherwise = warnings.showwarning
        warnings.showwarning = self.hear
        self._held.callback(self._stop_hearing)

    def _stop_hearing(self) -> None:
        if warnings.showwarning == self.hear:
            warnings.showwarning = self._otherwise

    def hear(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: Any = None,
        line: str | None = None,
    ) -> None:
        """Keep a fit's warning, or raise it where the controller's filters say so."""
        heard = getattr(_ear, "heard", None)
        if heard is None:
            self._otherwise(message, category, filename, lineno, file, line)
            return
        text = str(message)
        if self._is_error(text, category, filename, lineno):
            raise message if isinstance(message, Warning) else category(message)
        heard.setdefault((category.__name__, without_numbers(text)), [text, 0])[1] += 1

    def _is_error(self, text: str, category: type[Warning], filename: str, lineno: int) -> bool:
        for action, message, kind, module, line in self._filters:
            if (
                (message is None or re.match(message, text))
                and issubclass(category, kind)
                and (module is None or re.match(module, _module_of(filename)))
                and line in (0, lineno)
            ):
                return bool(action == "error")
        return False


_process = _Process()


def _module_of(filename: str) -> str:
    for name, module in list(sys.modules.items()):
        if getattr(module, "__file__", None) == filename:
            return name
    return filename.removesuffix(".py")
