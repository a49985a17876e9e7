"""What answers like an API server: lists, and watches that bring what they are told to. Nothing can be written."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol


class Told(Protocol):
    """What it answers."""

    def listed(self, path: str) -> dict[str, Any]:
        """The JSON at the path."""

    def news(self, path: str) -> Iterator[bytes]:
        """Lines of a watch at the path, each when it is due."""


def serve(told: Told) -> int:
    """Start it in a thread, in plain HTTP; its port."""

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            if "watch=true" in query:
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for line in told.news(path):
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(line), line))
                return
            content = json.dumps(told.listed(path)).encode()
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that it has in the library
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port
