"""The proxy's command line: flags for all its instances, and each instance with what differs for it."""

from collections.abc import Iterator, Sequence

from cloudsql_iam_operator.api.injection.access import IMPERSONATE, IMPERSONATE_DELEGATES
from cloudsql_iam_operator.api.injection.annotation import Annotation, Wishes
from cloudsql_iam_operator.api.injection.flags import EXTRA_ARGS, FLAGS, SQL_ADMIN_API_ENDPOINT, UNIVERSE_DOMAIN
from cloudsql_iam_operator.api.injection.instances import Address, is_dns_name
from cloudsql_iam_operator.core.injection.outcome import Code, Refusal
from cloudsql_iam_operator.core.injection.settings import InjectionSettings
from cloudsql_iam_operator.core.injection.sidecar.image import Need
from cloudsql_iam_operator.core.injection.targets import Target

LOOPBACK = "127.0.0.1"

_ADDRESSES = {Address.PUBLIC: (), Address.PRIVATE: ("private-ip",), Address.PSC: ("psc",), Address.AUTO: ("auto-ip",)}

_IMPERSONATED_LOGIN: Need = (f"IAM login with {IMPERSONATE}", (2, 21, 1))
_DNS_NAMES: Need = ("an instance by a DNS name", (2, 15, 0))

_OURS = frozenset(
    {
        *("--address", "--port", "--unix-socket", "--auto-iam-authn", "--login-token", "--token", "--gcloud-auth"),
        *("--credentials-file", "--json-credentials", "--impersonate-service-account", "--config-file"),
        *("--private-ip", "--psc", "--auto-ip", "--sql-data", "--fuse", "--fuse-tmp-dir", "--debug"),
        *("--health-check", "--http-address", "--http-port", "--prometheus", "--admin-port", "--quitquitquit"),
        *("--structured-logs", "--exit-zero-on-sigterm", "--sqldata-api-endpoint", "--static-connection-info"),
        *("--help", "--version"),
        *(annotation.flag for annotation in FLAGS if annotation.flag),
    }
)
"""Flags that are set here, that say who the proxy is, or that open it to others."""


def instance_flags(targets: Sequence[Target]) -> list[str]:
    """How the instances are dialled and listened for, when there is one; several carry that themselves."""
    # the proxy refuses an address beside a socket; its default is the same
    address = [] if any(target.socket for target in targets) else [f"--address={LOOPBACK}"]
    if len(targets) > 1:
        return [*address, *_common_address(targets)]
    [target] = targets
    return [
        *(["--auto-iam-authn"] if target.iam else []),
        *address,
        f"--unix-socket={target.socket}" if target.socket else f"--port={target.port}",
        *(f"--{name}" for name in _ADDRESSES[target.address]),
    ]


def instances(targets: Sequence[Target]) -> list[str]:
    """The instances as arguments, in the order that their ports were chosen in."""
    if len(targets) == 1:
        return [targets[0].connection]
    return [f"{target.connection}?{'&'.join(_options(target))}" for target in targets]


def said_flags(wishes: Wishes, settings: InjectionSettings) -> list[str]:
    """Flags that the annotations ask for, in the order of the table.

    Raises:
        Refusal: the administrator does not allow one.
    """
    _check(wishes, settings)
    identities = [wishes[IMPERSONATE], *wishes[IMPERSONATE_DELEGATES]] if wishes[IMPERSONATE] else []
    chain = [f"--impersonate-service-account={','.join(identities)}"] if identities else []
    return [*chain, *(text for flag in FLAGS if flag in wishes for text in _flag(flag, wishes)), *wishes[EXTRA_ARGS]]


def needs(wishes: Wishes, targets: Sequence[Target]) -> Iterator[Need]:
    """What the wishes need of the proxy, and since when it has that."""
    for annotation in FLAGS:
        if annotation in wishes and wishes[annotation] not in (False, None):
            yield annotation, annotation.since
    if wishes[IMPERSONATE] and any(target.iam for target in targets):
        yield _IMPERSONATED_LOGIN
    if any(is_dns_name(target.connection) for target in targets):
        yield _DNS_NAMES


def _flag(annotation: Annotation[object], wishes: Wishes) -> Iterator[str]:
    value = wishes[annotation]
    if not annotation.flag or value is False:
        return
    if value is True:
        yield annotation.flag
    else:
        yield f"{annotation.flag}={value}s" if annotation.endswith("-delay") else f"{annotation.flag}={value}"


def _common_address(targets: Sequence[Target]) -> Iterator[str]:
    """The flag for all when it is the same for all: `auto-ip` is for all or none."""
    addresses = {target.address for target in targets}
    if addresses == {Address.AUTO}:
        yield "--auto-ip"


def _options(target: Target) -> Iterator[str]:
    yield f"unix-socket={target.socket}" if target.socket else f"port={target.port}"
    if target.iam:
        yield "auto-iam-authn=true"
    if target.address is not Address.AUTO:
        yield from (f"{name}=true" for name in _ADDRESSES[target.address])


def _check(wishes: Wishes, settings: InjectionSettings) -> None:
    for annotation in (SQL_ADMIN_API_ENDPOINT, UNIVERSE_DOMAIN):
        if wishes[annotation] and wishes[annotation] not in settings.endpoints:
            allowed = ", ".join(settings.endpoints) or "none"
            raise Refusal(Code.ANNOTATION, f"{annotation} is {wishes[annotation]}; the administrator allows {allowed}")
    if wishes[EXTRA_ARGS] and not settings.extra_args:
        raise Refusal(Code.ANNOTATION, f"{EXTRA_ARGS} is switched off by the administrator; take it off")
    stray = next((word for word in wishes[EXTRA_ARGS] if word.partition("=")[0] in _OURS), "")
    if stray:
        raise Refusal(
            Code.ANNOTATION, f"{EXTRA_ARGS} may not hold {stray.partition('=')[0]}, which is not the pod's to set"
        )
