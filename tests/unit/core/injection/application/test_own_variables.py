"""A container that knows a database already gets all of our variables, or none: never half of each."""

from typing import Any

import pytest

from support.podshapes import PG, container, environment, injected, own, pod, warnings

ELSEWHERE = [
    own(PGHOST="warehouse.acme.example"),
    own(PGHOST=None),
    own(PGHOST="127.0.0.1", PGPORT="6432"),
    own(PGPORT="6432"),
    own(PGHOSTADDR="10.0.0.3"),
    own(PGSERVICE="warehouse"),
    own(PGSERVICEFILE="/etc/pg_service.conf"),
    own(DATABASE_URL="postgres://reporter@warehouse.acme.example/x"),
    own(ANYTHING="postgresql://warehouse.acme.example/x"),
    own(SPRING_DATASOURCE_URL="jdbc:postgresql://warehouse/x"),
    own(SQLALCHEMY="postgresql+psycopg://warehouse/x"),
    own(DATABASE_URL=None),
    own(DSN="host=warehouse.acme.example user=reporter dbname=x"),
    own(DSN="host=warehouse.acme.example user=reporter"),
    own(DSN="hostaddr=10.0.0.3 port=5432 dbname=x"),
    own(DSN="host = 'warehouse' user = reporter dbname=x"),
    own(ConnectionStrings__Orders="Host=warehouse;Database=x;Username=reporter"),
    own(ConnectionStrings__Orders="Server=warehouse;Port=5432;Database=x"),
    own(URL="postgres://u:p@127.0.0.1:6432/x"),
    own(URL="postgres://127.0.0.1,warehouse/x"),
    own(URL="postgres://app:$(PGPASSWORD)@warehouse/x"),
    own(URL="postgres:///x?host=/run/postgresql"),
    own(JDBC="jdbc:postgresql:///x?cloudSqlInstance=a:b:c&socketFactory=com.google.cloud.sql.postgres.SocketFactory"),
    own(R2DBC="r2dbc:postgresql://warehouse/x"),
    own(DATA_SOURCE_URI="warehouse:5432/x?sslmode=disable"),
    own(DATA_SOURCE_NAME=None),
    own(SPRING_DATASOURCE_URL=None),
    own(ORDERS_DATABASE_URL=None),
    own(SQLALCHEMY_DATABASE_URI=None),
    own(PGHOST="localhost", PGPORT="6432"),
    own(PGHOST=""),
    own(PGHOST="warehouse.acme.example", PGPASSWORD=None, PGUSER="reporter"),
    own(DATABASE_URL="postgis://u@warehouse/x"),
    own(DATABASE_URL="psql://u@warehouse/x"),
    own(DATABASE_URL="postgresql_psycopg2://u@warehouse/x"),
    own(DATABASE_URL="cockroachdb+psycopg://u@warehouse:26257/x"),
    own(DATABASE_URL="postgres://u:p@//cloudsql/p:r:i/x"),
    own(DATABASE_URL="postgresql://u@/x?host=/cloudsql/p:r:i"),
    own(DATABASE_URL="postgresql:///x?host=warehouse"),
    own(DB="warehouse", DATABASE_URL="postgres://u@$(DB):5432/x"),
    own(DB=None, DATABASE_URL="postgres://u@$(DB):5432/x"),
    own(DATABASE_URL="jdbc:postgresql://${DB_HOST:warehouse}:5432/x"),
    own(DATABASE_URL="jdbc:postgresql://${DB_HOST}:5432/x"),
    own(DATABASE_URL="jdbc:postgresql://${DB_HOST:localhost}/x", DB_HOST="warehouse"),
    own(DATABASE_URL="jdbc:postgresql://${db.host:localhost}/x", DB_HOST=None),
    own(DATABASE_URL="jdbc:postgresql://localhost:${DB_PORT:6432}/x"),
    own(H="warehouse", PGHOST="$(H)"),
    own(DATA_SOURCE_URI="127.0.0.1:6432/x"),
    own(DATA_SOURCE_URI="${DB_HOST:-warehouse}:5432/x"),
    own(AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=None),
    own(AIRFLOW__CELERY__RESULT_BACKEND="db+postgresql://u@warehouse/x"),
    own(KC_DB_URL=None),
    own(PGRST_DB_URI=None),
    own(SPRING_R2DBC_URL=None),
    own(FLYWAY_URL=None),
    own(MB_DB_CONNECTION_URI=None),
    own(POSTGRES_CONNECTION_STRING=None),
    own(ConnectionStrings__Orders=None),
    own(jdbc_url=None),
    own(PGURL=None),
    own(databaseUrl=None),
]
SAME = [
    own(PGHOST="localhost"),
    own(PGHOST="localhost", PGPORT="5432"),
    own(DATABASE_URL="postgres://app:secret@127.0.0.1:5432/orders"),
    own(DATABASE_URL="postgresql://localhost/orders"),
    own(JDBC_URL="jdbc:postgresql://localhost:5432/orders?user=app"),
    own(DSN="host=127.0.0.1 user=app dbname=orders"),
    own(DATABASE_URL="mysql://warehouse/x"),
    own(SENTRY_DSN=None),
    own(HOSTS="host=a;b"),
    [],
    own(PGHOST="127.0.0.1"),
    own(PGHOST="127.0.0.1", PGPORT="5432"),
    own(DSN="postgres://$(PGUSER)@$(PGHOST):$(PGPORT)/$(PGDATABASE)"),
    own(DSN="postgresql:///orders"),
    own(DSN="postgresql:///orders?application_name=web"),
    own(DSN="postgres://${PGUSER}@$PGHOST/orders"),
    own(SPRING_DATASOURCE_URL="jdbc:postgresql://${PGHOST:localhost}:${PGPORT:5432}/orders"),
    own(SPRING_DATASOURCE_URL="jdbc:postgresql://${DB_HOST:localhost}:${DB_PORT:5432}/orders"),
    own(URL="postgres://${DB_USER:-app}:${DB_PASSWORD}@${DB_HOST:-127.0.0.1}/x"),
    own(URL="jdbc:postgresql://${db.host:${fallback-host:localhost}}/x"),
    own(DB_HOST="localhost", URL="postgres://${DB_HOST:warehouse}/x"),
    own(URL="postgres://localhost:${PGPORT:5432}/x"),
    own(DATA_SOURCE_URI="${DB_HOST:-localhost}:${DB_PORT:-5432}/x?sslmode=disable"),
    own(DATA_SOURCE_URI="$(PGHOST):$(PGPORT)/x"),
    own(REDIS_URL="redis://cache"),
    own(PGAPPNAME="web", PGCONNECT_TIMEOUT="5"),
    own(DB="127.0.0.1", DATABASE_URL="postgres://u@$(DB):5432/x"),
    own(DB_HOST="localhost", DB_PORT="5432", DATABASE_URL="postgres://u@$(DB_HOST):$(DB_PORT)/x"),
    own(DATABASE_URL="postgresql:///x?host=127.0.0.1"),
    own(URL="postgres://u@0.0.0.0:5432/x"),
    own(URL="postgres://u@LOCALHOST/x"),
    own(DATA_SOURCE_URI="localhost:5432/x?sslmode=disable"),
    own(MYSQL_DATABASE_URL=None),
    own(MONGO_DB_URL=None),
    own(ConnectionStrings__Redis=None),
    own(DB_MAX_CONN=None),
    own(CS="Server=mysql;Uid=u;Pwd=p;Database=x"),
    own(CS="Server=tcp:x.database.windows.net,1433;Database=x;User ID=u"),
    own(DB_HOST="mysql.acme.example"),
    own(POSTGRES_HOST="warehouse"),
]


