"""Ports that are taken in a pod: by the servers of other proxies, and by what probes and hooks call."""

from typing import Any

import pytest

from support.podshapes import container, environment, injected, pod, proxy

LEGACY = "acme-prod:europe-west1:legacy"
GOOGLE = "gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.11.0"

JSON = dict[str, Any]


@pytest.mark.parametrize(
    ("flags", "ports"),
    [
        ([], ("9801", "9091")),
        (["--quitquitquit"], ("9801", "9092")),
        (["--debug"], ("9801", "9092")),
        (["--quitquitquit", "--admin-port=9092"], ("9801", "9091")),
        (["--quitquitquit", "--admin-port", "9091"], ("9801", "9092")),
        (["--quitquitquit=false", "--admin-port=9091"], ("9801", "9091")),
        (["--health-check", "--http-port=9801"], ("9802", "9091")),
        (["--prometheus", "--http-port", "9801"], ("9802", "9091")),
        (["--http-port=9801"], ("9801", "9091")),
    ],
)
def test_the_proxys_own_servers_keep_their_ports(flags: list[str], ports: tuple[str, str]) -> None:
    other = container("db", image=GOOGLE, args=["--port=6000", *flags, LEGACY])

    body = injected(pod(container(), other, annotations={"native-sidecar": "false"}, restartPolicy="Never"))

    said = dict(word.split("=", 1) for word in proxy(body)["args"] if "-port=" in word)
    assert (said["--http-port"], said["--admin-port"]) == ports


@pytest.mark.parametrize(
    "probe",
    [
        {"livenessProbe": {"tcpSocket": {"port": 5432}}},
        {"readinessProbe": {"httpGet": {"port": 5432}}},
        {"startupProbe": {"grpc": {"port": 5432}}},
        {"lifecycle": {"preStop": {"httpGet": {"port": 5432}}}},
    ],
    ids=str,
)
def test_ours_moves_away_from_what_probes_and_hooks_call(probe: JSON) -> None:
    assert environment(injected(pod(container(**probe))))["PGPORT"] == "5433"
