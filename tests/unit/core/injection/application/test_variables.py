"""Which variables say where the database is, mode by mode, for one instance and for several."""

from dataclasses import replace
from typing import Any

import pytest

from cloudsql_iam_operator.api.instance import IPType
from cloudsql_iam_operator.api.user import KubernetesServiceAccount
from cloudsql_iam_operator.core.injection.facts import InstanceFact
from cloudsql_iam_operator.core.injection.outcome import Code, Injected, Unchanged
from support.podshapes import CHECKOUT, PG, container, denied, environment, injected, planned, pod, proxy, users

AUDIT = replace(
    CHECKOUT,
    name="audit-log",
    principal=KubernetesServiceAccount("checkout"),
    instance_name="audit",
    instance=InstanceFact("audit", "acme-prod:europe-west1:audit", IPType.PUBLIC),
    databases=("audit",),
)
BOTH = users(CHECKOUT, AUDIT)
ANY = {"inject": "true", "user": "checkout,audit-log"}
CONNECTION = "acme-prod:europe-west1:orders"


def got(annotations: dict[str, str], facts: Any = None) -> dict[str, str]:
    body = pod(annotations=annotations)
    return environment(injected(body) if facts is None else injected(body, facts))


@pytest.mark.parametrize(
    ("annotations", "variables"),
    [
        ({}, PG),
        ({"env": "pg"}, PG),
        ({"env": "none"}, {}),
        (
            {"env": "prefix"},
            {
                "DB_HOST": "127.0.0.1",
                "DB_PORT": "5432",
                "DB_USER": "checkout@acme-prod.iam",
                "DB_NAME": "orders",
                "DB_SSLMODE": "disable",
                "DB_INSTANCE": CONNECTION,
            },
        ),
        (
            {"env": "url"},
            {"DATABASE_URL": "postgresql://checkout%40acme-prod.iam@127.0.0.1:5432/orders?sslmode=disable"},
        ),
        (
            {"unix-socket": "/run/sql"},
            {**PG, "PGHOST": f"/run/sql/{CONNECTION}"},
        ),
        (
            {"unix-socket": "/run/sql", "env": "url"},
            {
                "DATABASE_URL": "postgresql://checkout%40acme-prod.iam@/orders"
                "?host=%2Frun%2Fsql%2Facme-prod%3Aeurope-west1%3Aorders"
            },
        ),
    ],
)
def test_one_instance(annotations: dict[str, str], variables: dict[str, str]) -> None:
    assert got(annotations) == variables


def test_a_prefix_alone_chooses_the_mode() -> None:
    assert list(got({"env-prefix": "ORDERS_"}))[:2] == ["ORDERS_HOST", "ORDERS_PORT"]


def test_tls_is_not_named_beside_the_names_that_libpq_reads() -> None:
    assert "PGSSLMODE" not in got({})


def test_several_users_are_several_instances_with_names_of_their_own() -> None:
    variables = got(ANY, BOTH)

    assert {name: variables[name] for name in variables if name.endswith(("PORT", "INSTANCE", "NAME"))} == {
        "CHECKOUT_PORT": "5432",
        "CHECKOUT_NAME": "orders",
        "CHECKOUT_INSTANCE": CONNECTION,
        "AUDIT_LOG_PORT": "5433",
        "AUDIT_LOG_NAME": "audit",
        "AUDIT_LOG_INSTANCE": "acme-prod:europe-west1:audit",
    }
    assert proxy(injected(pod(annotations=ANY), BOTH))["args"][-2:] == [
        f"{CONNECTION}?port=5432&auto-iam-authn=true&private-ip=true",
        "acme-prod:europe-west1:audit?port=5433&auto-iam-authn=true",
    ]


def test_the_first_of_several_can_have_the_names_that_libpq_reads() -> None:
    assert got({**ANY, "env": "pg"}, BOTH) == PG


def test_an_instance_without_a_user_is_reached_by_password() -> None:
    body = injected(pod(annotations={"inject": "true", "instances": "p:r:legacy"}))

    assert environment(body) == {"PGHOST": "127.0.0.1", "PGPORT": "5432"}
    assert "--auto-iam-authn" not in proxy(body)["args"]
    assert proxy(body)["args"][-1] == "p:r:legacy"


