"""The kubelet's own HTTPS port: /containerLogs/NAMESPACE/POD/CONTAINER, /healthz, and what is passed on to `streams`.

Lines carry no times, so `--timestamps` and `--since` are refused. Only a client certificate of the cluster's
authority is let in, as the API server's is.
"""

import base64
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from controlplane.addresses import GATEWAY
from controlplane.kubelet.lives import Life
from controlplane.kubelet.podlife import PodLife
from controlplane.kubelet.settings import Settings
from controlplane.kubelet.status import Waiting
from controlplane.kubelet.streams import VERBS, pass_on, target
from controlplane.pki import Authority, Subject

PORT = 10250
FOLLOW_SECONDS = 0.1
_CHUNK = 1 << 16

Pods = Callable[[], Mapping[str, PodLife]]


class Refusal(RuntimeError):
    """An answer other than 200: status and text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Log:
    """One log file, whether it may still grow, and what of it is wanted (None: all)."""

    path: Path
    grows: Callable[[], bool]
    lines: int | None
    most: int | None

    def read(self) -> Iterator[bytes]:
        """The wanted part; then what is added, until it does not grow any more."""
        with self.path.open("rb") as file:
            file.seek(_offset(self.path, self.lines))
            left = self.most if self.most is not None else 1 << 62
            while left > 0:
                more = self.grows()
                data = file.read(min(_CHUNK, left))
                left -= len(data)
                yield data
                if not data and not more:
                    return
                if not data:
                    time.sleep(FOLLOW_SECONDS)


def serve(pods: Pods, settings: Settings, streams: Path | None) -> ThreadingHTTPServer:
    """Serve on the node's address in a thread of its own; without `streams` there is no exec and no port-forward."""

    class Handler(_Handler):
        known = staticmethod(pods)
        place = streams

    server = ThreadingHTTPServer((GATEWAY, PORT), Handler)
    # the handshake is done by the connection's own thread, at its first read
    context = _context(settings.kubeconfig, settings.directory)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, name="logs", daemon=True).start()
    return server


def find(pods: Mapping[str, PodLife], path: str) -> Log:
    """The log that a request's path and query name.

    Raises:
        Refusal: there is none, or the query asks for what is not kept.
    """
    url = urlsplit(path)
    query = dict(parse_qsl(url.query))
    parts = url.path.strip("/").split("/")
    if len(parts) != 4 or parts[0] != "containerLogs":
        raise Refusal(404, f"{url.path} is not served by this kubelet")
    if query.get("timestamps") == "true" or "sinceSeconds" in query or "sinceTime" in query:
        raise Refusal(400, "this kubelet keeps no times of log lines: --timestamps and --since cannot be had")
    _, namespace, name, container = parts
    pod = next((one for one in pods.values() if (one.pod.namespace, one.pod.name) == (namespace, name)), None)
    life = None if pod is None else pod.lives.get(container)
    if life is None:
        raise Refusal(400, f'container "{container}" in pod "{name}" is waiting to start: no run yet')
    return _log_of(life, f'container "{container}" in pod "{name}"', query)


def _log_of(life: Life, what: str, query: Mapping[str, str]) -> Log:
    state, last, number = life.record.state, life.record.last, life.record.restarts
    # while it waits to be started again, the run that ended is the current and the previous one
    if query.get("previous") == "true" and not (isinstance(state, Waiting) and last):
        number -= 1
    file = life.log(number)
    if not file.exists():
        reason = f": {state.reason}" if isinstance(state, Waiting) else ""
        raise Refusal(400, f"{what} has no such log{reason}")
    follow = query.get("follow") == "true"
    return Log(
        path=file,
        grows=lambda: follow and life.runs(number),
        lines=int(query["tailLines"]) if "tailLines" in query else None,
        most=int(query["limitBytes"]) if "limitBytes" in query else None,
    )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    known: Pods
    place: Path | None

    def do_POST(self) -> None:
        """`exec` and `port-forward`, which clients ask for by GET too."""
        path = urlsplit(self.path).path
        if self.place is None or path.strip("/").split("/")[0] not in VERBS:
            self._answer(404, f"{path} is not served by this kubelet".encode())
        elif (pid := target(self.known(), path)) is None:
            self._answer(404, b"the container is not running")
        else:
            pass_on(self, self.place, pid)

    def do_GET(self) -> None:
        if urlsplit(self.path).path.strip("/").split("/")[0] in VERBS:
            self.do_POST()
            return
        if self.path == "/healthz":
            self._answer(200, b"ok")
            return
        try:
            log = find(self.known(), self.path)
        except Refusal as refusal:
            self._answer(refusal.status, str(refusal).encode())
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for data in log.read():
            if data:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by http.server
        del format, args

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _context(kubeconfig: Path, directory: Path) -> ssl.SSLContext:
    cluster = json.loads(kubeconfig.read_text())["clusters"][0]["cluster"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=authority)
    context.verify_mode = ssl.CERT_REQUIRED
    pair = Authority("kubelet").server(Subject("kubelet", addresses=(GATEWAY,)))
    files = directory / "serving.crt", directory / "serving.key"
    for path, data in zip(files, (pair.certificate, pair.key), strict=True):
        path.touch(0o600)
        path.write_bytes(data)
    context.load_cert_chain(*files)
    return context


def _offset(path: Path, lines: int | None) -> int:
    """Where the last so many lines begin."""
    if lines is None:
        return 0
    data = path.read_bytes()
    kept = data.splitlines(keepends=True)[-lines:] if lines else []
    return len(data) - sum(len(line) for line in kept)
