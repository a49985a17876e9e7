"""Cloud SQL proxies that somebody else put into the pod: which instances they dial, and which ports they take."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from cloudsql_iam_operator.api.parsing.texts import CONNECTION_NAME
from cloudsql_iam_operator.core.injection.neighbours.flags import Invocation, port_number
from cloudsql_iam_operator.core.injection.neighbours.variables import is_open
from cloudsql_iam_operator.core.injection.pod import Container

ENGINE_PORTS = (5432, 3306, 1433)
"""Where a proxy v2 without a port begins to listen: the engine's own. Which engine is not seen in the pod."""

UNSEEN_PORTS = frozenset(range(5432, 5452))
"""Ports kept free beside a proxy whose own cannot be seen."""

HTTP_PORT, ADMIN_PORT, V1_HEALTH_PORT = 9090, 9091, 8090
"""Defaults of the proxies' own servers."""


class ProxyKind(StrEnum):
    """Whose proxy a container is."""

    V1 = "the Cloud SQL proxy v1"
    V2 = "a Cloud SQL Auth Proxy"
    OPERATOR = "the proxy of cloud-sql-proxy-operator"
    ALLOYDB = "an AlloyDB Auth Proxy"


@dataclass(frozen=True, slots=True)
class Dialled:
    """One instance of a proxy: `name` is `project:region:instance` or AlloyDB's URI, and what stands behind it.

    `options` are the parameters after `?` of v2, or `tcp` and `unix` of v1. A `name` may hold what cannot be seen.
    """

    name: str
    options: tuple[tuple[str, str], ...] = ()

    def option(self, name: str) -> str | None:
        """The option's value; None without it."""
        return dict(self.options).get(name)


@dataclass(frozen=True, slots=True)
class OtherProxy:
    """A proxy that somebody else put into the pod. `dialled` is empty when no instance is to be seen.

    `starter` is the program that starts it, "" where it is no other than a shell or the like.
    """

    kind: ProxyKind
    container: Container
    invocation: Invocation
    dialled: tuple[Dialled, ...]
    starter: str = ""

    @property
    def lasts(self) -> bool:
        """Whether it runs beside the application, and does not end before it."""
        return self.container.place == "containers" or self.container.native

    @property
    def unseen(self) -> bool:
        """Whether it may serve an instance that is not to be seen in the pod: from a Secret, a file, or DNS."""
        if self.kind is ProxyKind.ALLOYDB:
            return False
        return not self.dialled or any(CONNECTION_NAME.problem(one.name) for one in self.dialled)

    @property
    def health_port(self) -> int | None:
        """Where it answers health checks and metrics; None when it does not."""
        if self.kind is ProxyKind.V1:
            on = self.invocation.switched("use_http_health_check")
            return _server(self.invocation, "health_check_port", V1_HEALTH_PORT) if on else None
        on = self.invocation.switched("health-check", "prometheus")
        return _server(self.invocation, "http-port", HTTP_PORT) if on else None

    def serves(self, connection: str) -> bool:
        """Whether it is told to connect to this instance."""
        return any(one.name == connection for one in self.dialled)

    def ports(self) -> frozenset[int]:
        """TCP ports that it listens on, or may listen on where that cannot be seen."""
        listening = _v1_ports(self) if self.kind is ProxyKind.V1 else _v2_ports(self)
        return frozenset(port for port in (*listening, self.health_port or 0) if 0 < port < 65536)


def _v2_ports(proxy: OtherProxy) -> Iterator[int]:
    flags = proxy.invocation
    yield from _listeners(proxy)
    if flags.switched("debug", "quitquitquit"):
        yield _server(flags, "admin-port", ADMIN_PORT)


def _listeners(proxy: OtherProxy) -> Iterator[int]:
    """Ports for databases: an instance's own, else one after the other from the first.

    Source: Cloud SQL Auth Proxy 2.27, internal/proxy, newSocketMount
    """
    own = [one.option("port") for one in proxy.dialled]
    yield from (number for port in own if (number := port_number(port)) is not None)
    counted = sum(one.option("port") is None and not _on_socket(one, proxy) for one in proxy.dialled)
    flags = proxy.invocation.flags
    hidden = any(port is not None and port_number(port) is None for port in own) or "config-file" in flags
    if hidden or not proxy.dialled:
        yield from UNSEEN_PORTS
    if "port" in flags:
        first = port_number(flags["port"])
        yield from UNSEEN_PORTS if first is None else range(first, first + max(counted, 1))
    else:
        engines = ENGINE_PORTS[:1] if proxy.kind is ProxyKind.ALLOYDB else ENGINE_PORTS
        yield from (first + step for first in engines for step in range(counted))


def _on_socket(one: Dialled, proxy: OtherProxy) -> bool:
    """Whether it listens on a Unix socket; its own address or port would win."""
    own = one.option("unix-socket") is not None or one.option("unix-socket-path") is not None
    everywhere = bool(proxy.invocation.flags.get("unix-socket", ""))
    return one.option("address") is None and (own or everywhere)


def _v1_ports(proxy: OtherProxy) -> Iterator[int]:
    for one in proxy.dialled:
        tcp = one.option("tcp")
        port = port_number(tcp)
        if port is not None:
            yield port
        elif tcp is not None or is_open(one.name):
            yield from UNSEEN_PORTS


def _server(invocation: Invocation, flag: str, default: int) -> int:
    return port_number(invocation.flags.get(flag)) or default
