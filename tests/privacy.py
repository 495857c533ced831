"""What another user of the host can do to a run: nothing."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

NOBODY = 65534

# Reads keys while it is root, then becomes nobody, and tries every door.
STRANGER = """
import encodings.idna, encodings.latin_1, json, os, socket, ssl, sys
told = json.loads(sys.argv[1])
contexts = {}
for name, pair in told["keys"].items():
    context = contexts[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if pair:
        context.load_cert_chain(*pair)
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(told["user"]); os.setuid(told["user"])

def knock(door, context):
    try:
        with socket.create_connection(door, timeout=10) as sock:
            sock = context.wrap_socket(sock) if context else sock
            sock.sendall(b"GET /info HTTP/1.0\\r\\nX: " + b"x" * 64 + b"\\r\\n\\r\\n")
            return sock.recv(64).decode("latin-1")
    except OSError as error:
        return f"refused: {error}"

def try_keys(door):
    heard = {"plain": knock(door, None)}
    if not heard["plain"].startswith("HTTP/"):  # which waits long for the rest of a TLS greeting
        heard |= {name: knock(door, context) for name, context in contexts.items()}
    return heard

def read(path):
    try:
        return sorted(os.listdir(path)) if os.path.isdir(path) else open(path, "rb").read(10).hex()
    except PermissionError as error:
        return "refused"

print(json.dumps({
    "doors": {str(door[1]): try_keys(door) for door in map(tuple, told["doors"])},
    "files": {path: read(path) for path in told["files"]},
}))
"""


def send_stranger(
    *,
    doors: Sequence[tuple[str, int]] = (),
    files: Sequence[Path] = (),
    keys: Mapping[str, Sequence[Path]] | None = None,
) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """Return what nobody hears at each port, by the keys shown there, and reads of each file."""
    told = {
        "user": NOBODY,
        "doors": doors,
        "files": [str(path) for path in files],
        "keys": {name: [str(path) for path in pair] for name, pair in (keys or {}).items()},
    }
    done = subprocess.run(
        [sys.executable, "-c", STRANGER, json.dumps(told)],
        capture_output=True, text=True, timeout=240, check=False, cwd="/",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    return answer["doors"], answer["files"]


def list_doors(process_id: int) -> list[tuple[str, int]]:
    """Return the addresses that a process and its children listen on."""
    top = psutil.Process(process_id)
    found = set()
    for process in [top, *top.children(recursive=True)]:
        for one in process.net_connections(kind="tcp"):
            if one.status == psutil.CONN_LISTEN:
                found.add((one.laddr.ip, one.laddr.port))
    return sorted(found)


def assert_private(run_dir: Path) -> None:
    """Assert that all of a run is its user's alone, and that no key of it is left."""
    open_to_others = [
        f"{path} {stat.filemode(mode)}"
        for path in walk(run_dir)
        if (mode := path.lstat().st_mode) & 0o077
    ]
    assert not open_to_others
    assert not [path for path in walk(run_dir) if path.suffix == ".pem"]


def walk(folder: Path) -> Iterator[Path]:
    yield folder
    for place, folders, files in os.walk(folder):
        yield from (Path(place) / name for name in [*folders, *files])
