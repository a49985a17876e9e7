"""A web proxy on loopback that takes CONNECT, and behind it, whatever is asked for, a stand-in for Google over TLS."""

import socket
import threading
from base64 import b64decode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from cloudsql_emulator.certificates import InstanceCertificates

NAMES = ("sqladmin.googleapis.com", "oauth2.googleapis.com", "iamcredentials.googleapis.com")


class WebProxy:
    """Keeps who asked for what; lets those through who show `USER:PASSWORD`, everybody where that is ""."""

    def __init__(self, google: str, userinfo: str = "") -> None:
        self.asked: list[tuple[str, str]] = []
        """What was asked for, as `CONNECT HOST:PORT`, and the credentials shown."""
        self.certificates = InstanceCertificates("acme-prod", "google", NAMES)
        proxy, to = self, urlsplit(google)

        class Handler(BaseHTTPRequestHandler):
            def do_CONNECT(self) -> None:
                shown = b64decode(self.headers.get("Proxy-Authorization", "").removeprefix("Basic ")).decode()
                proxy.asked.append((f"{self.command} {self.path}", shown))
                if userinfo and shown != userinfo:
                    self.send_error(407)
                    return
                self.send_response(200)
                self.end_headers()
                with proxy.certificates.direct_context.wrap_socket(self.connection, server_side=True) as secured:
                    _relay(secured, socket.create_connection((to.hostname or "", to.port or 0)))

            def do_GET(self) -> None:
                proxy.asked.append((f"{self.command} {self.path}", ""))
                self.send_error(403)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def trusted_in(self, directory: Path) -> str:
        """A file of authorities by which what is behind it is trusted."""
        store = directory / "authorities.pem"
        store.write_text(self.certificates.server_ca_pem)
        return str(store)


def _relay(client: socket.socket, server: socket.socket) -> None:
    with server:
        back = threading.Thread(target=_copy, args=(server, client))
        back.start()
        _copy(client, server)
        back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        """One of the two has gone."""
