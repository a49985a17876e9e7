"""Settings of the webhook's process: the chart writes them to the environment, which is read once."""

from collections.abc import Mapping
from dataclasses import dataclass

from cryptography import x509

from cloudsql_iam_operator.core.injection.settings import InjectionSettings
from cloudsql_iam_operator.webhook.proxies import BadSetting, injection

__all__ = ["BadSetting", "Place", "WebhookSettings", "from_environment"]

PORT = 10250
"""A port that the control plane of a private cluster reaches without a firewall rule."""

METRICS_PORT = 9402


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
        injection=injection(environment),
        drain=float(_whole(environment, "WEBHOOK_DRAIN_SECONDS", 5, range(26))),
        client_ca=_authorities(environment, "WEBHOOK_CLIENT_CA"),
    )


def _authorities(environment: Mapping[str, str], name: str) -> str:
    text = environment.get(name, "").strip()
    try:
        if text:
            x509.load_pem_x509_certificates(text.encode())
    except ValueError as error:
        raise BadSetting(f"{name} holds no certificates: write them as PEM, or leave it out") from error
    return text


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
