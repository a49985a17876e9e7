"""`kubectl exec` and `kubectl port-forward`: passed on to a program that speaks their protocols, by a Unix socket.

Which process a request is about is decided here; the program only enters its namespaces.
"""

import contextlib
import select
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from controlplane.kubelet.podlife import PodLife

VERBS = ("exec", "portForward")
PID_HEADER = "X-Target-Pid"
START_SECONDS = 60.0
_CHUNK = 1 << 16
_DROPPED = frozenset({PID_HEADER.lower()})


@contextlib.contextmanager
def streaming(program: Path, directory: Path) -> Iterator[Path]:
    """The socket of the running program, which ends with the block."""
    place = directory / "streams.sock"
    place.unlink(missing_ok=True)
    process = subprocess.Popen([str(program), str(place)], stdin=subprocess.DEVNULL)
    try:
        end = time.monotonic() + START_SECONDS
        while not place.exists():
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{program.name} did not open {place}")
            time.sleep(0.02)
        yield place
    finally:
        process.kill()
        process.wait()


def target(pods: Mapping[str, PodLife], path: str) -> int | None:
    """The process that /exec/NAMESPACE/POD/CONTAINER or /portForward/NAMESPACE/POD is about; None without one."""
    verb, namespace, name, *container = path.strip("/").split("/")
    pod = next((one for one in pods.values() if (one.pod.namespace, one.pod.name) == (namespace, name)), None)
    if pod is None:
        return None
    named = container if verb == "exec" else pod.lives
    lives = [pod.lives[one] for one in named if one in pod.lives]
    return next((pid for life in lives if (pid := life.pid()) is not None), None)


def pass_on(handler: BaseHTTPRequestHandler, place: Path, pid: int) -> None:
    """Hand the request to the program and carry bytes both ways until one side ends."""
    with socket.socket(socket.AF_UNIX) as program:
        program.connect(str(place))
        lines = [f"{name}: {value}" for name, value in handler.headers.items() if name.lower() not in _DROPPED]
        head = [handler.requestline, *lines, f"{PID_HEADER}: {pid}", "", ""]
        program.sendall("\r\n".join(head).encode("latin-1"))
        handler.close_connection = True
        _carry(handler.connection, program)


def _carry(caller: socket.socket, program: socket.socket) -> None:
    """One thread for both directions: a TLS connection may not be read and written by two at once."""
    while True:
        waiting = getattr(caller, "pending", int)() > 0
        ready = [caller] if waiting else select.select([caller, program], [], [])[0]
        for one in ready:
            try:
                data = _read(one)
                if data is None:
                    continue
                (program if one is caller else caller).sendall(data)
            except OSError:
                return
            if not data:
                return


def _read(one: socket.socket) -> bytes | None:
    """What is there; None when that is no data yet, as with TLS's own records."""
    one.setblocking(False)
    try:
        return one.recv(_CHUNK)
    except (ssl.SSLWantReadError, BlockingIOError):
        return None
    finally:
        one.setblocking(True)
