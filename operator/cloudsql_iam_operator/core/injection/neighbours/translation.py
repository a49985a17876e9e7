"""From the flags of a proxy to the annotations that have the same effect, and what none has."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cloudsql_iam_operator.api.annotations import PREFIX
from cloudsql_iam_operator.api.injection.table import READ
from cloudsql_iam_operator.api.instance import IPType
from cloudsql_iam_operator.core.injection.neighbours.flags import TRUE, words
from cloudsql_iam_operator.core.injection.neighbours.proxies import Dialled, OtherProxy, ProxyKind
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
    "port instances auto-iam-authn enable_iam_login private-ip psc auto-ip ip_address_types address "
    "impersonate-service-account credentials-file credential_file prometheus"
)
"""Flags that are looked at one by one."""

_NEEDLESS = words(
    "structured-logs structured_logs exit-zero-on-sigterm user-agent health-check http-address http-port "
    "use_http_health_check health_check_port quitquitquit admin-port verbose log_debug_stdout fd_rlimit check_region "
    "skip-failed-instance-config skip_failed_instance_config refresh_config_throttle"
)
"""Flags that every proxy of ours has anyway, that serve the container itself, or that mean nothing for one instance."""

_SHOWN = 40
"""Characters of a flag that nobody knows."""


@dataclass(frozen=True, slots=True)
class Translation:
    """Annotations with their values, in the order of their names, and what no annotation expresses."""

    annotations: tuple[tuple[str, str], ...]
    lost: tuple[str, ...]


def translated(proxy: OtherProxy, connection: str) -> Translation:
    """What to write in place of a proxy that dials the instance, beside the name of its CloudSQLIAMUser.

    The kind of address is written out, whatever its CloudSQLInstance says, where the proxy took only one.
    """
    written: dict[str, str] = {}
    lost: list[str] = []
    for name, value in (*_flags(proxy), *_listening(proxy, connection), *_login(proxy), *_path(proxy, connection)):
        full = PREFIX + name
        if full not in READ or value is None or is_open(value):
            lost.append(name)
        else:
            written[full] = value
    lost += _inexpressible(proxy)
    return Translation(tuple(sorted(written.items())), tuple(dict.fromkeys(lost)))


def _flags(proxy: OtherProxy) -> Iterator[tuple[str, str | None]]:
    for flag, value in proxy.invocation.flags.items():
        if flag in _SAME and value not in ("false", "0", "0s"):
            yield _SAME[flag], value
    if proxy.invocation.switched("prometheus"):
        yield "prometheus", proxy.invocation.flags.get("http-port", TRUE)


def _listening(proxy: OtherProxy, connection: str) -> Iterator[tuple[str, str | None]]:
    one = _of(proxy, connection)
    port = (
        one.option("tcp")
        if proxy.kind is ProxyKind.V1
        else one.option("port") or proxy.invocation.flags.get("port", "")
    )
    if port not in ("", "5432"):
        yield "port", port


def _login(proxy: OtherProxy) -> Iterator[tuple[str, str | None]]:
    flags = proxy.invocation.flags
    own = proxy.dialled[0].option("auto-iam-authn") if proxy.dialled else None
    said = proxy.invocation.switched("auto-iam-authn", "enable_iam_login") if own is None else own in ("", "true", "t")
    if not said:
        yield "auto-iam-authn", "false"
    if "impersonate-service-account" in flags:
        target, _, delegates = (flags["impersonate-service-account"] or "$").partition(",")
        yield "impersonate", target
        if delegates:
            yield "impersonate-delegates", delegates


def _path(proxy: OtherProxy, connection: str) -> Iterator[tuple[str, str | None]]:
    """The kind of address. The proxy v1 tried all of them where it was not told."""
    said = _v1_path(proxy) if proxy.kind is ProxyKind.V1 else _v2_path(proxy, _of(proxy, connection))
    if said:
        yield "ip-type", said


def _v1_path(proxy: OtherProxy) -> str:
    types = (proxy.invocation.flags.get("ip_address_types") or "").split(",")
    return types[0].strip().lower() if len(types) == 1 else ""


def _v2_path(proxy: OtherProxy, one: Dialled) -> str:
    for flag, way in (("private-ip", IPType.PRIVATE), ("psc", IPType.PSC)):
        own = one.option(flag)
        if own in ("", "true", "t") or (own is None and proxy.invocation.switched(flag)):
            return str(way).lower()
    return "auto" if proxy.invocation.switched("auto-ip") else "public"


def _inexpressible(proxy: OtherProxy) -> Iterator[str]:
    flags = proxy.invocation.flags
    if len(proxy.dialled) > 1:
        yield "several instances"
    for one in proxy.dialled:
        yield from (
            f"?{key}=" for key, _ in one.options if key in ("unix-socket", "unix-socket-path", "unix", "sql-data")
        )
        if one.option("address") not in (None, "127.0.0.1"):
            yield "an address for others"
        if proxy.kind is ProxyKind.V1 and not one.options:
            yield "a Unix socket"
    if flags.get("address", "127.0.0.1") not in ("127.0.0.1", "localhost"):
        yield "an address for others"
    if {"credentials-file", "credential_file"} & flags.keys():
        yield "a credentials file"
    yield from (
        f"--{flag}" for flag in flags if flag not in _SAME.keys() | _OURS | _NEEDLESS and flags[flag] != "false"
    )
    yield from (word.partition("=")[0][:_SHOWN] for word in proxy.invocation.unknown)


def _of(proxy: OtherProxy, connection: str) -> Dialled:
    return next((one for one in proxy.dialled if one.name == connection), Dialled(connection))
