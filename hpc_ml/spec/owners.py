"""Whose a file is: what another user wrote must not decide what this one runs."""

import os
import pwd
from pathlib import Path


def name_other_owner(path: Path) -> str | None:
    """Return the user that a file or folder belongs to; None where it is this one, or root.

    Raises OSError.
    """
    owner = os.stat(path).st_uid
    if owner in (os.geteuid(), 0):
        return None
    try:
        return pwd.getpwuid(owner).pw_name
    except KeyError:
        return f"user {owner}"