@pytest.mark.parametrize("env", ELSEWHERE, ids=lambda env: "+".join(e["name"] for e in env))
def test_a_container_with_another_database_gets_none_of_our_variables_and_a_warning(env: list[dict[str, Any]]) -> None:
    body = pod(container(), container("exporter", env=env))

    assert injected(body)["spec"]["containers"][1]["env"] == env
    assert environment(injected(body)) == PG
    (warning,) = warnings(body)
    assert warning.startswith("container exporter says where its database is by ")
    assert any(variable["name"] in warning for variable in env)


@pytest.mark.parametrize("env", SAME, ids=lambda env: "+".join(e["name"] for e in env))
def test_a_container_that_means_the_proxy_gets_what_it_lacks(env: list[dict[str, Any]]) -> None:
    body = pod(container(env=env))

    kept = {name: value for name, value in environment(pod(container(env=env))).items() if name in PG}
    assert {name: environment(injected(body))[name] for name in PG} == PG | kept
    assert warnings(body) == ()


def test_a_url_to_the_port_that_the_proxy_moved_away_from_is_another_servers() -> None:
    env = own(DATABASE_URL="postgres://app@127.0.0.1:5432/x")
    body = pod(container(env=env), container("db", image="postgres:17"))

    assert list(environment(injected(body))) == ["DATABASE_URL"]


def test_a_warning_lists_a_few_of_many_names() -> None:
    env = own(**{f"URL_{letter}": "postgres://warehouse/x" for letter in "ABCDEFGH"})

    (warning,) = warnings(pod(container(env=env)))

    assert "by URL_A, URL_B, URL_C, URL_D and 4 more: it gets" in warning


