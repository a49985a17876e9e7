"""The proxy's container, which passes Pod Security `restricted`. Where it goes is decided elsewhere."""

from dataclasses import dataclass
from typing import Any

from cloudsql_iam_operator.api.injection.access import CREDENTIALS_SECRET
from cloudsql_iam_operator.api.injection.annotation import Wishes
from cloudsql_iam_operator.api.injection.flags import MAX_SIGTERM_DELAY, MIN_SIGTERM_DELAY
from cloudsql_iam_operator.api.injection.sidecar import IMAGE_PULL_POLICY, PROMETHEUS, READINESS_PROBE
from cloudsql_iam_operator.core.injection.sidecar import volumes
from cloudsql_iam_operator.core.injection.sidecar.flags import LOOPBACK, instance_flags, instances
from cloudsql_iam_operator.core.injection.sidecar.form import Form
from cloudsql_iam_operator.core.injection.sidecar.image import version_of
from cloudsql_iam_operator.core.injection.sidecar.ports import Ports
from cloudsql_iam_operator.core.injection.sidecar.share import Share, resources
from cloudsql_iam_operator.core.injection.targets import Target

NAME = "cloudsql-proxy"
"""Name of the injected container; autoscalers and dashboards refer to it."""

NOBODY = 65532
"""User and group of the proxy's image."""

EVERYWHERE = "0.0.0.0"  # noqa: S104 - of the pod, where the kubelet and Prometheus call
PROXY = "/cloud-sql-proxy"
"""The program in the image."""

METRICS_PORT = "csql-metrics"
"""Name of the container port; such names have at most 15 characters."""

LAST_CHANCE = 60
"""Times, a second apart, that the proxy's start is looked for; and seconds, where a hook waits for it."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """What distinguishes one pod's proxy from another's.

    `flags` are those that the annotations ask for. `assigned`: the platform assigns the user to run as. `delays` are
    seconds that an ordinary sidecar stays for others after SIGTERM, None where there is no time for that.
    """

    image: str
    form: Form
    targets: tuple[Target, ...]
    ports: Ports
    wishes: Wishes
    flags: tuple[str, ...]
    shares: tuple[Share, ...]
    environment: tuple[tuple[str, str], ...]
    assigned: bool
    delays: tuple[int, int] | None


def container(proxy: Proxy) -> dict[str, Any]:
    """The container as a pod spec writes it.

    Source: Cloud SQL Auth Proxy 2.27, flags; `wait` reads only flags, so all settings are flags.
    """
    parts: dict[str, Any] = {
        "name": NAME,
        "image": proxy.image,
        "imagePullPolicy": proxy.wishes[IMAGE_PULL_POLICY].written,
        "args": _arguments(proxy),
        **_waiting(proxy),
        "resources": resources(proxy.shares),
        "securityContext": _security(assigned=proxy.assigned),
    }
    mounts = volumes.of_proxy(proxy.targets, proxy.wishes)
    optional = {
        "restartPolicy": "Always" if proxy.form.native else None,
        "env": [{"name": name, "value": value} for name, value in proxy.environment],
        "ports": _container_ports(proxy),
        "readinessProbe": _readiness(proxy),
        "volumeMounts": mounts,
    }
    return parts | {name: value for name, value in optional.items() if value}


def _arguments(proxy: Proxy) -> list[str]:
    secret, ports = proxy.wishes[CREDENTIALS_SECRET], proxy.ports
    return [
        *instance_flags(proxy.targets),
        "--structured-logs",
        "--health-check",
        f"--http-address={EVERYWHERE if _is_open(proxy) else LOOPBACK}",
        f"--http-port={ports.http}",
        *(["--prometheus"] if proxy.wishes[PROMETHEUS] is not False else []),
        *(["--quitquitquit", f"--admin-port={ports.admin}"] if ports.admin else []),
        "--exit-zero-on-sigterm",
        *([f"--credentials-file={volumes.CREDENTIALS}/{secret.key}"] if secret else []),
        *_delays(proxy),
        *proxy.flags,
        *instances(proxy.targets),
    ]


def _is_open(proxy: Proxy) -> bool:
    """Whether health checks are answered on the pod's address: the kubelet and Prometheus come from there."""
    return proxy.wishes[READINESS_PROBE] or proxy.wishes[PROMETHEUS] is not False


def _delays(proxy: Proxy) -> list[str]:
    """How an ordinary sidecar outlives the application, which gets SIGTERM at the same time."""
    if proxy.form.native or proxy.delays is None:
        return []
    least, most = proxy.delays
    version = version_of(proxy.image)
    known = version is None or version >= MIN_SIGTERM_DELAY.since
    return [
        *([f"--min-sigterm-delay={least}s"] if known and MIN_SIGTERM_DELAY not in proxy.wishes else []),
        *([f"--max-sigterm-delay={most}s"] if MAX_SIGTERM_DELAY not in proxy.wishes else []),
    ]


def _waiting(proxy: Proxy) -> dict[str, Any]:
    """What later containers wait for: exec, because meshes rewrite the other kinds to go through themselves.

    `wait` looks again each second: with one second it would not look twice.
    """
    wait = [PROXY, "wait", f"--http-address={LOOPBACK}", f"--http-port={proxy.ports.http}"]
    if proxy.form is Form.HOOKED:
        return {"lifecycle": {"postStart": {"exec": {"command": [*wait, f"--max={LAST_CHANCE}s"]}}}}
    probe = {"exec": {"command": [*wait, "--max=4s"]}, "periodSeconds": 1, "timeoutSeconds": 6}
    return {"startupProbe": {**probe, "failureThreshold": LAST_CHANCE}}


def _readiness(proxy: Proxy) -> dict[str, Any] | None:
    if not proxy.wishes[READINESS_PROBE]:
        return None
    return {"httpGet": {"path": "/readiness", "port": proxy.ports.http}, "periodSeconds": 10, "timeoutSeconds": 5}


def _container_ports(proxy: Proxy) -> list[dict[str, Any]]:
    if proxy.wishes[PROMETHEUS] is False:
        return []
    return [{"name": METRICS_PORT, "containerPort": proxy.ports.http, "protocol": "TCP"}]


def _security(*, assigned: bool) -> dict[str, Any]:
    fixed: dict[str, Any] = {} if assigned else {"runAsGroup": NOBODY, "runAsUser": NOBODY}
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        **fixed,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
