"""The web proxy of the environment (HTTPS_PROXY, NO_PROXY): which one leads to a host, and a connection through it.

Metadata servers are never asked through one: what answers must be the machine itself.
"""

import os
import ssl
from base64 import b64encode
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from http.client import HTTPSConnection
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from cloudsql_iam_operator.adapters.google.metadata import metadata_host
from cloudsql_iam_operator.core.excerpts import excerpt

METADATA_HOSTS = ("metadata.google.internal", "169.254.169.254")
_FOR_METADATA = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")


class NotThrough(OSError):
    """There is no connection through the web proxy; the text names it without its credentials."""


@dataclass(frozen=True, slots=True)
class WebProxy:
    """A web proxy by host and port; what it is shown of who asks is in no repr."""

    host: str
    port: int
    _userinfo: str = ""

    @property
    def headers(self) -> Mapping[str, str]:
        """What it is told with each CONNECT."""
        return {"Proxy-Authorization": f"Basic {b64encode(self._userinfo.encode()).decode()}"} if self._userinfo else {}

    def __repr__(self) -> str:
        return f"{self.host}:{self.port}"


def web_proxy(host: str) -> WebProxy | None:
    """The web proxy that leads to an HTTPS server, None when it is asked directly.

    Raises:
        NotThrough: the environment names one that cannot be used.
    """
    address = getproxies().get("https", "")
    if not address or proxy_bypass(host):
        return None
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        name, port = parts.hostname, parts.port or 80
    except ValueError:
        name = None
    if not name or parts.scheme != "http":
        raise NotThrough("HTTPS_PROXY must be http://HOST:PORT, with or without credentials")
    userinfo = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return WebProxy(name, port, userinfo if userinfo != ":" else "")


class Connection(HTTPSConnection):
    """A connection to an HTTPS server, through the web proxy that leads there if there is one."""

    def __init__(self, host: str, timeout: float | None, context: ssl.SSLContext) -> None:
        super().__init__(host, timeout=timeout, context=context)
        self._through = web_proxy(self.host)
        if self._through is not None:
            server = self.host, self.port
            self.host, self.port = self._through.host, self._through.port
            self.set_tunnel(*server, headers=dict(self._through.headers))

    def connect(self) -> None:
        """As the library's.

        Raises:
            NotThrough: the web proxy, or what is behind it, lets nobody through.
        """
        try:
            super().connect()
        except OSError as error:
            if self._through is None:
                raise
            raise NotThrough(f"web proxy {self._through}: {excerpt(str(error))}") from None


def ask_metadata_directly(environment: MutableMapping[str, str] = os.environ) -> None:
    """Have libraries that go by the environment ask the metadata server directly, whatever proxy it names."""
    if not any(environment.get(name) for name in _FOR_METADATA):
        return
    name = "no_proxy" if environment.get("no_proxy") else "NO_PROXY"
    listed = filter(None, environment.get(name, "").replace(" ", "").split(","))
    hosts = dict.fromkeys((*listed, *METADATA_HOSTS, metadata_host().partition(":")[0]))
    if "*" not in hosts:
        environment[name] = ",".join(hosts)