def test_a_host_from_another_variable_is_kept_without_a_word_when_it_is_the_same() -> None:
    env = own(H="127.0.0.1", PGHOST="$(H)")

    assert environment(injected(pod(container(env=env)))) == {**PG, "H": "127.0.0.1", "PGHOST": "$(H)"}
    assert warnings(pod(container(env=env))) == ()


def test_a_name_that_is_kept_is_pointed_out() -> None:  # 64
    body = pod(container(env=own(PGUSER="admin")))

    assert environment(injected(body)) == {**PG, "PGUSER": "admin"}
    assert warnings(body) == ("container web keeps its own PGUSER; it may not reach the database that way",)


@pytest.mark.parametrize(
    "env",
    [
        own(PGSSLMODE="require"),
        own(PGSSLMODE="verify-full"),
        own(PGCHANNELBINDING="require"),
        own(PGSSLMODE="no-verify"),
        own(PGSSLNEGOTIATION="direct"),
        own(PGGSSENCMODE="require"),
    ],
)
def test_a_demand_for_tls_from_the_time_before_is_pointed_out(env: list[dict[str, Any]]) -> None:
    (warning,) = warnings(pod(container(env=env)))

    assert warning == (
        f"container web demands TLS by {env[0]['name']}={env[0]['value']}, which ends in the proxy: take that out"
    )


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u:secret@127.0.0.1/x?sslmode=require",
        "jdbc:postgresql://localhost:5432/x?ssl=true",
        "jdbc:postgresql://localhost:5432/x?sslMode=verify-full",
        "postgresql+asyncpg://u@127.0.0.1/x?ssl=require",
        "Host=127.0.0.1;Database=x;SSL Mode=Require",
    ],
)
def test_a_url_that_demands_tls_from_the_proxy_is_pointed_out_by_its_name(url: str) -> None:
    (warning,) = warnings(pod(container(env=own(URL=url))))

    assert warning == "container web demands TLS by URL, which ends in the proxy: take that out"


def test_tls_to_another_server_is_none_of_our_business() -> None:
    (warning,) = warnings(pod(container(env=own(PGHOST="warehouse", PGSSLMODE="verify-full"))))

    assert "demands TLS" not in warning


@pytest.mark.parametrize(
    "env",
    [own(DB_HOST="warehouse"), own(DB_PORT="1")],
)
def test_variables_with_a_prefix_go_together_too(env: list[dict[str, Any]]) -> None:
    body = pod(container(env=env), annotations={"env": "prefix"})

    assert injected(body)["spec"]["containers"][0]["env"] == env


def test_a_url_of_the_same_name_stays() -> None:
    env = own(DATABASE_URL="postgres://warehouse/x")

    assert injected(pod(container(env=env), annotations={"env": "url"}))["spec"]["containers"][0]["env"] == env


def test_variables_from_a_config_map_are_pointed_out() -> None:  # 65
    assert warnings(pod(container(envFrom=[{"configMapRef": {"name": "db"}}]))) == (
        "PG* variables of the proxy win over those from envFrom in web",
    )


def test_a_container_that_is_left_out_may_come_later() -> None:
    body = injected(pod(annotations={"containers": "!agent"}))
    body["spec"]["containers"].append(container("agent"))
    body["spec"]["containers"].append(container("other"))

    after = injected(body)

    assert environment(after, "agent") == {}
    assert environment(after, "other") == PG
    assert warnings(pod(annotations={"containers": "!agent"})) == ()


def test_a_typing_error_among_those_left_out_is_pointed_out() -> None:
    assert warnings(pod(container("metrics"), container(), annotations={"containers": "!metrcis"})) == (
        "iam.cloudsql.dev/containers leaves out metrcis, which the pod does not have: did you mean metrics?",
    )


def test_a_postgresql_server_in_the_pod_gets_none_of_its_clients_variables() -> None:
    server = container(
        "postgres",
        image="postgres:17",
        ports=[{"containerPort": 5432}],
        env=[{"name": "POSTGRES_HOST_AUTH_METHOD", "value": "trust"}],
    )

    body = injected(pod(container(), server))

    assert environment(body, "postgres") == {"POSTGRES_HOST_AUTH_METHOD": "trust"}
    assert environment(body) == {**PG, "PGPORT": "5433"}


def test_a_client_from_the_image_of_the_server_gets_them() -> None:
    client = container("migrate", image="postgres:17", command=["psql", "-XAt", "-c", "select 1"])

    assert environment(injected(pod(client)), "migrate") == PG
