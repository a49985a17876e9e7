"""Settings of the webhook's process: the chart writes them to the environment, which is read once."""

from collections.abc import Mapping
from dataclasses import dataclass

from cryptography import x509

from cloudsql_iam_operator.api.parsing.images import is_image, split_image
from cloudsql_iam_operator.core.injection.settings import PROXY_REPOSITORIES, IdentityMode, InjectionSettings

PROXY_IMAGE = "gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.27.0"
PORT = 10250
"""A port that the control plane of a private cluster reaches without a firewall rule."""

METRICS_PORT = 9402


class BadSetting(ValueError):
    """A variable that cannot be understood; the text names it, what it says and what it may say."""


@dataclass(frozen=True, slots=True)
class Place:
    """Names of the objects in the cluster that make this process a webhook."""

    namespace: str
    service: str
    secret: str
    configuration: str

    @property
    def dns_names(self) -> tuple[str, ...]:
        """Names under which the Service is called; the API server uses the first."""
        host = f"{self.service}.{self.namespace}.svc"
        return (host, f"{host}.cluster.local")


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """Settings of the webhook. `drain` is seconds in which calls are still answered after SIGTERM.

    `client_ca` is PEM of the authorities that sign the API server's client certificate, "" where it has none.
    """

    place: Place
    port: int
    metrics_port: int
    injection: InjectionSettings
    drain: float = 5.0
    client_ca: str = ""


def from_environment(environment: Mapping[str, str]) -> WebhookSettings:
    """Settings as the variables say, with defaults that suit the chart.

    Raises:
        BadSetting: a variable is missing or not understood.
    """
    service = _required(environment, "WEBHOOK_SERVICE", "the Service that the API server calls")
    return WebhookSettings(
        place=Place(
            namespace=_required(environment, "POD_NAMESPACE", "the namespace of this pod"),
            service=service,
            secret=environment.get("WEBHOOK_SECRET") or f"{service}-tls",
            configuration=environment.get("WEBHOOK_CONFIGURATION") or service,
        ),
        port=_port(environment, "WEBHOOK_PORT", PORT),
        metrics_port=_port(environment, "METRICS_PORT", METRICS_PORT),
        injection=_injection(environment),
        drain=float(_whole(environment, "WEBHOOK_DRAIN_SECONDS", 5, range(26))),
        client_ca=_authorities(environment, "WEBHOOK_CLIENT_CA"),
    )


def _injection(environment: Mapping[str, str]) -> InjectionSettings:
    image = environment.get("PROXY_IMAGE") or PROXY_IMAGE
    if not is_image(image):
        raise BadSetting(f"PROXY_IMAGE is {image!r}; it must be an image such as {PROXY_IMAGE}")
    listed = environment.get("PROXY_IMAGES_ALLOWED", "")
    allowed = tuple(word.strip() for word in listed.split(",") if word.strip())
    return InjectionSettings(
        image=image,
        allowed_images=allowed or tuple(dict.fromkeys((split_image(image).repository, *PROXY_REPOSITORIES))),
        identity=_mode(environment.get("IDENTITY_CHECK") or IdentityMode.ENFORCE),
    )


def _authorities(environment: Mapping[str, str], name: str) -> str:
    text = environment.get(name, "").strip()
    try:
        if text:
            x509.load_pem_x509_certificates(text.encode())
    except ValueError as error:
        raise BadSetting(f"{name} holds no certificates: write them as PEM, or leave it out") from error
    return text


def _mode(text: str) -> IdentityMode:
    if text not in set(IdentityMode):
        raise BadSetting(f"IDENTITY_CHECK is {text!r}; it must be enforce or warn")
    return IdentityMode(text)


def _required(environment: Mapping[str, str], name: str, what: str) -> str:
    value = environment.get(name, "")
    if not value:
        raise BadSetting(f"{name} is not set; it must name {what}")
    return value


def _port(environment: Mapping[str, str], name: str, default: int) -> int:
    return _whole(environment, name, default, range(1, 65536))


def _whole(environment: Mapping[str, str], name: str, default: int, allowed: range) -> int:
    text = environment.get(name) or str(default)
    if not text.isdecimal() or int(text) not in allowed:
        raise BadSetting(f"{name} is {text!r}; it must be a number from {allowed[0]} to {allowed[-1]}")
    return int(text)
