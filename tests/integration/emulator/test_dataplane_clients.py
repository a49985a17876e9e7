"""Google's own Python connector against the data plane."""

from collections.abc import Callable, Iterator

import psycopg
import pytest
from google.cloud.sql.connector import Connector, RefreshStrategy

from cloudsql_emulator.connector_api import CheckoutCredentials, connector_api
from cloudsql_emulator.standalone import standalone_ground

INSTANCE = "acme:europe-west1:orders"


@pytest.fixture(scope="module")
def connect() -> Iterator[Callable[..., psycopg.Connection]]:
    with (
        standalone_ground() as ground,
        ground.instance() as instance,
        connector_api(instance) as url,
        Connector(
            sqladmin_api_endpoint=url, credentials=CheckoutCredentials(), refresh_strategy=RefreshStrategy.LAZY
        ) as connector,
    ):

        def connect(user: str, **how: object) -> psycopg.Connection:
            connection: psycopg.Connection = connector.connect(INSTANCE, "psycopg", user=user, db="orders", **how)
            return connection

        yield connect


Connect = Callable[..., psycopg.Connection]


def test_automatic_iam_authentication_logs_the_connectors_identity_in(connect: Connect) -> None:
    with connect("checkout@acme.iam", enable_iam_auth=True) as connection:
        row = connection.execute("SELECT session_user").fetchone()

    assert row == ("checkout@acme.iam",)


def test_automatic_iam_authentication_logs_nobody_else_in(connect: Connect) -> None:
    with pytest.raises(psycopg.OperationalError, match="Cloud SQL IAM service account authentication failed"):
        connect("reports@acme.iam", enable_iam_auth=True)


def test_a_builtin_users_password_works_through_the_connector(connect: Connect) -> None:
    with connect("bob", password="bob-password") as connection:
        assert connection.execute("SELECT session_user").fetchone() == ("bob",)


def test_a_token_works_as_a_password_through_the_connector(connect: Connect) -> None:
    with connect("checkout@acme.iam", password="checkout-token") as connection:
        assert connection.execute("SELECT session_user").fetchone() == ("checkout@acme.iam",)


def test_megabytes_pass_through_the_connector(connect: Connect) -> None:
    text = "0123456789abcdef" * 100_000

    with connect("checkout@acme.iam", enable_iam_auth=True) as connection:
        row = connection.execute("SELECT %s || '!'", (text,)).fetchone()

    assert row == (text + "!",)
