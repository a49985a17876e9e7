"""From the flags of a proxy to the annotations that have the same effect, and what none has."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cloudsql_iam_operator.api.annotations import PREFIX
from cloudsql_iam_operator.api.injection.table import READ
from cloudsql_iam_operator.core.injection.neighbours.flags import FALSE, TRUE, V2, words
from cloudsql_iam_operator.core.injection.neighbours.places import Place, places
from cloudsql_iam_operator.core.injection.neighbours.proxies import ADMIN_PORT, HTTP_PORT, OtherProxy, ProxyKind
from cloudsql_iam_operator.core.injection.neighbours.variables import is_open

_SAME_NAME = words(
    "max-connections max-sigterm-delay min-sigterm-delay telemetry-project telemetry-sample-rate telemetry-prefix "
    "quota-project universe-domain quiet debug-logs lazy-refresh run-connection-test disable-traces disable-metrics"
)
_SAME: Mapping[str, str] = MappingProxyType(
    {
        **{name: name for name in _SAME_NAME},
        "sqladmin-api-endpoint": "sql-admin-api-endpoint",
        "max_connections": "max-connections",
        "term_timeout": "max-sigterm-delay",
        "quota_project": "quota-project",
        "host": "sql-admin-api-endpoint",
    }
)
"""Flags of v2 and v1, and the annotations that take their values."""

_OURS = words(
    "port unix-socket dir instances auto-iam-authn enable_iam_login private-ip psc auto-ip ip_address_types address "
    "impersonate-service-account credentials-file credential_file prometheus quitquitquit admin-port"
)
"""Flags that are looked at one by one."""

_NEEDLESS = words(
    "structured-logs structured_logs exit-zero-on-sigterm user-agent health-check http-address http-port "
    "use_http_health_check health_check_port verbose log_debug_stdout fd_rlimit check_region "
    "skip-failed-instance-config skip_failed_instance_config refresh_config_throttle"
)
"""Flags that every proxy of ours has anyway, that serve the container itself, or that mean nothing for one instance."""

DEFAULT_PORT = "5432"

EVERYWHERE = "all addresses of the pod"
"""How a translation calls that the proxy listens on more than 127.0.0.1: whether that matters, the pod does not say."""

_ALL = ("0.0.0.0", "::", "[::]")  # noqa: S104 - what others are told to listen on

_ON = ("t", "1", "T", "True", "TRUE")
_SHOWN = 40
"""Characters of a flag that nobody knows."""


@dataclass(frozen=True, slots=True)
class Translation:
    """Annotations with their values, in the order of their names, and what no annotation expresses."""

    annotations: tuple[tuple[str, str], ...]
    lost: tuple[str, ...]


def translated(proxy: OtherProxy, connection: str) -> Translation:
    """What to write in place of a proxy that dials this one instance, beside the name of its CloudSQLIAMUser.

    The kind of address is written out, whatever its CloudSQLInstance says, where the proxy took only one.
    """
    here = [place for place in places(proxy) if place.name == connection]
    common = shared(proxy)
    written = _written([pair for place in here[:1] for pair in _at(place)])
    annotations = {**dict(common.annotations), **dict(written.annotations)}
    return Translation(tuple(sorted(annotations.items())), tuple(dict.fromkeys((*written.lost, *common.lost))))


def shared(proxy: OtherProxy) -> Translation:
    """What to write for all instances of the proxy, whichever they are."""
    found = _written([*_flags(proxy), *_impersonated(proxy)])
    return Translation(found.annotations, tuple(dict.fromkeys((*found.lost, *_inexpressible(proxy)))))


def _written(pairs: Iterable[tuple[str, str | None]]) -> Translation:
    written: dict[str, str] = {}
    lost: list[str] = []
    for name, value in pairs:
        full = PREFIX + name
        if full not in READ or value is None or is_open(value):
            lost.append(name)
        else:
            written[full] = value
    return Translation(tuple(sorted(written.items())), tuple(lost))


def _at(place: Place) -> Iterator[tuple[str, str | None]]:
    yield from (each for each in place.listens if each != ("port", DEFAULT_PORT))
    if not place.iam:
        yield "auto-iam-authn", "false"
    if place.address:
        yield "ip-type", place.address


def _flags(proxy: OtherProxy) -> Iterator[tuple[str, str | None]]:
    for flag, value in proxy.invocation.flags.items():
        if flag in _SAME and value not in (*FALSE, "0s"):
            yield _SAME[flag], TRUE if flag in V2.switches and value in _ON else value
    if proxy.invocation.switched("prometheus"):
        yield "prometheus", proxy.invocation.flags.get("http-port", str(HTTP_PORT))
    if proxy.invocation.switched("quitquitquit"):
        yield "admin-port", proxy.invocation.flags.get("admin-port", str(ADMIN_PORT))


def _impersonated(proxy: OtherProxy) -> Iterator[tuple[str, str | None]]:
    flags = proxy.invocation.flags
    if "impersonate-service-account" in flags:
        target, _, delegates = (flags["impersonate-service-account"] or "$").partition(",")
        yield "impersonate", target
        if delegates:
            yield "impersonate-delegates", delegates


def _inexpressible(proxy: OtherProxy) -> Iterator[str]:
    flags = proxy.invocation.flags
    for one in proxy.dialled:
        yield from (f"?{key}=" for key, _ in one.options if key in ("unix-socket-path", "unix", "sql-data"))
        yield from _beyond(one.option("address"))
        if proxy.kind is ProxyKind.V1 and not one.options and not flags.get("dir"):
            yield "a Unix socket in no directory"
    yield from _beyond(flags.get("address"))
    if {"credentials-file", "credential_file"} & flags.keys():
        yield "a credentials file"
    yield from (
        f"--{flag}" for flag in flags if flag not in _SAME.keys() | _OURS | _NEEDLESS and flags[flag] not in FALSE
    )
    yield from (word.partition("=")[0][:_SHOWN] for word in proxy.invocation.unknown)


def _beyond(address: str | None) -> Iterator[str]:
    if address in _ALL:
        yield EVERYWHERE
    elif address not in (None, "127.0.0.1", "localhost"):
        yield "an address for others"
