"""A whole emulated Google Cloud that listens: in this process for tests, or as the command `python -m`."""

import ssl
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Self

from aiohttp import web

from cloudsql_emulator.admin_client import AdminClient
from cloudsql_emulator.api.front import Front
from cloudsql_emulator.api.iam.credentials import Credentials
from cloudsql_emulator.api.iam.resource_manager import ResourceManager
from cloudsql_emulator.api.iam.roles import IamRoles
from cloudsql_emulator.api.iam.service_accounts import ServiceAccounts
from cloudsql_emulator.api.oauth import TokenEndpoint
from cloudsql_emulator.api.service_usage import ServiceUsage
from cloudsql_emulator.api.sql.changes import SqlChanges
from cloudsql_emulator.api.sql.databases import SqlDatabases
from cloudsql_emulator.api.sql.flags import SqlFlags
from cloudsql_emulator.api.sql.instances import SqlInstances
from cloudsql_emulator.api.sql.operations import SqlOperations
from cloudsql_emulator.api.sql.users import SqlUsers
from cloudsql_emulator.api.sts import SecurityTokenService
from cloudsql_emulator.background import BackgroundLoop
from cloudsql_emulator.cloud import Cloud
from cloudsql_emulator.config import Config, Listen, Metadata
from cloudsql_emulator.control_port import PREFIX, ControlPort
from cloudsql_emulator.controls import Controls
from cloudsql_emulator.hosting import Host
from cloudsql_emulator.metadata.identities import ClusterIdentities, Identities, StaticIdentities
from cloudsql_emulator.metadata.server import MetadataServer
from cloudsql_emulator.witness import Witness

GROUPS = (
    *(SqlUsers, SqlInstances, SqlChanges, SqlDatabases, SqlFlags, SqlOperations),
    *(ResourceManager, ServiceAccounts, Credentials, IamRoles, ServiceUsage),
)
"""What serves Google's methods."""

GRACE = 0.5
"""Seconds that calls under way have at the end."""


class AsyncEmulator:
    """All parts, in the event loop that `start` was called in.

    `addresses` has `api` and `control` (base addresses), `metadata` (host:port), and each instance's address by its
    connection name.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self.cloud = Cloud(config)
        self.addresses: dict[str, str] = {}
        self._hosts = [Host(self.cloud, instance) for instance in config.instances]
        self._running: list[Host] = []
        self._runners: list[web.AppRunner] = []

    async def start(self) -> None:
        """Start instances, then the APIs; on failure nothing is left running.

        Raises:
            OSError: an address is taken or is not this machine's.
            PostgresUnavailable: this machine cannot run PostgreSQL.
        """
        async with AsyncExitStack() as on_failure:
            on_failure.push_async_callback(self.stop)
            for host in self._hosts:
                await host.start()
                self._running.append(host)
                self.addresses[host.instance.connection_name] = host.instance.address
            self.addresses["api"] = await self._listen(self._config.api, self._api())
            if self._config.metadata:
                url = await self._listen(self._config.metadata.listen, self._metadata(self._config.metadata))
                self.addresses["metadata"] = url.partition("://")[2]
            self.addresses["control"] = await self._listen(self._config.control, self._control())
            on_failure.pop_all()

    async def stop(self) -> None:
        """End everything."""
        for runner in self._runners:
            await runner.cleanup()
        await self.cloud.operations.stop()
        for host in self._running:
            await host.stop()
        self._runners, self._running = [], []

    def witness(self, witness: Witness) -> None:
        """Have every call told to this witness."""
        self.cloud.witness = witness
        for host in self._running:
            host.witness(witness)

    def _api(self) -> web.Application:
        front = Front(
            self.cloud, {name: handler for group in GROUPS for name, handler in group(self.cloud).handlers.items()}
        )
        application = web.Application()
        application.router.add_post("/token", TokenEndpoint(self.cloud).handle)
        application.router.add_post("/v1/token", SecurityTokenService(self.cloud).handle)
        application.router.add_route("*", "/{path:.*}", front.handle)
        return application

    def _metadata(self, config: Metadata) -> web.Application:
        identities: Identities = StaticIdentities(config.by_address, config.default)
        if config.kubeconfig:
            identities = ClusterIdentities(Path(config.kubeconfig), f"{config.project}.svc.id.goog")
        application = web.Application()
        server = MetadataServer(self.cloud, config, identities)
        application.router.add_get("/{path:.*}", server.handle)
        return application

    def _control(self) -> web.Application:
        application = web.Application()
        port = ControlPort(Controls(self.cloud, self._hosts, self.addresses))
        application.router.add_route("*", PREFIX + "{name}", port.handle)
        return application

    async def _listen(self, where: Listen, application: web.Application) -> str:
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=GRACE)
        await runner.setup()
        self._runners.append(runner)
        tls = _tls(where)
        await web.TCPSite(runner, where.host, where.port, ssl_context=tls).start()
        host, port = runner.addresses[0][:2]
        return f"{'https' if tls else 'http'}://{host}:{port}"


class Emulator:
    """An AsyncEmulator in a thread of its own, for tests; a context manager too."""

    def __init__(self, config: Config) -> None:
        self._emulator = AsyncEmulator(config)
        self._loop: BackgroundLoop | None = None

    def start(self) -> Self:
        """Start it; what it raises is AsyncEmulator's."""
        with ExitStack() as on_failure:
            loop = on_failure.enter_context(BackgroundLoop())
            loop.run(self._emulator.start())
            on_failure.pop_all()
        self._loop = loop
        return self

    def stop(self) -> None:
        """End it, with its thread."""
        if self._loop is not None:
            self._loop.run(self._emulator.stop())
            self._loop.close()
            self._loop = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def api_url(self) -> str:
        """The base address of all of Google's APIs, without a trailing slash."""
        return self._emulator.addresses["api"]

    @property
    def token_url(self) -> str:
        """The OAuth token endpoint."""
        return f"{self.api_url}/token"

    @property
    def metadata_host(self) -> str:
        """host:port of the metadata server, for GCE_METADATA_HOST."""
        return self._emulator.addresses["metadata"]

    @property
    def admin_url(self) -> str:
        """The base address of the control port."""
        return self._emulator.addresses["control"]

    @property
    def admin(self) -> AdminClient:
        """A client of the control port."""
        return AdminClient(self.admin_url)

    def instance_address(self, connection_name: str) -> str:
        """Where an instance listens, on 3307 and 5432."""
        return self._emulator.addresses[connection_name]

    def witness(self, witness: Witness) -> None:
        """Have every call told to this witness, from the emulator's own thread."""
        self._emulator.witness(witness)

    def superuser_dsn(self, connection_name: str, database: str = "postgres") -> str:
        """A libpq string past the data plane, as Google's own account: for looking at what is really there."""
        project, _, name = connection_name.rsplit(":", 2)
        instance = self._emulator.cloud.instances[project, name]
        return instance.server.cluster.dsn(database=database)


def _tls(where: Listen) -> ssl.SSLContext | None:
    if where.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(where.certificate, where.key)
    return context
