"""The network of LightGBM's workers: its ports, and a watch that ends the wait for a lost one.

LightGBM waits for ever on a worker that has closed its connection, at full load. The watch puts
something that is no socket in the place of its sockets, which LightGBM reports as an error.
"""

import os
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import psutil

if TYPE_CHECKING:
    from hpc_ml.estimators.holder import Holder
    from hpc_ml.estimators.inputs import AnyCollective

_LOOK_EVERY_S = 0.5

_kept_ports: "WeakKeyDictionary[Holder, socket.socket]" = WeakKeyDictionary()


@contextmanager
def open_network(
    collective: "AnyCollective", ranks: Sequence[int]
) -> Iterator[list[Mapping[str, Any]]]:
    """Have the workers of these ranks each choose a free port; yield LightGBM's parameters."""
    wanted = [rank in ranks for rank in range(len(collective.workers))]
    found = collective.each(_choose_port, wanted)
    machines = ",".join("{}:{}".format(*found[rank]) for rank in ranks)
    yield [
        {
            "machines": machines,
            "num_machines": len(ranks),
            "local_listen_port": found[rank][1],
            "pre_partition": True,
        }
        for rank in ranks
    ]


def _choose_port(holder: "Holder", wanted: bool) -> tuple[str, int] | None:
    from distributed import get_worker

    if not wanted:
        return None
    host = urlsplit(get_worker().address).hostname or "127.0.0.1"
    port = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    port.bind((host, 0))
    _kept_ports[holder] = port  # until LightGBM listens there
    return host, int(port.getsockname()[1])


def release_port(holder: "Holder") -> None:
    """Let LightGBM have the port that was chosen for it."""
    port = _kept_ports.pop(holder, None)
    if port is not None:
        port.close()


class NetworkWatch:
    """Cuts LightGBM's connections as soon as the other end of one is closed.

    Parameters
    ----------
    network : mapping
        LightGBM's parameters of the network.
    """

    def __init__(self, network: Mapping[str, Any]) -> None:
        self._own_port = int(network["local_listen_port"])
        self._machines = {
            (host, int(port))
            for host, _, port in (one.rpartition(":") for one in network["machines"].split(","))
        }
        self._over = threading.Event()
        threading.Thread(target=self._look, daemon=True).start()

    def close(self) -> None:
        """Look no more: from now on connections may be closed in peace."""
        self._over.set()

    def _look(self) -> None:
        while not self._over.wait(_LOOK_EVERY_S):
            connections = self._connections()
            if any(one.status == psutil.CONN_CLOSE_WAIT for one in connections):
                for connection in connections:
                    _cut(connection.fd)
                return

    def _connections(self) -> list[Any]:
        with suppress(psutil.Error, OSError):
            return [
                one
                for one in psutil.Process().net_connections(kind="tcp4")
                if one.raddr
                and (one.laddr.port == self._own_port or tuple(one.raddr) in self._machines)
            ]
        return []


def _cut(descriptor: int) -> None:
    """Wake whoever waits on a socket, and let its number stand for no socket any more."""
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connection:
        connection.shutdown(socket.SHUT_RDWR)
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, descriptor)
        os.close(nothing)
