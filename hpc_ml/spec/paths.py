"""Paths as users type them."""

import os
from pathlib import Path


def expand_home(path: str | Path) -> Path:
    """Return a path whose `~` is expanded as a shell does it: left alone where nobody is meant.

    `Path.expanduser` raises RuntimeError there.
    """
    return Path(os.path.expanduser(path))
