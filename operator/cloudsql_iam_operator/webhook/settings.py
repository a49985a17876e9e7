"""Settings of the webhook's process: the chart writes them to the environment, which is read once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cryptography import x509

from cloudsql_iam_operator.api.injection.quantities import quantity
from cloudsql_iam_operator.api.parsing.images import is_image, split_image
from cloudsql_iam_operator.api.parsing.texts import OBJECT_NAME
from cloudsql_iam_operator.core.injection.settings import (
    PROXY_REPOSITORIES,
    IdentityMode,
    InjectionSettings,
    OnError,
)
from cloudsql_iam_operator.services.pods.watchdog import Rules

PROXY_IMAGE = "gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.27.0"
MEMORY_LIMIT = "256Mi"
PASSED_ON = ("HTTPS_PROXY", "NO_PROXY")
"""Variables of the proxy, which the chart writes with the prefix PROXY_."""

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
    `given`: the certificate is somebody else's, and so is what the API server trusts.
    `watchdog` says how pods without their proxy are looked for; None for not at all.
    """

    place: Place
    port: int
    metrics_port: int
    injection: InjectionSettings
    drain: float = 5.0
    client_ca: str = ""
    watchdog: Rules | None = None
    given: bool = False


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
        injection=injection_from(environment),
        drain=float(_whole(environment, "WEBHOOK_DRAIN_SECONDS", 5, range(26))),
        client_ca=_authorities(environment, "WEBHOOK_CLIENT_CA"),
        watchdog=_watchdog(environment),
        given=_word(environment, "WEBHOOK_CERTIFICATES", ("self", "given")) == "given",
    )


def injection_from(environment: Mapping[str, str]) -> InjectionSettings:
    """Settings as the variables say, with defaults that suit the chart.

    Raises:
        BadSetting: a variable is not understood.
    """
    image = environment.get("PROXY_IMAGE") or PROXY_IMAGE
    if not is_image(image):
        raise BadSetting(f"PROXY_IMAGE is {image!r}; it must be an image such as {PROXY_IMAGE}")
    allowed = _listed(environment, "PROXY_IMAGES_ALLOWED")
    return InjectionSettings(
        image=image,
        allowed_images=allowed or tuple(dict.fromkeys((split_image(image).repository, *PROXY_REPOSITORIES))),
        identity=IdentityMode(_word(environment, "IDENTITY_CHECK", ("enforce", "warn"))),
        identity_by_pod=_switch(environment, "IDENTITY_CHECK_BY_POD"),
        on_error=OnError(_word(environment, "ON_ERROR", ("deny", "skip"))),
        credentials_secrets=_switch(environment, "PROXY_CREDENTIALS_SECRETS", default="true"),
        endpoints=_listed(environment, "PROXY_ENDPOINTS_ALLOWED"),
        extra_args=_switch(environment, "PROXY_EXTRA_ARGS"),
        pull_secrets=_names(environment, "PROXY_PULL_SECRETS"),
        environment=tuple(_passed_on(environment)),
        metadata_host=environment.get("PROXY_METADATA_HOST", ""),
        cpu_limit=_quantity(environment, "PROXY_CPU_LIMIT"),
        memory_limit=_quantity(environment, "PROXY_MEMORY_LIMIT") or MEMORY_LIMIT,
        storage_limit=_quantity(environment, "PROXY_EPHEMERAL_STORAGE_LIMIT"),
        network_policies=_switch(environment, "NETWORK_POLICIES", default="true"),
    )


def _passed_on(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name in PASSED_ON:
        value = environment.get(f"PROXY_{name}", "")
        if value:
            yield name, value


def _listed(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in environment.get(name, "").split(",") if word.strip())


def _names(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    found = _listed(environment, name)
    wrong = next((word for word in found if OBJECT_NAME.problem(word)), None)
    if wrong is not None:
        raise BadSetting(f"{name} has {wrong!r}; it must list names of Secrets")
    return found


def _word(environment: Mapping[str, str], name: str, words: tuple[str, ...]) -> str:
    """One of the words, the first when nothing is said."""
    text = environment.get(name) or words[0]
    if text not in words:
        raise BadSetting(f"{name} is {text!r}; it must be {' or '.join(words)}")
    return text


def _switch(environment: Mapping[str, str], name: str, default: str = "false") -> bool:
    text = environment.get(name) or default
    if text not in ("true", "false"):
        raise BadSetting(f"{name} is {text!r}; it must be true or false")
    return text == "true"


def _quantity(environment: Mapping[str, str], name: str) -> str:
    text = environment.get(name, "")
    if text and quantity(text) is None:
        raise BadSetting(f"{name} is {text!r}; it must be a quantity such as 500m or 256Mi")
    return text


def _watchdog(environment: Mapping[str, str]) -> Rules | None:
    mode = environment.get("WATCHDOG") or "off"
    if mode not in ("off", "report", "restart"):
        raise BadSetting(f"WATCHDOG is {mode!r}; it must be off, report or restart")
    every = _whole(environment, "WATCHDOG_SECONDS", 60, range(5, 86401))
    left_out = frozenset({"kube-system", "kube-node-lease", "kube-public", environment.get("POD_NAMESPACE", "")})
    return None if mode == "off" else Rules(mode == "restart", float(every), left_out)


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