def test_an_instance_of_a_user_can_be_told_its_port_and_address() -> None:
    wish = f'[{{"name": "{CONNECTION}", "port": 6000, "ipType": "psc"}}]'

    arguments = proxy(injected(pod(annotations={"instances": wish})))["args"]

    assert {"--port=6000", "--psc", "--auto-iam-authn", CONNECTION} <= set(arguments)
    assert got({"instances": wish})["PGPORT"] == "6000"


MYSQL = [
    {"inject": "true", "instances": '[{"name": "p:r:i", "port": 3306}]'},
    {"inject": "true", "instances": "p:r:i", "port": "3306"},
    {"instances": '[{"name": "p:r:i", "port": 1433}]', "env": "prefix"},
]


@pytest.mark.parametrize("annotations", MYSQL)
def test_variables_are_not_given_for_a_port_of_mysql_or_sql_server(annotations: dict[str, str]) -> None:
    told = denied(pod(annotations=annotations))

    assert told.startswith("422 iam.cloudsql.dev/instances names p:r:i, with ")
    assert told.endswith("are for PostgreSQL: set iam.cloudsql.dev/env to none for a proxy alone")
    assert proxy(injected(pod(annotations=annotations | {"env": "none"})))


def test_a_user_may_be_reached_on_any_port() -> None:
    assert got({"port": "3306"})["PGPORT"] == "3306"


def test_twenty_instances_have_ports_in_their_order_in_every_pod() -> None:  # 17
    named = ",".join(f"p:r:i{number}" for number in range(20))
    body = pod(annotations={"inject": "true", "instances": named})

    arguments = proxy(injected(body))["args"]

    assert arguments[-20:] == [f"p:r:i{number}?port={5432 + number}" for number in range(20)]
    assert planned(body) == planned(body)


@pytest.mark.parametrize(
    ("instances", "told"),
    [
        ("p:r:a-b,p:s:a-b", "two instances would have variables of the same names (a-b)"),
        ('["p:r:a", {"name": "p:r:b", "ipType": "auto"}]', "ip-type: auto is for all instances"),
    ],
)
def test_instances_that_cannot_go_together_are_refused(instances: str, told: str) -> None:
    assert told in denied(pod(annotations={"inject": "true", "instances": instances}))


def test_two_users_of_one_instance_are_refused() -> None:
    facts = users(CHECKOUT, replace(AUDIT, instance=CHECKOUT.instance))

    assert "names two users of acme-prod:europe-west1:orders" in denied(pod(annotations=ANY), facts)


def test_a_database_with_odd_letters_is_encoded_in_a_url() -> None:
    facts = users(replace(CHECKOUT, databases=("a/b?c ä",)))

    assert got({"env": "url"}, facts)["DATABASE_URL"].endswith("@127.0.0.1:5432/a%2Fb%3Fc%20%C3%A4?sslmode=disable")


def test_a_connector_in_the_application_gets_what_it_needs_and_no_proxy() -> None:
    body = injected(pod(annotations={"inject": "env", "user": "checkout"}))

    assert environment(body) == {
        "INSTANCE_CONNECTION_NAME": CONNECTION,
        "DB_IAM_USER": "checkout@acme-prod.iam",
        "DB_NAME": "orders",
        "DB_IP_TYPE": "private",
    }
    assert "initContainers" not in body["spec"]
    assert [c["name"] for c in body["spec"]["containers"]] == ["web"]


def test_several_connectors_have_names_of_their_own() -> None:
    variables = got({"inject": "env", "user": "checkout,audit-log", "env-prefix": "A_"}, BOTH)

    assert [name for name in variables if name.endswith("CONNECTION_NAME")] == [
        "A_CHECKOUT_INSTANCE_CONNECTION_NAME",
        "A_AUDIT_LOG_INSTANCE_CONNECTION_NAME",
    ]


def test_a_pod_with_a_connector_is_injected_once() -> None:
    body = injected(pod(annotations={"inject": "env"}))

    assert planned(body) == Unchanged(Code.ALREADY_INJECTED)
    body["spec"]["containers"].append(container("late"))
    outcome = planned(body)
    assert isinstance(outcome, Injected)
    assert outcome.operations[0].path == "/spec/containers/1/env"


def test_a_windows_pod_can_have_a_connector() -> None:
    body = injected(pod(annotations={"inject": "env"}, os={"name": "windows"}))

    assert environment(body)["INSTANCE_CONNECTION_NAME"] == CONNECTION
