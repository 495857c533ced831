"""The keys of one run: all Dask traffic is TLS, because any user of a host reaches its loopback."""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hpc_ml.runs.atomic import explain_write_failure
from hpc_ml.runs.layout import RunLayout

if TYPE_CHECKING:
    from distributed.security import Security


def create_keys(layout: RunLayout) -> "Security":
    """Make a certificate of the run's own, readable by the user alone, and return its use.

    Whoever holds the key may join: scheduler, workers and client all show the same certificate,
    and none of them talks without one. Raises TaskFailed when they cannot be written.
    """
    from distributed.security import Security

    temporary = Security.temporary()
    try:
        layout.tls.mkdir(mode=0o700, exist_ok=True)
        _write_private(layout.tls_ca_file, temporary.tls_ca_file)
        _write_private(layout.tls_cert_file, temporary.tls_worker_cert)
        _write_private(layout.tls_key_file, temporary.tls_worker_key)
    except OSError as error:
        remove_keys(layout)
        raise explain_write_failure(layout.tls, error) from error
    return run_security(layout)


def run_security(layout: RunLayout) -> "Security":
    """Return the security of a run whose keys exist."""
    from distributed.security import Security

    cert, key = str(layout.tls_cert_file), str(layout.tls_key_file)
    return Security(
        require_encryption=True,
        tls_ca_file=str(layout.tls_ca_file),
        tls_client_cert=cert, tls_client_key=key,
        tls_scheduler_cert=cert, tls_scheduler_key=key,
        tls_worker_cert=cert, tls_worker_key=key,
    )  # fmt: skip


def remove_keys(layout: RunLayout) -> None:
    """Remove the keys and the address that they open."""
    shutil.rmtree(layout.tls, ignore_errors=True)
    with suppress(OSError):  # of a disk that was made read-only
        layout.scheduler_file.unlink(missing_ok=True)


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
