"""Connections to Google: one trust store for all, certificates and names verified."""

import gc
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cloudsql_emulator.certificates import InstanceCertificates
from integration.google.stand_in import identity

THREADS = 6
LIMIT = 100.0


class Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"here")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """A server with TLS under the name `localhost`; each connection shakes hands in its own thread."""

    daemon_threads = True

    def __init__(self) -> None:
        self.certificates = InstanceCertificates("acme-prod", "tls", ("localhost",))
        super().__init__(("127.0.0.1", 0), Quiet)

    def finish_request(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        with self.certificates.direct_context.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that does not believe the certificate leaves."""


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def trusted(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    store = tmp_path / "authorities.pem"
    store.write_text(server.certificates.server_ca_pem)
    monkeypatch.setenv("HTTPLIB2_CA_CERTS", str(store))
    return server


def trusting(server: Server) -> int:
    """How many TLS contexts trust the authority of this server: whatever else the process holds does not count."""
    authority = ssl.PEM_cert_to_DER_cert(server.certificates.server_ca_pem)
    contexts = [one for one in gc.get_objects() if isinstance(one, ssl.SSLContext)]
    return sum(one.get_ca_certs(binary_form=True) == [authority] for one in contexts)


def test_threads_share_what_was_read_of_the_trust_store(trusted: Server) -> None:
    shared, together = identity(), threading.Barrier(THREADS)

    def asked(_: int) -> tuple[bytes, int]:
        together.wait(LIMIT)
        _, content = shared.http().request(f"https://localhost:{trusted.server_port}/")
        together.wait(LIMIT)  # all are connected now, and stay so until all have counted
        known = trusting(trusted)
        together.wait(LIMIT)
        return content, known

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(asked, range(THREADS)))

    assert answers == [(b"here", 1)] * THREADS


def test_a_certificate_of_an_authority_that_is_not_trusted_is_refused(
    trusted: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "others.pem"
    store.write_text(InstanceCertificates("acme-prod", "other").server_ca_pem)
    monkeypatch.setenv("HTTPLIB2_CA_CERTS", str(store))

    with pytest.raises(ssl.SSLCertVerificationError, match="self-signed certificate in certificate chain"):
        identity().http().request(f"https://localhost:{trusted.server_port}/")


def test_a_certificate_of_another_name_is_refused(trusted: Server) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="certificate is not valid for"):
        identity().http().request(f"https://127.0.0.1:{trusted.server_port}/")
