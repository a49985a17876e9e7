"""Which ports the proxy listens on in the pod's network namespace."""

from collections.abc import Iterator, Set
from dataclasses import dataclass

from cloudsql_iam_operator.core.injection.outcome import Code, Refusal
from cloudsql_iam_operator.core.injection.pod import Container

DATABASE_PORT = 5432
HTTP_PORT = 9801
ADMIN_PORT = 9091
LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Ports:
    """TCP ports on 127.0.0.1: the database, the health checks, and the proxy's admin server."""

    database: int
    http: int
    admin: int


@dataclass(frozen=True, slots=True)
class Taken:
    """Ports that are spoken for, and by which container."""

    by_port: dict[int, str]

    def __contains__(self, port: int) -> bool:
        return port in self.by_port


def taken_by(containers: Iterator[Container], others: Iterator[tuple[str, Set[int]]]) -> Taken:
    """Ports that the containers declare, and those that `others` (name, ports) are known to use."""
    by_port: dict[int, str] = {}
    for container in containers:
        by_port.update(dict.fromkeys(container.ports, container.name))
    for name, ports in others:
        by_port.update(dict.fromkeys(ports, name))
    return Taken(by_port)


def chosen(requested: int | None, taken: Taken) -> Ports:
    """Ports for the proxy: the requested one, else the usual ones or the next that are free.

    Raises:
        Refusal: a container declares the requested port.
    """
    if requested is not None and requested in taken:
        raise Refusal(
            Code.PORT,
            f"iam.cloudsql.dev/port asks for {requested}, which container {taken.by_port[requested]} uses: "
            "choose another port, or leave the annotation out",
        )
    database = requested or _free(DATABASE_PORT, set(taken.by_port))
    http = _free(HTTP_PORT, {*taken.by_port, database})
    return Ports(database, http, _free(ADMIN_PORT, {*taken.by_port, database, http}))


def _free(first: int, taken: Set[int]) -> int:
    port = next((port for port in range(first, LAST_PORT + 1) if port not in taken), None)
    if port is None:
        raise Refusal(Code.PORT, f"no free port from {first} up to {LAST_PORT} is left in the pod")
    return port
