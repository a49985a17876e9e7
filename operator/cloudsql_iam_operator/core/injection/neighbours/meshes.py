"""Service meshes and other injectors' sidecars: what must run before the proxy, and what never needs it."""

from collections.abc import Iterator

from cloudsql_iam_operator.core.injection.pod import Pod

MESH_PROXIES = frozenset(
    {"istio-proxy", "linkerd-proxy", "kuma-sidecar", "consul-dataplane", "consul-connect-envoy-sidecar", "envoy"}
    | {"nginx-mesh-sidecar"}
)
"""Native sidecars that must run before anything that uses the network, ours included."""

VALIDATORS = frozenset({"istio-validation", "kuma-validation", "linkerd-network-validator"})
"""Init containers of meshes whose CNI plugin captures traffic from the pod's start."""

SIDECARS = (
    MESH_PROXIES
    | VALIDATORS
    | {
        "istio-init",
        "kuma-init",
        "linkerd-init",
        "consul-connect-inject-init",
        "nginx-mesh-init",
        "osm-init",
        "proxyinit",
        "vault-agent",
        "vault-agent-init",
        "gke-gcsfuse-sidecar",
        "gke-gcsfuse-metadata-prefetch",
        "daprd",
        "otc-container",
    }
)
"""Containers that other injectors add and that never talk to the database."""


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
    if any(c.name in VALIDATORS for c in pod.init):
        yield (
            f"the mesh's CNI captures traffic before {classic} runs: init containers cannot reach the database; "
            "use the mesh's native sidecars, or exclude ports 443 and 3307"
        )
    elif any(c.name not in SIDECARS and not c.native for c in pod.init):
        yield (
            f"{classic} starts after the init containers: those may not reach the database through it; "
            "use the mesh's native sidecars"
        )
