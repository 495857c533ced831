"""Where Dask keeps what it spills: a folder that is this user's alone.

Dask's own is /tmp/dask-scratch-space, which it also imports from (`sys.path`): whoever makes that
first could have us run their code, and anyone could read what is spilled there.
"""

import os
import tempfile
from pathlib import Path

from hpc_ml.errors import NoCluster
from hpc_ml.spec.owners import is_own_folder


def make_scratch(parent: Path | None = None) -> Path:
    """Return the folder for Dask's files on this host, made with mode 0700 where it is not there.

    Parameters
    ----------
    parent : Path, optional
        Where it lies; default Dask's `temporary-directory`, else that of TMPDIR.

    Raises
    ------
    NoCluster
        When another user made it, or it cannot be made.
    """
    path = (parent or _choose_parent()) / f"hpc-ml-{os.geteuid()}"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _refuse(path, f"cannot hold Dask's files: {error.strerror}") from error
    if not is_own_folder(path):
        raise _refuse(path, "is not a folder of yours, and Dask would import from it")
    path.chmod(0o700)
    return path


def _choose_parent() -> Path:
    import dask.config

    return Path(dask.config.get("temporary-directory", None) or tempfile.gettempdir())


def _refuse(path: Path, problem: str) -> NoCluster:
    return NoCluster(problem, where=str(path), hint="set TMPDIR to a folder of your own")
