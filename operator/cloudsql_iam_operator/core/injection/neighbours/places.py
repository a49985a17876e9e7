"""Where a proxy of others listens for each instance, how it dials it, and whether it logs in there by IAM."""

from collections.abc import Iterator
from dataclasses import dataclass

from cloudsql_iam_operator.api.instance import IPType
from cloudsql_iam_operator.core.injection.neighbours.flags import FALSE, port_number
from cloudsql_iam_operator.core.injection.neighbours.proxies import Dialled, OtherProxy, ProxyKind
from cloudsql_iam_operator.core.injection.neighbours.variables import is_open

ENGINE_PORT = 5432
"""Where a proxy for PostgreSQL begins to listen unless it is told."""


@dataclass(frozen=True, slots=True)
class Place:
    """One instance of a proxy. It listens on `port`, or in the directory `socket`; the other is "".

    `usual`: the port is the engine's, and another if that is not PostgreSQL. `address` is the kind that it dials, ""
    for whichever there is. `iam`: the proxy logs in.
    """

    name: str
    port: str
    socket: str
    usual: bool
    address: str
    iam: bool

    @property
    def listens(self) -> tuple[tuple[str, str], ...]:
        """Where it listens, by the name of the annotation; nothing where that is nowhere."""
        said = ("unix-socket", self.socket) if self.socket else ("port", self.port)
        return (said,) if said[1] else ()


def places(proxy: OtherProxy) -> tuple[Place, ...]:
    """The places of its instances, in their order; a value may hold what cannot be seen."""
    return tuple(_of_v1(proxy) if proxy.kind is ProxyKind.V1 else _of_v2(proxy))


def _of_v1(proxy: OtherProxy) -> Iterator[Place]:
    flags = proxy.invocation.flags
    types = (flags.get("ip_address_types") or "").split(",")
    address = types[0].strip().lower() if len(types) == 1 else ""
    iam = proxy.invocation.switched("enable_iam_login")
    for one in proxy.dialled:
        port = one.option("tcp")
        socket = "" if port is not None else _directory(flags.get("dir", "") or "")
        yield Place(one.name, port or "", socket, False, address, iam)


def _of_v2(proxy: OtherProxy) -> Iterator[Place]:
    """Ports count from the first, over those that have neither a port nor a socket of their own.

    Source: Cloud SQL Auth Proxy 2.27, internal/proxy, newSocketMount
    """
    flags = proxy.invocation.flags
    said = flags.get("port", "")
    counted = 0
    for one in proxy.dialled:
        port, socket = one.option("port") or "", _socket(one, proxy)
        usual = not port and not socket and not said
        if not port and not socket:
            port = _counted(said, counted)
            counted += 1
        yield Place(one.name, port, socket, usual, _address(proxy, one), _logs_in(proxy, one))


def _counted(first: str | None, number: int) -> str:
    if not first:
        return str(ENGINE_PORT + number) if first is not None else "$"
    known = port_number(first)
    return "$" if known is None else str(known + number)


def _socket(one: Dialled, proxy: OtherProxy) -> str:
    """The directory of its socket; its own address or port wins over one for all."""
    own = one.option("unix-socket")
    if own is None and (one.option("port") is not None or one.option("address") is not None):
        return ""
    everywhere = proxy.invocation.flags.get("unix-socket", "")
    found = own if own is not None else everywhere
    return "$" if found is None else _directory(found)


def _directory(path: str) -> str:
    return path if is_open(path) else path.rstrip("/")


def _address(proxy: OtherProxy, one: Dialled) -> str:
    for flag, way in (("private-ip", IPType.PRIVATE), ("psc", IPType.PSC)):
        own = one.option(flag)
        if (own is None and proxy.invocation.switched(flag)) or (own is not None and own not in FALSE):
            return str(way).lower()
    return "auto" if proxy.invocation.switched("auto-ip") else "public"


def _logs_in(proxy: OtherProxy, one: Dialled) -> bool:
    own = one.option("auto-iam-authn")
    return proxy.invocation.switched("auto-iam-authn") if own is None else own not in FALSE
