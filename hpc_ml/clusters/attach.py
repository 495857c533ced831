"""Workers of a Dask cluster that exists already; it is used and left running."""

import asyncio
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
            greet(address)
            self.client = Client(address, timeout=_CONNECT_LIMIT_S, set_as_default=False)
        except (OSError, TimeoutError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split()) or f"not within {_CONNECT_LIMIT_S} s"
            raise NoCluster(
                f"no Dask scheduler answers: {reason}",
                where=address,
                hint="check host and port, and for tls:// distributed.comm.tls in Dask's "
                "configuration",
            ) from error
        self._connected = True
        if address.startswith("tcp://"):
            self._request.tell(
                f"{address} has no TLS: whoever reaches its port can run code as its user"
            )
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


def greet(address: str, *, limit_s: float = _CONNECT_LIMIT_S) -> None:
    """Let a Dask scheduler answer once.

    A client waits for ever for what accepts its connection and says nothing. Raises OSError
    (TimeoutError is one), and TypeError where TLS is not configured.
    """
    from distributed.core import rpc
    from distributed.security import Security
    from distributed.utils import LoopRunner

    async def ask() -> None:
        connection = Security().get_connection_args("client")
        async with rpc(address, connection_args=connection, timeout=limit_s) as scheduler:
            await asyncio.wait_for(scheduler.identity(n_workers=0), limit_s)

    LoopRunner(asynchronous=False).run_sync(ask)
