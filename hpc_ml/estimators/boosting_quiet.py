"""Keeps native libraries from printing what is no news."""

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_STREAMS = (1, 2)

_lock = threading.Lock()
_depth = 0
_restore = ExitStack()


@contextmanager
def muted() -> Iterator[None]:
    """Drop what this process prints inside the block, from below Python too.

    Several threads may be inside at once: the last one to leave lets the process print again.
    """
    global _depth
    with _lock:
        if _depth == 0:
            _drop_streams()
        _depth += 1
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if _depth == 0:
                _restore.close()


def _drop_streams() -> None:
    nothing = os.open(os.devnull, os.O_WRONLY)
    for stream in _STREAMS:
        kept = os.dup(stream)
        _restore.callback(os.close, kept)
        _restore.callback(os.dup2, kept, stream)
        os.dup2(nothing, stream)
    os.close(nothing)
