"""Containers that say where their database is by half, in pods in which the proxy had to take another port."""

from typing import Any

import pytest

from support.podshapes import container, environment, injected, own, pod


def test_the_port_that_everybody_expects_is_another_one_when_the_proxy_moved() -> None:
    body = pod(container(env=own(PGHOST="127.0.0.1")), container("db", ports=[{"containerPort": 5432}]))

    assert list(environment(injected(body))) == ["PGHOST"]


@pytest.mark.parametrize(
    "env",
    [
        own(DB_HOST="127.0.0.1"),
        own(PGHOST="127.0.0.1", PGport="5433"),
        own(dbHost="127.0.0.1", DBPORT="5433"),
        own(DBHOST="127.0.0.1", DBPASS=None),
        own(POSTGRES_HOST="postgres", POSTGRES_PASSWORD=None),
        own(KC_DB_URL_HOST="warehouse"),
        own(SPRING_DATASOURCE_SERVER="warehouse", OTHER_PORT="1"),
    ],
)
def test_who_names_a_host_and_no_port_means_the_usual_one_where_the_proxy_moved(env: list[dict[str, Any]]) -> None:
    body = pod(container(env=env), container("db", ports=[{"containerPort": 5432}]))

    assert injected(body)["spec"]["containers"][0]["env"] == env
    assert environment(injected(body), "db")["PGPORT"] == "5433"


@pytest.mark.parametrize(
    "env",
    [
        own(DB_HOST="127.0.0.1", DB_PORT="6432"),
        own(DBHOST="a", DBPORT="1"),
        own(dbHost="a", dbPort="1"),
        own(dbhost="a", dbport="1"),
        own(URL="jdbc:postgresql://${PGHOST:localhost}:${PGPORT:5432}/x"),
        own(URL="jdbc:postgresql://localhost:${PGPORT:5432}/x"),
        own(REDIS_HOST="cache"),
        own(MYSQL_DB_HOST="m"),
    ],
)
def test_who_names_a_port_or_another_server_gets_the_variables_where_the_proxy_moved(env: list[dict[str, Any]]) -> None:
    body = pod(container(env=env), container("db", ports=[{"containerPort": 5432}]))

    assert environment(injected(body))["PGPORT"] == "5433"
