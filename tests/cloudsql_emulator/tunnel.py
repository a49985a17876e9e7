"""A connector's connection made by hand: TLS 1.3 with an ephemeral certificate, PostgreSQL's bare protocol inside."""

import socket
import ssl
import struct
import tempfile
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cloudsql_emulator.certificates import InstanceCertificates
from cloudsql_emulator.dataplane import CONNECTOR_PORT

PROTOCOL_3_0 = 196608
TIMEOUT = 60.0

Message = tuple[bytes, bytes]
"""The kind of a message of PostgreSQL's, and its body."""

AUTHENTICATION_OK: Message = (b"R", b"\0\0\0\0")
CLEARTEXT_PASSWORD_WANTED: Message = (b"R", b"\0\0\0\x03")


class Tunnel:
    """An open tunnel to port 3307, authenticated as whoever the certificate was issued for.

    The certificate comes from `issuer`, which only a test of refusals lets differ from the server's own.
    """

    def __init__(
        self,
        address: str,
        server: InstanceCertificates,
        principal: str | None,
        *,
        issuer: InstanceCertificates | None = None,
    ) -> None:
        context = client_context(server)
        _load_identity(context, issuer or server, principal)
        self.socket = open_tls(address, context)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def receive(self, length: int) -> bytes:
        """Exactly so many bytes.

        Raises:
            EOFError: the server hung up first.
        """
        data = b""
        while len(data) < length:
            chunk = self.socket.recv(length - len(data))
            if not chunk:
                raise EOFError(f"the server hung up after {len(data)} of {length} bytes")
            data += chunk
        return data

    def message(self) -> Message:
        """The next message of the server."""
        kind, length = struct.unpack("!cI", self.receive(5))
        return kind, self.receive(length - 4)

    def log_in(self, user: str, database: str) -> Message:
        """Send a startup message and give the server's first answer."""
        body = struct.pack("!I", PROTOCOL_3_0) + f"user\0{user}\0database\0{database}\0\0".encode()
        self.send(struct.pack("!I", len(body) + 4) + body)
        return self.message()

    def send_password(self, password: str) -> Message:
        """Answer a request for a password and give what the server says to it."""
        body = password.encode() + b"\0"
        self.send(b"p" + struct.pack("!I", len(body) + 4) + body)
        return self.message()


def client_context(server: InstanceCertificates) -> ssl.SSLContext:
    """TLS that trusts one instance's authority and, as Google's Python connector does, looks at no host name."""
    context = ssl.create_default_context(cadata=server.server_ca_pem)
    context.check_hostname = False
    return context


def open_tls(address: str, context: ssl.SSLContext) -> ssl.SSLSocket:
    """A TLS connection to port 3307; with TLS 1.3 a missing certificate shows at the first read only."""
    return context.wrap_socket(socket.create_connection((address, CONNECTOR_PORT), timeout=TIMEOUT))


def _load_identity(context: ssl.SSLContext, issuer: InstanceCertificates, principal: str | None) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    public_key = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    private_key = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    # The ssl module reads an identity from a file only.
    with tempfile.TemporaryDirectory(prefix="csql") as directory:
        identity = Path(directory, "client.pem")
        identity.write_text(issuer.issue_client(public_key.decode(), principal).pem + private_key.decode())
        context.load_cert_chain(identity)
