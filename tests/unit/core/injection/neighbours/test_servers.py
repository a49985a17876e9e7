"""PostgreSQL servers and poolers in the pod keep their ports, and a server is given none of its clients' variables."""

from typing import Any

import pytest

from support.podshapes import container, denied, environment, injected, pod

PLAIN = "acme/ci:1"


def shell(line: str) -> dict[str, Any]:
    return container("db", image=PLAIN, command=["sh", "-c"], args=[line])


def ported(image: str, **variables: str) -> dict[str, Any]:
    return container("db", image=image, env=[{"name": name, "value": value} for name, value in variables.items()])


SERVERS = [
    (container("db", image="postgres:17"), "5433"),
    (container("db", image="docker.io/bitnami/postgresql:16"), "5433"),
    (container("db", image="registry.acme.example:5000/mirror/postgis:16-3.4"), "5433"),
    (container("db", image="citusdata/citus:12"), "5433"),
    (container("db", image="postgres:17", args=["-c", "fsync=off", "-p", "5432"]), "5433"),
    (container("db", image="postgres:17", args=["-c", "fsync=off", "-p", "5433"]), "5432"),
    (container("db", image="postgres:17", args=["postgres", "--port", "5433"]), "5432"),
    (container("db", image="postgres:17", args=["postgres", "-c", "port=5433"]), "5432"),
    (ported("postgres:17", PGPORT="5433"), "5432"),
    (ported("bitnami/postgresql:16", POSTGRESQL_PORT_NUMBER="5433"), "5432"),
    (container("db", image=PLAIN, command=["docker-entrypoint.sh", "postgres"]), "5433"),
    (container("db", image=PLAIN, command=["gosu", "postgres", "postgres", "-D", "d"]), "5433"),
    (container("db", image=PLAIN, command=["/usr/lib/postgresql/17/bin/postmaster", "-D", "d"]), "5433"),
    (shell("initdb -D d && exec postgres -D d"), "5433"),
    (shell("docker-entrypoint.sh postgres -c fsync=off"), "5433"),
    (shell("su postgres -c 'postgres -D d'"), "5433"),
    (shell("initdb -D d && pg_ctl -D d start; sleep inf"), "5433"),
    (shell("service postgresql start && sleep inf"), "5433"),
    (container("db", image="ghcr.io/zalando/spilo-16:3.2"), "5433"),
    (container("db", image="quay.io/sclorg/postgresql-15-c9s:latest"), "5433"),
    (container("db", image="crunchydata/crunchy-postgres:ubi8-16"), "5433"),
    (container("db", image="postgres:17", args=["-p", "$(P)"], env=[{"name": "P", "value": "5433"}]), "5432"),
    (ported("postgres:17", P="5433", PGPORT="$(P)"), "5432"),
    (shell("runuser -u postgres -- /usr/lib/postgresql/17/bin/postgres -D d"), "5433"),
    (shell("/etc/init.d/postgresql start; sleep inf"), "5433"),
    (shell("systemctl start postgresql@17-main; sleep inf"), "5433"),
    (shell("postgres -D d & psql -p 5433 -h other"), "5434"),  # whose port 5433 is cannot be told
]
NONE = [
    container("db", image="postgres:17", args=["psql", "-c", "select 1"]),
    container("db", image="postgres:17", command=["pg_dump"]),
    container("db", image=PLAIN, args=["--driver", "postgres"]),
    container("db", image=PLAIN, command=["su", "postgres", "-c", "psql -c 'select 1'"]),
    container("db", image="prometheuscommunity/postgres-exporter:1"),
    container("db", image="acme/postgresql-client-16:1"),
    shell("pg_ctl status; sleep inf"),
    shell("echo postgres is not here"),
]
POOLERS = [
    (container("db", image="edoburu/pgbouncer:1.23"), "5433"),
    (container("db", image=PLAIN, command=["pgbouncer", "/etc/pgbouncer.ini"]), "5433"),
    (container("db", image=PLAIN, command=["/usr/bin/odyssey", "/etc/odyssey.conf"]), "5433"),
    (container("db", image="bitnami/pgbouncer:1", ports=[{"containerPort": 6432}]), "5432"),
    (ported("edoburu/pgbouncer", LISTEN_PORT="5432"), "5433"),
    (ported("edoburu/pgbouncer", LISTEN_PORT="6000"), "5432"),
]


@pytest.mark.parametrize(("other", "port"), [*SERVERS, *POOLERS], ids=str)
def test_ours_moves_away_from_a_server_that_declares_no_port(other: dict[str, Any], port: str) -> None:
    assert environment(injected(pod(container(), other)))["PGPORT"] == port


@pytest.mark.parametrize("server", [server for server, _ in SERVERS], ids=str)
def test_a_server_gets_none_of_its_clients_variables(server: dict[str, Any]) -> None:
    after = injected(pod(container(), server))

    assert after["spec"]["containers"][1].get("env", []) == server.get("env", [])


@pytest.mark.parametrize("other", NONE, ids=str)
def test_what_only_speaks_of_a_server_is_none(other: dict[str, Any]) -> None:
    assert environment(injected(pod(container(), other)))["PGPORT"] == "5432"


def test_the_usual_port_can_be_asked_for_beside_a_server_that_is_told_another() -> None:
    body = pod(container(), ported("postgres:17", PGPORT="5433"), annotations={"port": "5432"})

    assert environment(injected(body))["PGPORT"] == "5432"


def test_the_port_of_a_server_cannot_be_asked_for() -> None:
    text = denied(pod(container(), ported("postgres:17", PGPORT="5433"), annotations={"port": "5433"}))

    assert text.startswith("422 iam.cloudsql.dev/port asks for 5433, which container db uses")
