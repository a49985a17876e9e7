"""The TLS side of the listener: one context for the life of the process, whose certificate can be exchanged."""

import ssl
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Protocol

from cloudsql_iam_operator.webhook import metrics
from cloudsql_iam_operator.webhook.certificates.certificate import KEY, LEAF


class Servable(Protocol):
    """A leaf and its key."""

    @property
    def expires(self) -> datetime:
        """When the leaf ends."""

    def values(self) -> dict[str, bytes]:
        """PEM of leaf and key, under LEAF and KEY."""


class LiveContext:
    """A server context. Connections that stand keep their certificate; new ones get the latest.

    With `client_ca` (PEM) clients may show a certificate that one of these authorities signed; the kubelet's probes
    have none.

    `use` must run in the thread that makes connections: OpenSSL's contexts are not to be changed beside a handshake.
    """

    def __init__(self, certificates: Servable, client_ca: str = "") -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        if client_ca:
            self.context.load_verify_locations(cadata=client_ca)
            self.context.verify_mode = ssl.CERT_OPTIONAL
        self.use(certificates)

    def use(self, certificates: Servable) -> None:
        """Serve new connections with these."""
        values = certificates.values()
        # Python hands certificates to OpenSSL only as files.
        with tempfile.TemporaryDirectory(prefix="tls") as folder:
            leaf, key = Path(folder, LEAF), Path(folder, KEY)
            leaf.write_bytes(values[LEAF])
            key.touch(mode=0o600)
            key.write_bytes(values[KEY])
            self.context.load_cert_chain(leaf, key)
        metrics.EXPIRY.set(certificates.expires.timestamp())
