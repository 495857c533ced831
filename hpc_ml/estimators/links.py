"""Sockets between the controller and the workers, for steps that are shorter than Dask's overhead.

They are as safe as the Dask traffic beside them: TLS with the same keys where Dask has TLS, and a
secret that travels over Dask alone. What crosses them is pickled, arrays out of band (PEP 574).
"""

import hmac
import pickle
import secrets
import socket
import ssl
import struct
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import cloudpickle

if TYPE_CHECKING:
    from distributed import Client, Worker

_HEAD = struct.Struct("!QI")
_SIZE = struct.Struct("!Q")
_SECRET_BYTES = 32
_NAME_BYTES = 16
_TO_CONTROLLER, _TO_WORKER = b"<", b">"
_CONNECT_LIMIT_S = 20
# A node that vanishes without a word is missed after about a minute and a half.
_KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 6}
_GIVE_UP_MS = 90_000
_JOIN_BYTES = 1 << 16

Frames = list[Any]


def pack(message: Any) -> Frames:
    """Return a message as frames that any number of links can send."""
    buffers: list[pickle.PickleBuffer] = []
    try:
        body = cloudpickle.dumps(message, protocol=5, buffer_callback=buffers.append)
        raw = [buffer.raw() for buffer in buffers]
    except BufferError:  # an array that is not contiguous travels in band
        body, raw = cloudpickle.dumps(message), []
    sizes = b"".join(_SIZE.pack(buffer.nbytes) for buffer in raw)
    return [_HEAD.pack(len(body), len(raw)) + sizes + body, *raw]


class Link:
    """A connection of two sockets, one each way: an SSL socket is no thread's but one's at a time.

    Each end receives in one thread, and sends one message at a time.
    """

    def __init__(self, incoming: socket.socket, outgoing: socket.socket) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._sending = threading.Lock()
        self._receiving = threading.Lock()
        for sock in (incoming, outgoing):
            _keep_alive(sock)

    def send(self, frames: Frames) -> None:
        """Send a packed message. Raises OSError when the other end is gone."""
        if sum(len(frame) for frame in frames) <= _JOIN_BYTES:
            frames = [b"".join(frames)]
        with self._sending:
            for frame in frames:
                self._outgoing.sendall(frame)

    def receive(self) -> Any:
        """Return the next message. Raises OSError when the other end is gone."""
        with self._receiving:
            body_bytes, count = _HEAD.unpack(_read(self._incoming, _HEAD.size))
            sizes = _read(self._incoming, _SIZE.size * count)
            body = _read(self._incoming, body_bytes)
            buffers = [_read(self._incoming, size) for (size,) in _SIZE.iter_unpack(sizes)]
        return pickle.loads(body, buffers=buffers)

    def close(self) -> None:
        """Close the connection; `receive` raises at both ends.

        No socket is closed while a thread is inside of it. OpenSSL answers the end of a
        connection with an alert, which would go to whatever file has got the number since.
        """
        for sock, used in ((self._incoming, self._receiving), (self._outgoing, self._sending)):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)  # whoever is inside is thrown out
            with used, suppress(OSError):
                sock.close()


def _keep_alive(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    with suppress(OSError, AttributeError):  # Linux's own
        for name, value in _KEEPALIVE.items():
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _GIVE_UP_MS)


def _read(sock: socket.socket, size: int) -> bytearray:
    data = bytearray(size)
    view, filled = memoryview(data), 0
    while filled < size:
        count = sock.recv_into(view[filled:])
        if not count:
            raise ConnectionResetError("the other end closed the connection")
        filled += count
    return data


class Listener:
    """Where workers connect to; on the interface that the client reaches the scheduler by."""

    def __init__(self, client: "Client") -> None:
        address = client.scheduler_comm.comm.local_address
        scheme, _, rest = address.partition("://")
        host = rest.rpartition(":")[0].strip("[]") if scheme in ("tcp", "tls") else "127.0.0.1"
        self._context: ssl.SSLContext | None = None
        if scheme == "tls":
            self._context = client.security.get_listen_args("client")["ssl_context"]
        self.secret = secrets.token_bytes(_SECRET_BYTES)
        self._halves: dict[bytes, tuple[bytes, socket.socket]] = {}
        self._pairing = threading.Lock()
        self._socket = socket.create_server(
            (host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET
        )
        self.address = (host, int(self._socket.getsockname()[1]))

    def accept(self) -> socket.socket | None:
        """Return the next socket, of whoever it is; None once closed."""
        try:
            return self._socket.accept()[0]
        except OSError:
            return None

    def admit(self, sock: socket.socket) -> Link | None:
        """Return the link that a socket completes, if it shows certificate and secret; else None.

        Takes as long as the other end lets it wait, up to 20 s: one thread for each.
        """
        try:
            sock.settimeout(_CONNECT_LIMIT_S)
            if self._context is not None:
                sock = self._context.wrap_socket(sock, server_side=True)
            secret = _read(sock, _SECRET_BYTES)
            if hmac.compare_digest(bytes(secret), self.secret):
                return self._pair(sock)
        except OSError:
            pass
        sock.close()
        return None

    def _pair(self, sock: socket.socket) -> Link | None:
        name, way = bytes(_read(sock, _NAME_BYTES)), bytes(_read(sock, 1))
        sock.settimeout(None)
        with self._pairing:
            if name not in self._halves:
                self._halves[name] = (way, sock)
                return None
            other_way, other = self._halves.pop(name)
        ways = {way: sock, other_way: other}
        return Link(incoming=ways[_TO_CONTROLLER], outgoing=ways[_TO_WORKER])

    @property
    def closed(self) -> bool:
        return self._socket.fileno() < 0

    def close(self) -> None:
        """Accept no more; a thread that waits in `accept` gets None."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for _, sock in self._halves.values():
            sock.close()


def connect(address: tuple[str, int], secret: bytes, worker: "Worker") -> Link:
    """Return a link from a worker to the controller. Raises OSError."""
    name = secrets.token_bytes(_NAME_BYTES)
    outgoing = _connect(address, secret + name + _TO_CONTROLLER, worker)
    try:
        incoming = _connect(address, secret + name + _TO_WORKER, worker)
    except OSError:
        outgoing.close()
        raise
    return Link(incoming, outgoing)


def _connect(address: tuple[str, int], greeting: bytes, worker: "Worker") -> socket.socket:
    sock = socket.create_connection(address, timeout=_CONNECT_LIMIT_S)
    try:
        if worker.address.startswith("tls://"):
            context = worker.security.get_connection_args("worker")["ssl_context"]
            sock = context.wrap_socket(sock)
        sock.sendall(greeting)
        sock.settimeout(None)
    except OSError:
        sock.close()
        raise
    return sock
