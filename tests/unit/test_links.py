"""A link that is closed writes nowhere else."""

import os
import socket
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from distributed.security import Security

from hpc_ml.estimators.links import Link, pack


@pytest.fixture(scope="module")
def security() -> Security:
    return Security.temporary()


def connect(security: Security) -> tuple[socket.socket, socket.socket]:
    """Return both ends of a connection with TLS."""
    ends: dict[str, socket.socket] = {}
    one, other = socket.socketpair(socket.AF_UNIX)
    listening = security.get_listen_args("client")["ssl_context"]
    greeter = threading.Thread(
        target=lambda: ends.update(server=listening.wrap_socket(one, server_side=True))
    )
    greeter.start()
    ends["client"] = security.get_connection_args("client")["ssl_context"].wrap_socket(other)
    greeter.join()
    return ends["client"], ends["server"]


def test_the_end_of_a_link_goes_to_no_file(
    security: Security, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpc_ml.estimators.links._keep_alive", lambda sock: None)
    for attempt in range(30):
        (to_worker, from_controller), (to_controller, from_worker) = (
            connect(security), connect(security),
        )  # fmt: skip
        here, there = Link(from_worker, to_worker), Link(from_controller, to_controller)
        there.send(pack("hello"))
        assert here.receive() == "hello"
        reading = threading.Event()

        def read(link: Link = here, reading: threading.Event = reading) -> None:
            reading.set()
            with suppress(OSError):
                link.receive()

        reader = threading.Thread(target=read)
        reader.start()
        reading.wait()
        here.close()
        # The first of these gets the lowest number that is free: those of the sockets.
        files = [os.open(tmp_path / f"{attempt}-{n}", os.O_CREAT | os.O_RDWR) for n in range(4)]
        reader.join()
        there.close()
        sizes = [os.fstat(file).st_size for file in files]
        for file in files:
            os.close(file)
        assert sizes == [0] * 4
