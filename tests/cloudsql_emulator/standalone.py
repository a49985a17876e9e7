"""One emulated instance whose Google is a record: the data plane and PostgreSQL without the HTTP APIs."""

import contextlib
import itertools
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from cloudsql_emulator.background import BackgroundLoop
from cloudsql_emulator.certificates import InstanceCertificates
from cloudsql_emulator.dataplane import DataPlane, InstanceSettings, LoginAttempt, TokenPrincipal
from cloudsql_emulator.postgres import Server
from cloudsql_emulator.tunnel import Tunnel

PROJECT = "acme"
INSTANCE = "orders"
DATABASE = "orders"

CHECKOUT = "serviceAccount:checkout@acme.iam.gserviceaccount.com"
REPORTS = "serviceAccount:reports@acme.iam.gserviceaccount.com"
ALICE = "user:alice@example.com"
NEWCOMER = "user:newcomer@example.com"
"""CHECKOUT, REPORTS and ALICE are users; REPORTS may not log in; NEWCOMER is in a group that may."""

_LOGIN = frozenset({"https://www.googleapis.com/auth/sqlservice.login"})
_ADMIN = frozenset({"https://www.googleapis.com/auth/sqlservice.admin"})
_TOKENS = {
    "checkout-token": TokenPrincipal(CHECKOUT, _LOGIN),
    "checkout-admin-token": TokenPrincipal(CHECKOUT, _ADMIN),
    "reports-token": TokenPrincipal(REPORTS, _LOGIN),
    "alice-token": TokenPrincipal(ALICE, _LOGIN),
    "newcomer-token": TokenPrincipal(NEWCOMER, _LOGIN),
}


@dataclass
class RecordedGoogle:
    """A LoginAuthority that answers from what is written in it; change it at any time."""

    server: Server
    tokens: dict[str, TokenPrincipal] = field(default_factory=lambda: dict(_TOKENS))
    allowed: set[str] = field(default_factory=lambda: {CHECKOUT, ALICE, NEWCOMER})
    group_members: set[str] = field(default_factory=lambda: {NEWCOMER})
    in_force: InstanceSettings = field(default_factory=InstanceSettings)

    def token_principal(self, token: str) -> TokenPrincipal | None:
        """The token's record."""
        return self.tokens.get(token)

    def may_login(self, principal: str) -> bool:
        """Whether the member is among the allowed."""
        return principal in self.allowed

    def username_of(self, principal: str) -> str:
        """The member's address, a service account's without its suffix."""
        return principal.partition(":")[2].removesuffix(".gserviceaccount.com")

    async def first_login(self, principal: str) -> None:
        """Create the user of a group's member."""
        if principal in self.group_members:
            await self.server.create_iam_user(self.username_of(principal), "CLOUD_IAM_GROUP_USER")

    def settings(self) -> InstanceSettings:
        """The settings as they are written."""
        return self.in_force


@dataclass(frozen=True, slots=True)
class StandaloneInstance:
    """An instance that runs on a loopback address of its own, and what it takes to connect to it."""

    loop: BackgroundLoop
    server: Server
    certificates: InstanceCertificates
    google: RecordedGoogle
    plane: DataPlane
    attempts: list[LoginAttempt]
    directory: Path

    def connect(self, user: str, password: str | None = None, **options: str) -> psycopg.Connection:
        """A direct connection over verified TLS; options are those of libpq and win over the usual ones."""
        ca_file = self.directory / "server-ca.pem"
        ca_file.write_text(self.certificates.server_ca_pem)
        usual = {"sslmode": "verify-ca", "sslrootcert": str(ca_file), "dbname": DATABASE, "connect_timeout": "60"}
        parameters: dict[str, str | None] = {"host": self.plane.address, "user": user, "password": password}
        return psycopg.connect("", **{**parameters, **usual, **options})  # type: ignore[arg-type]

    def refusal(self, user: str, password: str, **options: str) -> str:
        """What a direct connection that must not come about is told."""
        try:
            self.connect(user, password, **options).close()
        except psycopg.OperationalError as error:
            return str(error)
        raise AssertionError(f"{user} was let in")

    def tunnel(self, principal: str | None, *, issuer: InstanceCertificates | None = None) -> Tunnel:
        """A connector's tunnel; see `Tunnel`."""
        return Tunnel(self.plane.address, self.certificates, principal, issuer=issuer)

    def superuser(self) -> psycopg.Connection:
        """A connection past the data plane, as Google's own account, each statement on its own."""
        return psycopg.connect(self.server.cluster.dsn(database=DATABASE), autocommit=True)

    def sessions_of(self, user: str) -> int:
        """How many sessions PostgreSQL has for a user."""
        with self.superuser() as superuser:
            row = superuser.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = %s", (user,)).fetchone()
        assert row is not None
        return int(row[0])


@dataclass(frozen=True, slots=True)
class StandaloneGround:
    """A PostgreSQL that runs, for one instance after the other."""

    loop: BackgroundLoop
    server: Server

    def instance(self, *dns_names: str) -> contextlib.AbstractContextManager[StandaloneInstance]:
        """A data plane in front of it, for as long as the block lasts."""
        return standalone_instance(self.loop, self.server, dns_names)


@contextlib.contextmanager
def standalone_ground() -> Iterator[StandaloneGround]:
    """The server of `populated_server` in an event loop of its own."""
    with BackgroundLoop() as loop, populated_server(loop) as server:
        yield StandaloneGround(loop, server)


@contextlib.contextmanager
def populated_server(loop: BackgroundLoop) -> Iterator[Server]:
    """A PostgreSQL with the database orders, the three IAM users and a built-in one, bob with bob-password."""
    server = Server()
    loop.run(server.start())
    try:
        loop.run(_populate(server))
        yield server
    finally:
        loop.run(server.stop())


@contextlib.contextmanager
def standalone_instance(
    loop: BackgroundLoop, server: Server, dns_names: tuple[str, ...] = ()
) -> Iterator[StandaloneInstance]:
    """A data plane in front of a PostgreSQL that runs already, on the first loopback address with free ports."""
    certificates = InstanceCertificates(PROJECT, INSTANCE, dns_names)
    google, attempts = RecordedGoogle(server), list[LoginAttempt]()
    plane = loop.run(_started_plane(certificates, server, google, attempts))
    try:
        with tempfile.TemporaryDirectory(prefix="csql") as directory:
            yield StandaloneInstance(loop, server, certificates, google, plane, attempts, Path(directory))
    finally:
        loop.run(plane.stop())


async def _populate(server: Server) -> None:
    await server.create_database(DATABASE)
    await server.create_builtin_user("bob", "bob-password")
    await server.create_iam_user("checkout@acme.iam", "CLOUD_IAM_SERVICE_ACCOUNT")
    await server.create_iam_user("reports@acme.iam", "CLOUD_IAM_SERVICE_ACCOUNT")
    await server.create_iam_user("alice@example.com", "CLOUD_IAM_USER")


async def _started_plane(
    certificates: InstanceCertificates, server: Server, google: RecordedGoogle, attempts: list[LoginAttempt]
) -> DataPlane:
    for number in itertools.count(1):
        address = f"127.0.1.{number}"
        plane = DataPlane(address, certificates, server, google, journal=attempts.append)
        try:
            await plane.start()
        except OSError as error:
            if number == 254:
                raise RuntimeError("no address in 127.0.1.0/24 has ports 3307 and 5432 free") from error
        else:
            return plane
    raise AssertionError("unreachable: counting has no end")
