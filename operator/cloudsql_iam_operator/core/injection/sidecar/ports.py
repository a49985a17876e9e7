"""Which ports the proxy listens on in the pod's network namespace."""

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace

from cloudsql_iam_operator.api.injection.access import INSTANCES
from cloudsql_iam_operator.api.injection.annotation import Wishes
from cloudsql_iam_operator.api.injection.application import PORT
from cloudsql_iam_operator.api.injection.sidecar import ADMIN_PORT, HTTP_PORT, PROMETHEUS
from cloudsql_iam_operator.api.injection.values import LAST_PORT
from cloudsql_iam_operator.core.injection.outcome import Code, Refusal
from cloudsql_iam_operator.core.injection.pod import Container
from cloudsql_iam_operator.core.injection.targets import Target

DATABASE = 5432
HTTP = 9801
ADMIN = 9091


@dataclass(frozen=True, slots=True)
class Ports:
    """TCP ports: `http` for health checks and metrics; `admin`, on 127.0.0.1, where something calls it, else None."""

    http: int
    admin: int | None


@dataclass(frozen=True, slots=True)
class Taken:
    """Ports that are spoken for, and by which container."""

    by_port: dict[int, str]


def taken_by(containers: Iterator[Container], others: Iterator[tuple[str, Set[int]]]) -> Taken:
    """Ports that the containers declare, and those that `others` (name, ports) are known to use."""
    by_port: dict[int, str] = {}
    for container in containers:
        if container.ports:
            by_port.update(dict.fromkeys(container.ports, container.name))
    for name, ports in others:
        by_port.update(dict.fromkeys(ports, name))
    return Taken(by_port)


def chosen(wishes: Wishes, targets: Sequence[Target], taken: Taken, *, admin: bool) -> tuple[tuple[Target, ...], Ports]:
    """The targets with their ports, and the proxy's own: those asked for, else the usual ones or the next free.

    Raises:
        Refusal: a port that is asked for is taken.
    """
    used = dict(taken.by_port)
    fixed: list[tuple[str, int | None]] = [
        (str(INSTANCES), target.port) for target in targets if target.port is not None
    ]
    if targets and targets[0].port is None and not targets[0].socket and wishes[PORT] is not None:
        targets = (replace(targets[0], port=wishes[PORT]), *targets[1:])
        fixed.append((str(PORT), wishes[PORT]))
    http = wishes[PROMETHEUS] if type(wishes[PROMETHEUS]) is int else wishes[HTTP_PORT]
    fixed += [(str(HTTP_PORT), http), (str(ADMIN_PORT), wishes[ADMIN_PORT])]
    for annotation, port in fixed:
        _take(annotation, port, used)
    listening = tuple(_with_port(target, wishes[PORT] or DATABASE, used) for target in targets)
    http_port = http if http is not None else _free(HTTP, used)
    wanted = wishes[ADMIN_PORT]
    return listening, Ports(http_port, wanted if wanted is not None else _free(ADMIN, used) if admin else None)


def moved(wishes: Wishes, targets: Sequence[Target]) -> Iterator[str]:
    """That the port for the database is not the one that everybody expects."""
    if (
        len(targets) == 1
        and wishes[PORT] is None
        and targets[0].port not in (None, DATABASE)
        and INSTANCES not in wishes
    ):
        yield f"port {DATABASE} is taken in the pod: the proxy listens on {targets[0].port}, and PGPORT says so"


def _take(annotation: str, port: int | None, used: dict[int, str]) -> None:
    if port is None:
        return
    if port in used:
        raise Refusal(
            Code.PORT,
            f"{annotation} asks for {port}, which {_holder(used[port])} uses: "
            "choose another port, or leave the annotation out",
        )
    used[port] = ""


def _holder(name: str) -> str:
    return f"container {name}" if name else "the proxy itself"


def _with_port(target: Target, first: int, used: dict[int, str]) -> Target:
    if target.socket or target.port is not None:
        return target
    return replace(target, port=_free(first, used))


def _free(first: int, used: dict[int, str]) -> int:
    port = next((port for port in range(first, LAST_PORT + 1) if port not in used), None)
    if port is None:
        raise Refusal(Code.PORT, f"no free port from {first} up to {LAST_PORT} is left in the pod")
    used[port] = ""
    return port
