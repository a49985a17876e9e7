"""Google's own Python connector against the data plane, with the two API calls that it makes served by this file."""

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Self

import psycopg
import pytest
from aiohttp import web
from google.auth.credentials import Credentials, Scoped
from google.cloud.sql.connector import Connector, RefreshStrategy

from cloudsql_emulator.background import BackgroundLoop
from cloudsql_emulator.standalone import StandaloneInstance, populated_server, standalone_instance

INSTANCE = "acme:europe-west1:orders"


class Checkout(Credentials, Scoped):
    """The service account checkout's credentials, whose token every scope is in."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # google-auth leaves it untyped
        self.refresh(None)

    @property
    def requires_scopes(self) -> bool:
        return False

    def with_scopes(self, scopes: object, default_scopes: object = None) -> Self:
        return type(self)()

    def refresh(self, request: object) -> None:
        self.token = "checkout-token"
        # google-auth compares with naive times in UTC.
        self.expiry = dt.datetime.now(dt.UTC).replace(tzinfo=None) + dt.timedelta(hours=1)


@pytest.fixture(scope="module")
def loop() -> Iterator[BackgroundLoop]:
    with BackgroundLoop() as loop:
        yield loop


@pytest.fixture(scope="module")
def instance(loop: BackgroundLoop) -> Iterator[StandaloneInstance]:
    with populated_server(loop) as server, standalone_instance(loop, server) as instance:
        yield instance


@pytest.fixture(scope="module")
def connect(instance: StandaloneInstance) -> Iterator[Callable[..., psycopg.Connection]]:
    runner = web.AppRunner(connector_api(instance))
    url = instance.loop.run(serve(runner))
    with Connector(
        sqladmin_api_endpoint=url, credentials=Checkout(), refresh_strategy=RefreshStrategy.LAZY
    ) as connector:

        def connect(user: str, **how: object) -> psycopg.Connection:
            connection: psycopg.Connection = connector.connect(INSTANCE, "psycopg", user=user, db="orders", **how)
            return connection

        yield connect
    instance.loop.run(runner.cleanup())


def connector_api(instance: StandaloneInstance) -> web.Application:
    certificates = instance.certificates

    async def connect_settings(_: web.Request) -> web.Response:
        return web.json_response(
            {
                "kind": "sql#connectSettings",
                "region": "europe-west1",
                "backendType": "SECOND_GEN",
                "databaseVersion": "POSTGRES_17",
                "ipAddresses": [{"type": "PRIMARY", "ipAddress": instance.plane.address}],
                "serverCaCert": {"kind": "sql#sslCert", "cert": certificates.server_ca_pem},
            }
        )

    async def generate_ephemeral_cert(request: web.Request) -> web.Response:
        body = await request.json()
        owner = instance.google.token_principal(body.get("access_token", ""))
        issued = certificates.issue_client(body["public_key"], owner.member if owner else None)
        return web.json_response({"ephemeralCert": {"kind": "sql#sslCert", "cert": issued.pem}})

    application = web.Application()
    path = "/sql/v1beta4/projects/acme/instances/orders"
    application.router.add_get(f"{path}/connectSettings", connect_settings)
    application.router.add_post(f"{path}:generateEphemeralCert", generate_ephemeral_cert)
    return application


async def serve(runner: web.AppRunner) -> str:
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    return f"http://{host}:{port}"


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
