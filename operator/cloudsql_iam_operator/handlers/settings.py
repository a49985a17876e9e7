"""Settings of the reconciler's process: the chart writes them to the environment, which is read once."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network

from cloudsql_iam_operator.adapters.google.endpoints import Endpoints, endpoints_from
from cloudsql_iam_operator.core.injection.workloads.network import Ranges

EVERYWHERE = ("0.0.0.0/0", "::/0")

MOST = 65535
"""The largest number that a setting may be; the chart's schema says the same."""


class BadSetting(ValueError):
    """A variable that cannot be understood; the text names it, what it says and what it may say."""


@dataclass(frozen=True, slots=True)
class Ports:
    """TCP ports: probes and metrics. Both answer on all addresses."""

    health: int
    metrics: int


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the reconciler. `relist` is seconds between full lists, `sessions` how many one instance may have.

    `networks` says where NetworkPolicies for proxies lead; None for no such policies.

    `workload_pool` is `PROJECT.svc.id.goog`, "" for that of the project this process runs in.
    """

    namespace: str
    identity: str
    lease: str
    ports: Ports
    log_level: str
    workers: int
    threads: int
    sessions: int
    relist: float
    endpoints: Endpoints
    cluster_id: str
    workload_pool: str
    networks: Ranges | None = None


def settings_from(environment: Mapping[str, str]) -> Settings:
    """Settings as the variables say, with defaults that suit the chart.

    Raises:
        BadSetting: a variable is not understood.
    """
    return Settings(
        namespace=environment.get("POD_NAMESPACE", "default"),
        identity=environment.get("POD_NAME") or f"{socket.gethostname()}-{os.getpid()}",
        lease=environment.get("LEASE_NAME", "cloudsql-iam-operator"),
        ports=Ports(_number(environment, "HEALTH_PORT", 8080), _number(environment, "METRICS_PORT", 9402)),
        log_level=_level(environment),
        workers=_number(environment, "WORKERS", 32),
        threads=_number(environment, "THREADS", 16),
        sessions=_number(environment, "SESSIONS", 2),
        relist=float(_number(environment, "RELIST_SECONDS", 900, least=60)),
        endpoints=endpoints_from(environment),
        cluster_id=environment.get("CLUSTER_ID", ""),
        workload_pool=environment.get("WORKLOAD_POOL", ""),
        networks=_networks(environment),
    )


def _networks(environment: Mapping[str, str]) -> Ranges | None:
    if environment.get("NETWORK_POLICIES", "false") != "true":
        return None
    return Ranges(_cidrs(environment, "NETWORK_POLICY_APIS"), _cidrs(environment, "NETWORK_POLICY_INSTANCES"))


def _cidrs(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    found = tuple(word.strip() for word in environment.get(name, "").split(",") if word.strip())
    try:
        return tuple(str(ip_network(word)) for word in found or EVERYWHERE)
    except ValueError as error:
        raise BadSetting(f"{name}: {error}; it must list networks such as 10.0.0.0/8") from error


def _number(environment: Mapping[str, str], name: str, default: int, least: int = 1) -> int:
    text = environment.get(name, "")
    if not text:
        return default
    if not text.isdecimal() or not least <= int(text) <= MOST:
        raise BadSetting(f"{name} is {text!r}; it must be a number from {least} to {MOST}")
    return int(text)


def _level(environment: Mapping[str, str]) -> str:
    level = environment.get("LOG_LEVEL", "INFO").upper()
    if level not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise BadSetting(f"LOG_LEVEL is {level!r}; it must be DEBUG, INFO, WARNING or ERROR")
    return level
