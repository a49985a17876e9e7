"""Probes and metrics over plain HTTP: a few connections at a time, whoever calls. What they say is not known here."""

import contextlib
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

MOST_CONNECTIONS = 16
"""Connections at a time, each with a thread. When there is one more, the oldest is closed: a probe takes no time."""

SECONDS = 5.0
"""How long the next bytes of a request may take."""


@dataclass(frozen=True, slots=True)
class Page:
    """What a path answers."""

    status: int
    content: bytes = b""
    kind: str = "text/plain; charset=utf-8"


Pages = Mapping[str, Callable[[], Page]]


def metrics() -> Page:
    """All metrics of this process, as Prometheus reads them."""
    return Page(200, generate_latest(), CONTENT_TYPE_LATEST)


class PageServer(ThreadingHTTPServer):
    """Answers GET on these paths, each computed when it is asked for, in threads of its own until the process ends."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int, pages: Pages) -> None:
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()

        class Handler(_Handler):
            known = pages

        super().__init__(("", port), Handler)

    def start(self, name: str) -> None:
        """Begin to answer, in a thread of this name."""
        threading.Thread(target=self.serve_forever, name=name, daemon=True).start()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer one connection, at the expense of the oldest when there are too many."""
        with self._lock:
            oldest = self._open.pop(0) if len(self._open) >= MOST_CONNECTIONS else None
            self._open.append(request)
        if oldest is not None:
            with contextlib.suppress(OSError):
                oldest.shutdown(socket.SHUT_RDWR)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """End one connection."""
        with self._lock, contextlib.suppress(ValueError):
            self._open.remove(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, or was sent away, is no news."""


class _Handler(BaseHTTPRequestHandler):
    timeout = SECONDS
    known: Pages

    def do_GET(self) -> None:
        page = self.known.get(self.path.partition("?")[0], lambda: Page(404))()
        self.send_response(page.status)
        self.send_header("Content-Type", page.kind)
        self.send_header("Content-Length", str(len(page.content)))
        self.end_headers()
        self.wfile.write(page.content)

    def log_message(self, *args: object) -> None:
        """Probes are not news."""
