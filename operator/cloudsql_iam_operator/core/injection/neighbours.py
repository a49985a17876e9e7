"""What else lives in the pod: service meshes, other injectors' sidecars, and other Cloud SQL proxies."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from cloudsql_iam_operator.api.parsing.images import split_image
from cloudsql_iam_operator.core.injection.pod import Container, Pod

MESH_PROXIES = frozenset({"istio-proxy", "linkerd-proxy"})
"""Native sidecars that must run before anything that uses the network, ours included."""

SIDECARS = MESH_PROXIES | {
    "istio-init",
    "istio-validation",
    "linkerd-init",
    "vault-agent",
    "vault-agent-init",
    "gke-gcsfuse-sidecar",
    "daprd",
    "otc-container",
}
"""Containers that other injectors add and that never talk to the database."""

_PORT = re.compile(r"(?:--port[= ]|-p[= ]|[?&]port=)(\d{1,5})(?!\d)")


class ProxyKind(StrEnum):
    """Whose Cloud SQL proxy a container is."""

    V1 = "the Cloud SQL proxy v1"
    V2 = "a Cloud SQL Auth Proxy"
    OPERATOR = "the proxy of cloud-sql-proxy-operator"


@dataclass(frozen=True, slots=True)
class OtherProxy:
    """A Cloud SQL proxy that somebody else put into the pod."""

    kind: ProxyKind
    container: Container

    def serves(self, connection: str) -> bool:
        """Whether it is told to connect to this instance."""
        return any(word.partition("?")[0] == connection for word in self.container.words)

    def ports(self) -> frozenset[int]:
        """TCP ports that its arguments name."""
        return frozenset(int(port) for port in _PORT.findall(" ".join(self.container.words)))


def other_proxies(pod: Pod, ours: str) -> Iterator[OtherProxy]:
    """Proxies in the pod other than the container named `ours`."""
    for container in pod.containers:
        kind = None if container.name == ours else _kind(container)
        if kind is not None:
            yield OtherProxy(kind, container)


def place_for_proxy(pod: Pod) -> int:
    """Index among the init containers: right after a mesh's native sidecar, since that carries our traffic, else first.

    Source: Kubernetes, "Sidecar containers": init containers start in order, sidecars before the next one.
    """
    meshes = [c.index for c in pod.init if c.native and c.name in MESH_PROXIES]
    return max(meshes, default=-1) + 1


def mesh_warnings(pod: Pod) -> Iterator[str]:
    """What a mesh in this pod does to the database before it is up itself."""
    native = any(c.native and c.name in MESH_PROXIES for c in pod.init)
    classic = next((c.name for c in pod.main if c.name in MESH_PROXIES), None)
    if native or classic is None:
        return
    if any(c.name == "istio-validation" for c in pod.init):
        yield (
            "Istio CNI captures traffic before istio-proxy runs: init containers cannot reach the database; "
            "use native sidecars in Istio, or exclude ports 443 and 3307"
        )
    elif any(c.name not in SIDECARS and not c.native for c in pod.init):
        yield (
            f"{classic} starts after the init containers: those may not reach the database through it; "
            "use the mesh's native sidecars"
        )


def is_v1_image(image: str) -> bool:
    """Whether the image is the Cloud SQL proxy v1, whatever mirror it comes from."""
    return split_image(image).repository.endswith("cloudsql-docker/gce-proxy")


def _kind(container: Container) -> ProxyKind | None:
    binary = {word.rpartition("/")[2] for word in container.words[:1]}
    if container.name.startswith("csql-"):
        return ProxyKind.OPERATOR
    if is_v1_image(container.image) or "cloud_sql_proxy" in binary:
        return ProxyKind.V1
    if split_image(container.image).repository.endswith("cloud-sql-connectors/cloud-sql-proxy"):
        return ProxyKind.V2
    return ProxyKind.V2 if "cloud-sql-proxy" in binary else None


def is_server(container: Container) -> bool:
    """Whether the container runs a PostgreSQL server, which reads PGPORT and others as its own settings."""
    name = split_image(container.image).repository.rpartition("/")[2]
    return name in ("postgres", "postgresql") and not container.words
