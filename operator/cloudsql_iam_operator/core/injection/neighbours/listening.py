"""Ports that containers listen on without declaring them, as far as the pod tells."""

from collections.abc import Iterable, Iterator

from cloudsql_iam_operator.core.injection.neighbours.proxies import OtherProxy
from cloudsql_iam_operator.core.injection.neighbours.servers import server_ports
from cloudsql_iam_operator.core.injection.neighbours.tunnels import listening_ports
from cloudsql_iam_operator.core.injection.pod import Container, Pod
from cloudsql_iam_operator.core.injection.shelf import kept


def undeclared(pod: Pod, others: Iterable[OtherProxy]) -> Iterator[tuple[str, frozenset[int]]]:
    """Names of containers, and the TCP ports that they take by what they run."""
    for other in others:
        yield other.container.name, other.ports()
    for container in pod.containers:
        ports = kept(container, _ports)
        if ports:
            yield container.name, ports


def _ports(container: Container) -> frozenset[int]:
    return server_ports(container) | listening_ports(container)
