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


TUNNELS = [
    container("t", args=["TCP-LISTEN:5432,fork", "TCP:warehouse:5432"]),
    container("t", args=["-d", "tcp4-listen:5432,reuseaddr", "tcp:warehouse:5432"]),
    container("t", command=["ssh", "-N", "-L", "5432:db.internal:5432", "bastion"]),
    container("t", command=["ssh"], args=["-fNL", "127.0.0.1:5432:db.internal:5432", "bastion"]),
    container("t", args=["-M", "0", "-L5432:db:5432", "user@host"]),
    container("t", command=["kubectl"], args=["port-forward", "svc/db", "-n", "x", "5432:80"]),
    container(
        "t", command=["sh", "-c", "kubectl port-forward svc/db $P; exit 1"], env=[{"name": "P", "value": "5432"}]
    ),
    container("t", command=["gcloud", "compute", "start-iap-tunnel", "vm", "22", "--local-host-port=localhost:5432"]),
    container("t", args=["client", "--listen", "localhost:5432", "--target", "db:6000"]),
    container("t", args=["connect", "-listen-port=5432", "-target-id", "x"]),
    container("t", args=["--listen=tcp://127.0.0.1:5432"]),
    container("t", args=["--metrics-addr=:5432"]),
    container("t", args=["--bind-address", "[::]:5432"]),
    container("t", args=["--bind-address=$(A)"], env=[{"name": "A", "value": "0.0.0.0:5432"}]),
]


@pytest.mark.parametrize("tunnel", TUNNELS, ids=str)
def test_ours_moves_away_from_what_a_program_is_told_to_listen_on(tunnel: JSON) -> None:
    assert environment(injected(pod(container(), tunnel)))["PGPORT"] == "5433"


@pytest.mark.parametrize(
    "client",
    [
        container("c", command=["sh", "-c", "until nc -z 127.0.0.1 5432; do sleep 1; done"]),
        container("c", command=["psql", "--port=5432"]),
        container("c", command=["curl", "-L", "http://shop:5432/x"]),
        container("c", args=["--upstream=shop:5432", "--target", "127.0.0.1:5432"]),
        container("c", args=["--listen=:8080", "5432"]),
    ],
    ids=str,
)
def test_a_port_that_a_program_is_told_to_connect_to_is_not_taken(client: JSON) -> None:
    assert environment(injected(pod(client)), "c")["PGPORT"] == "5432"
