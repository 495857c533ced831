"""Whose a file is: what another user wrote must not decide what this one runs."""

import os
import pwd
import stat
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


def is_own_folder(path: Path) -> bool:
    """Return whether a path is a folder of this user's, and no link to one."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
