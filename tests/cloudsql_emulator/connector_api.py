"""The two Admin API calls that Google's connectors make, served for a standalone instance, and credentials for them."""

import contextlib
import datetime as dt
from collections.abc import Iterator
from typing import Self

from aiohttp import web
from google.auth.credentials import Credentials, Scoped

from cloudsql_emulator.standalone import StandaloneInstance

_PATH = "/sql/v1beta4/projects/acme/instances/orders"


class CheckoutCredentials(Credentials, Scoped):
    """The service account checkout's credentials, whose token every scope is in."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # google-auth leaves it untyped
        self.refresh(None)

    @property
    def requires_scopes(self) -> bool:
        """Nobody has to ask for scopes."""
        return False

    def with_scopes(self, scopes: object, default_scopes: object = None) -> Self:
        """The same."""
        return type(self)()

    def refresh(self, request: object) -> None:
        """Renew the token, which never changes."""
        self.token = "checkout-token"
        # google-auth compares with naive times in UTC.
        self.expiry = dt.datetime.now(dt.UTC).replace(tzinfo=None) + dt.timedelta(hours=1)


@contextlib.contextmanager
def connector_api(instance: StandaloneInstance) -> Iterator[str]:
    """The base address of an API that knows `acme:europe-west1:orders`, which is the instance, and nothing else."""
    runner = web.AppRunner(_application(instance))
    yield instance.loop.run(_serve(runner))
    instance.loop.run(runner.cleanup())


def _application(instance: StandaloneInstance) -> web.Application:
    async def connect_settings(_: web.Request) -> web.Response:
        return web.json_response(
            {
                "kind": "sql#connectSettings",
                "region": "europe-west1",
                "backendType": "SECOND_GEN",
                "databaseVersion": "POSTGRES_17",
                "ipAddresses": [{"type": "PRIMARY", "ipAddress": instance.plane.address}],
                "serverCaCert": {"kind": "sql#sslCert", "cert": instance.certificates.server_ca_pem},
            }
        )

    async def generate_ephemeral_cert(request: web.Request) -> web.Response:
        body = await request.json()
        owner = instance.google.token_principal(body.get("access_token", ""))
        issued = instance.certificates.issue_client(body["public_key"], owner.member if owner else None)
        return web.json_response({"ephemeralCert": {"kind": "sql#sslCert", "cert": issued.pem}})

    application = web.Application()
    application.router.add_get(f"{_PATH}/connectSettings", connect_settings)
    application.router.add_post(f"{_PATH}:generateEphemeralCert", generate_ephemeral_cert)
    return application


async def _serve(runner: web.AppRunner) -> str:
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    return f"http://{host}:{port}"
