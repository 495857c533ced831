"""Workers of a Dask cluster that exists already; it is used and left running."""

import time
from typing import TYPE_CHECKING

from hpc_ml.clusters.base import Cluster, ClusterRequest, Workers
from hpc_ml.errors import NoCluster, WorkersLost

if TYPE_CHECKING:
    from distributed import Client

_CONNECT_LIMIT_S = 10
_COUNT_EVERY_S = 3


class AttachedWorkers(Cluster):
    """A client of the scheduler at `--on tcp://HOST:PORT` or `--on tls://HOST:PORT`."""

    def __init__(self, request: ClusterRequest) -> None:
        self._request = request
        self._connected = False
        self._have = 0
        self._counted_s = 0.0
        self.client: Client

    def open(self) -> None:
        from distributed import Client

        address = self._request.job.on
        try:
            # Certificates for tls:// are those of Dask's own configuration (distributed.comm.tls).
            self.client = Client(address, timeout=_CONNECT_LIMIT_S, set_as_default=False)
        except (OSError, TimeoutError, TypeError, ValueError) as error:
            raise NoCluster(
                f"no Dask scheduler answers: {' '.join(str(error).split())}",
                where=address,
                hint="check host and port, and for tls:// distributed.comm.tls in Dask's "
                "configuration",
            ) from error
        self._connected = True
        self.check()

    def check(self) -> None:
        where = self._request.job.on
        if self.client.status != "running":
            raise WorkersLost("the Dask scheduler left", where=where)
        if time.monotonic() - self._counted_s > _COUNT_EVERY_S:
            self._have = len(self.client.nthreads())
            self._counted_s = time.monotonic()
            if not self._have:
                raise WorkersLost("the Dask cluster has no workers", where=where)

    def workers(self) -> Workers:
        return Workers(self._have, self._have)

    def close(self, *, at_once: bool = False) -> None:
        if self._connected:
            self._connected = False
            self.client.close(timeout=5)
