"""A container that is told its database by its command, arguments or shell line gets none of our variables."""

from typing import Any

import pytest

from support.podshapes import PG, container, environment, injected, own, pod, warnings


@pytest.mark.parametrize(
    "words",
    [
        {"command": ["psql", "-h", "warehouse", "-c", "select 1"]},
        {"command": ["sh", "-c"], "args": ["sleep 1; pg_dump --host=warehouse.acme.example x > /dump"]},
        {"args": ["psql 'postgresql://warehouse/x' -c 'select 1'"]},
        {"args": ["--dsn", "host=warehouse dbname=x"]},
        {"command": ["psql", "-hwarehouse"]},
        {"command": ["psql", "host=warehouse"]},
        {"command": ["sh", "-c", "until pg_isready -h warehouse; do sleep 1; done"]},
        {"command": ["sh", "-c", "PGHOST=warehouse psql -c 'select 1'"]},
        {"command": ["sh", "-c", 'export PGHOST="warehouse";exec app']},
        {"command": ["sh", "-c", 'export PGHOST="$(cat /etc/warehouse)"; exec app']},
        {"command": ["sh", "-c", "export PGHOST=$DB_HOST; exec app"], "env": own(DB_HOST="warehouse")},
        {"command": ["env", "PGSERVICE=warehouse", "app"]},
        {"command": ["sh", "-c", "PGPORT=6432 exec app"]},
    ],
)
def test_a_program_that_is_told_its_server_gets_none_of_our_variables(words: dict[str, Any]) -> None:
    body = pod(container(), container("job", **words))

    assert PG.keys().isdisjoint(environment(injected(body), "job"))
    (warning,) = warnings(body)
    assert warning.startswith("container job says where its database is by ")


@pytest.mark.parametrize(
    "words",
    [
        {"command": ["psql", "-XAt", "-c", "select 1"]},
        {"command": ["sh", "-c"], "args": ['psql -h "$PGHOST" -c "select 1"']},
        {"command": ["psql", "-h", "$(PGHOST)"]},
        {"command": ["psql", "-h", "127.0.0.1"]},
        {"command": ["sh", "-c", "until pg_isready -h localhost; do sleep 1; done; exec app"]},
        {"command": ["sh", "-c", 'psql -h "127.0.0.1" -c "select 1"']},
        {"command": ["java", "-Durl=jdbc:postgresql://localhost:5432/orders", "-jar", "app.jar"]},
        {"command": ["curl", "-h", "postgres"]},
        {"args": ["psql 'postgresql://$(PGUSER)@$(PGHOST)/x'"]},
        {"command": ["sh", "-c", "export PGHOST=${PGHOST:-warehouse} PGPORT=5432; exec app"]},
        {"command": ["sh", "-c", 'export PGHOST="$DB_HOST";exec app'], "env": own(DB_HOST="localhost")},
        {"command": ["sh", "-c", 'test "$PGHOST" = "" && exit 1; exec app --as=PGHOST=x']},
        {"command": ["sh", "-c", "DB_HOST=warehouse exec app"]},
    ],
)
def test_a_program_that_is_told_no_server_gets_them(words: dict[str, Any]) -> None:
    given = environment(injected(pod(container(**words))))

    assert {name: given.get(name) for name in PG} == PG
