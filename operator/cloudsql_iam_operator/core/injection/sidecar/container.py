"""The proxy's container: a native sidecar that passes Pod Security `restricted`. Where it goes is decided elsewhere."""

from dataclasses import dataclass
from typing import Any

from cloudsql_iam_operator.api.injection.quantities import exceeds, is_zero
from cloudsql_iam_operator.api.instance import IPType
from cloudsql_iam_operator.core.injection.facts import InstanceFact
from cloudsql_iam_operator.core.injection.sidecar.ports import Ports

NAME = "cloudsql-proxy"
"""Name of the injected container; autoscalers and dashboards refer to it."""

LOOPBACK = "127.0.0.1"
NOBODY = 65532
"""User and group of the proxy's image."""

CPU_REQUEST = "50m"
MEMORY_REQUEST = "64Mi"
MEMORY_LIMIT = "256Mi"

_ADDRESS_FLAGS = {IPType.PUBLIC: (), IPType.PRIVATE: ("--private-ip",), IPType.PSC: ("--psc",)}


@dataclass(frozen=True, slots=True)
class Resources:
    """Kubernetes quantities as written; "" when not said. A limit of zero means no limit."""

    cpu_request: str = ""
    memory_request: str = ""
    cpu_limit: str = ""
    memory_limit: str = ""


@dataclass(frozen=True, slots=True)
class Proxy:
    """What distinguishes one pod's proxy from another's."""

    image: str
    instance: InstanceFact
    ports: Ports
    resources: Resources


def container(proxy: Proxy) -> dict[str, Any]:
    """The container as a pod spec writes it.

    Source: Cloud SQL Auth Proxy 2.27, flags; `wait` reads only flags, so all settings are flags.
    """
    return {
        "name": NAME,
        "image": proxy.image,
        "imagePullPolicy": "IfNotPresent",
        "restartPolicy": "Always",
        "args": _arguments(proxy),
        "startupProbe": _startup_probe(proxy.ports),
        "resources": _resources(proxy.resources),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsGroup": NOBODY,
            "runAsNonRoot": True,
            "runAsUser": NOBODY,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def _arguments(proxy: Proxy) -> list[str]:
    return [
        "--auto-iam-authn",
        f"--address={LOOPBACK}",
        f"--port={proxy.ports.database}",
        *_ADDRESS_FLAGS[proxy.instance.ip_type],
        "--structured-logs",
        "--health-check",
        f"--http-address={LOOPBACK}",
        f"--http-port={proxy.ports.http}",
        "--quitquitquit",
        f"--admin-port={proxy.ports.admin}",
        "--exit-zero-on-sigterm",
        proxy.instance.connection,
    ]


def _startup_probe(ports: Ports) -> dict[str, Any]:
    """The probe that later containers wait for: exec, because meshes rewrite the other kinds to go through themselves.

    `wait` sleeps a second after a failure, so it needs more than one.
    """
    wait = ["/cloud-sql-proxy", "wait", f"--http-address={LOOPBACK}", f"--http-port={ports.http}", "--max=1s"]
    return {"exec": {"command": wait}, "periodSeconds": 1, "timeoutSeconds": 5, "failureThreshold": 60}


def _resources(said: Resources) -> dict[str, dict[str, str]]:
    requests = {
        "cpu": said.cpu_request or _at_most(CPU_REQUEST, said.cpu_limit),
        "memory": said.memory_request or _at_most(MEMORY_REQUEST, said.memory_limit),
    }
    memory_limit = said.memory_limit or (
        requests["memory"] if exceeds(requests["memory"], MEMORY_LIMIT) else MEMORY_LIMIT
    )
    limits = {"cpu": said.cpu_limit, "memory": memory_limit}
    limits = {name: limit for name, limit in limits.items() if limit and not is_zero(limit)}
    return {"requests": requests} | ({"limits": limits} if limits else {})


def _at_most(usual: str, limit: str) -> str:
    return limit if exceeds(usual, limit) else usual
