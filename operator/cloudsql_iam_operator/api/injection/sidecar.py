"""Annotations about the proxy's container: image, resources, form, ports and probes."""

from enum import StrEnum

from cloudsql_iam_operator.api.injection.annotation import Annotation, Line
from cloudsql_iam_operator.api.injection.quantities import quantity_text
from cloudsql_iam_operator.api.injection.values import boolean, image_named, port_number, port_or_boolean, word_of


class PullPolicy(StrEnum):
    """When the image is pulled."""

    ALWAYS = "always"
    IF_NOT_PRESENT = "ifnotpresent"
    NEVER = "never"

    @property
    def written(self) -> str:
        """As a container writes it."""
        return {"always": "Always", "ifnotpresent": "IfNotPresent", "never": "Never"}[self]


class Native(StrEnum):
    """Whether the proxy is a native sidecar: an init container that goes on running."""

    AUTO = "auto"
    TRUE = "true"
    FALSE = "false"


def _resource(name: str, otherwise: str, effect: str) -> Annotation[str]:
    return Annotation(name, quantity_text, "", Line("a quantity", otherwise, effect), namespaced=True)


IMAGE: Annotation[str] = Annotation(
    "image",
    image_named,
    "",
    Line(
        "an image",
        "the chart's `webhook.proxy.image`",
        "Another image of the proxy, one that the chart's `webhook.proxy.allowedImages` lets in. What needs a newer "
        "proxy than its tag says is refused; of an image with only a digest the version is not known.",
    ),
    namespaced=True,
)
IMAGE_PULL_POLICY: Annotation[PullPolicy] = Annotation(
    "image-pull-policy",
    word_of(PullPolicy),
    PullPolicy.IF_NOT_PRESENT,
    Line("`Always`, `IfNotPresent`, `Never`", "`IfNotPresent`", "When the image is pulled."),
)
CPU_REQUEST = _resource("cpu-request", "`50m`", "CPU that is set aside.")
MEMORY_REQUEST = _resource("memory-request", "`64Mi`", "Memory that is set aside.")
CPU_LIMIT = _resource("cpu-limit", "none, or what the namespace's rules ask for", "The most CPU; `0` means no limit.")
MEMORY_LIMIT = _resource("memory-limit", "`256Mi`", "The most memory; `0` means no limit.")
NATIVE_SIDECAR: Annotation[Native] = Annotation(
    "native-sidecar",
    word_of(Native),
    Native.AUTO,
    Line(
        "`auto`, `true`, `false`",
        "`auto`",
        "An init container that goes on running, which starts before and ends after all others; `auto`: where every "
        "kubelet knows them.",
    ),
    namespaced=True,
)
HTTP_PORT: Annotation[int | None] = Annotation(
    "http-port",
    port_number,
    None,
    Line("1024 to 65535", "`9801`, or the next free one", "Where the proxy answers health checks and metrics."),
)
ADMIN_PORT: Annotation[int | None] = Annotation(
    "admin-port",
    port_number,
    None,
    Line(
        "1024 to 65535",
        "none; `9091`, or the next free one, for an ordinary sidecar of a Job",
        "Where the proxy takes `POST /quitquitquit` on 127.0.0.1.",
    ),
)
READINESS_PROBE: Annotation[bool] = Annotation(
    "readiness-probe",
    boolean,
    False,
    Line("`true`, `false`", "`false`", "A readiness probe; the health port then answers on the pod's address."),
)
PROMETHEUS: Annotation[int | bool] = Annotation(
    "prometheus",
    port_or_boolean,
    False,
    Line(
        "`true`, `false`, or a port",
        "`false`",
        "Metrics at `/metrics` of the health port, on the pod's address, as container port `csql-metrics`.",
    ),
)

RESOURCES = (CPU_REQUEST, MEMORY_REQUEST, CPU_LIMIT, MEMORY_LIMIT)
SIDECAR: tuple[Annotation[object], ...] = (
    IMAGE,
    IMAGE_PULL_POLICY,
    *RESOURCES,
    NATIVE_SIDECAR,
    HTTP_PORT,
    ADMIN_PORT,
    READINESS_PROBE,
    PROMETHEUS,
)  # type: ignore[assignment]
