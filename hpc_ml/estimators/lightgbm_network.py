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

_kept_ports: "WeakKeyDictionary[Holder, dict[int, socket.socket]]" = WeakKeyDictionary()


@contextmanager
def open_network(
    collective: "AnyCollective", ranks: Sequence[int]
) -> Iterator[list[Mapping[str, Any]]]:
    """Have the workers choose a free port for each of their ranks; yield LightGBM's parameters.

    `ranks` are the workers by rank.
    """
    wanted = [ranks.count(worker) for worker in range(len(collective.workers))]
    found = [iter(ports) for ports in collective.each(_choose_ports, wanted)]
    machines = [next(found[worker]) for worker in ranks]
    yield [
        {
            "machines": ",".join(f"{host}:{port}" for host, port in machines),
            "num_machines": len(ranks),
            "local_listen_port": port,
            "pre_partition": True,
        }
        for _, port in machines
    ]


def _choose_ports(holder: "Holder", wanted: int) -> list[tuple[str, int]]:
    from distributed import get_worker

    host = urlsplit(get_worker().address).hostname or "127.0.0.1"
    kept = _kept_ports[holder] = {}  # until LightGBM listens there
    for _ in range(wanted):
        port = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        port.bind((host, 0))
        kept[int(port.getsockname()[1])] = port
    return [(host, number) for number in kept]


def release_port(holder: "Holder", network: Mapping[str, Any]) -> None:
    """Let LightGBM have the port that was chosen for it."""
    port = _kept_ports.get(holder, {}).pop(network["local_listen_port"], None)
    if port is not None:
        port.close()


class NetworkWatch:
    """Cuts this process's connections of LightGBM as soon as the other end of one is closed.

    Parameters
    ----------
    network : mapping
        LightGBM's parameters of the network.
    """

    def __init__(self, network: Mapping[str, Any]) -> None:
        self._network = network
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look no more: from now on connections may be closed in peace."""
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(_LOOK_EVERY_S):
            connections = _find_connections(self._network)
            if any(one.status == psutil.CONN_CLOSE_WAIT for one in connections):
                return _cut(connections)


def cut_network(network: Mapping[str, Any]) -> None:
    """Let none of this process's ranks wait for another any more."""
    _cut(_find_connections(network))


def _find_connections(network: Mapping[str, Any]) -> list[Any]:
    machines = {
        (host, int(port))
        for host, _, port in (one.rpartition(":") for one in network["machines"].split(","))
    }
    with suppress(psutil.Error, OSError):
        return [
            one
            for one in psutil.Process().net_connections(kind="tcp4")
            if one.raddr and {tuple(one.laddr), tuple(one.raddr)} & machines
        ]
    return []


def _cut(connections: Sequence[Any]) -> None:
    """Wake whoever waits on a socket, and let its number stand for no socket any more."""
    for one in connections:
        with suppress(OSError), socket.socket(fileno=os.dup(one.fd)) as connection:
            connection.shutdown(socket.SHUT_RDWR)
            nothing = os.open(os.devnull, os.O_RDWR)
            os.dup2(nothing, one.fd)
            os.close(nothing)
