"""Keeps native libraries from printing what is no news."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

_STREAMS = (1, 2)


@contextmanager
def muted() -> Iterator[None]:
    """Drop what this process prints inside the block, from below Python too."""
    kept = [os.dup(stream) for stream in _STREAMS]
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        for stream in _STREAMS:
            os.dup2(nothing, stream)
        yield
    finally:
        for stream, before in zip(_STREAMS, kept, strict=True):
            os.dup2(before, stream)
            os.close(before)
        os.close(nothing)
