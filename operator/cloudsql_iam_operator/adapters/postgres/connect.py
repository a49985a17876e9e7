"""How the operator gets a connection to a database: by IAM through the connector, or with a password over TLS."""

import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import psycopg
from google.cloud.sql.connector import Connector

from cloudsql_iam_operator.adapters.google.credentials import Identity, trust_store
from cloudsql_iam_operator.adapters.postgres.connector_failures import CONNECTOR_ERRORS, connector_failure
from cloudsql_iam_operator.adapters.postgres.startup import Connection, Startup
from cloudsql_iam_operator.api.instance import ConnectionName, IPType
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.excerpts import excerpt
from cloudsql_iam_operator.core.reasons import Reason

APPLICATION = "cloudsql-iam-operator"
ENCODING = "utf8"
"""Asked for at login, because a role or a database may have another set, in which not every name can be said."""
CONNECT_SECONDS = 20
"""Longest time that making one connection may take, by either way."""

SAID = 500
"""Characters shown of what a server says to a login."""

_SESSION: Mapping[str, Any] = {
    "application_name": APPLICATION,
    "client_encoding": ENCODING,
    "autocommit": True,
    # A transaction pooler in between does not know prepared statements.
    "prepare_threshold": None,
}

_WAY = re.compile(r"connection failed: connection to server .*? failed: (?:FATAL:\s+)?")
_IP_TYPES = {IPType.PUBLIC: "PUBLIC", IPType.PRIVATE: "PRIVATE", IPType.PSC: "PSC"}


class Connect(Protocol):
    """A way to one instance."""

    def __call__(self, database: str) -> Connection:
        """A new connection to one of its databases.

        Raises:
            NotYet: there is none to be had now; the reason says why.
        """
        ...


class Connectors:
    """Connectors of this process, one per identity. Their certificates and threads live until `close`."""

    def __init__(self, sqladmin_endpoint: str = "") -> None:
        self._endpoint = sqladmin_endpoint
        self._connectors: dict[str, Connector] = {}
        self._lock = threading.Lock()
        store = trust_store()
        if store is not None:
            # The connector refreshes tokens through requests, which reads only certifi's authorities otherwise.
            os.environ.setdefault("REQUESTS_CA_BUNDLE", store)

    def iam(
        self,
        identity: Identity,
        connection: ConnectionName,
        user: str,
        ip_type: IPType,
        startup: Startup | None = None,
    ) -> Connect:
        """Connections of the identity's own database user `user`, verified by the instance's certificate."""
        starting = startup or Startup(str(connection))

        def connected(database: str, options: str) -> Connection:
            made: Connection = self._connector(identity).connect(
                str(connection),
                "psycopg",
                user=user,
                db=database,
                enable_iam_auth=True,
                ip_type=_IP_TYPES[ip_type],
                timeout=CONNECT_SECONDS,
                options=options,
                **_SESSION,
            )
            return made

        def connect(database: str) -> Connection:
            with _translated(str(connection), user, database):
                return starting.connected(database, lambda options: connected(database, options))

        return connect

    def close(self) -> None:
        """End every connector. Connections that are open go on."""
        with self._lock:
            connectors, self._connectors = self._connectors, {}
        for connector in connectors.values():
            connector.close()

    def _connector(self, identity: Identity) -> Connector:
        with self._lock:
            if identity.name not in self._connectors:
                credentials: Any = identity.credentials
                self._connectors[identity.name] = Connector(
                    credentials=credentials,
                    timeout=CONNECT_SECONDS,
                    refresh_strategy="LAZY",
                    sqladmin_api_endpoint=self._endpoint or None,
                )
            return self._connectors[identity.name]


@dataclass(frozen=True, slots=True)
class PasswordLogin:
    """A direct way to an instance. `server_ca` is PEM text; the password never shows in a repr.

    `server_name` is the DNS name that the server's certificate must carry; "" where its authority signs for it alone.
    """

    host: str
    username: str
    password: str
    server_ca: str
    port: int = 5432
    server_name: str = ""

    @property
    def verified(self) -> dict[str, Any]:
        """Where libpq connects to, and what of the server's certificate it verifies."""
        if not self.server_name:
            return {"host": self.host, "sslmode": "verify-ca"}
        address = {} if self.host == self.server_name else {"hostaddr": self.host}
        return {"host": self.server_name, "sslmode": "verify-full", **address}

    def __repr__(self) -> str:
        return f"PasswordLogin(host={self.host!r}, username={self.username!r}, port={self.port})"


def by_password(connection: ConnectionName, login: PasswordLogin, startup: Startup | None = None) -> Connect:
    """Direct connections over TLS to a server whose certificate the instance's own authority signed.

    Without a DNS name only the authority is verified, which then is the instance's own: the certificate names
    `project:instance`, which is no host name.
    """
    starting = startup or Startup(str(connection))

    def connected(database: str, options: str) -> Connection:
        with TemporaryDirectory() as directory:
            authority = Path(directory) / "server-ca.pem"
            authority.write_text(login.server_ca)
            return psycopg.connect(
                **login.verified,
                port=login.port,
                user=login.username,
                password=login.password,
                dbname=database,
                sslrootcert=str(authority),
                connect_timeout=CONNECT_SECONDS,
                options=options,
                **_SESSION,
            )

    def connect(database: str) -> Connection:
        with _translated(str(connection), login.username, database):
            return starting.connected(database, lambda options: connected(database, options))

    return connect


def plain(dsn: Callable[[str], str]) -> Connect:
    """Connections by a connection string for each database; for servers on the same machine."""
    starting = Startup("the server")

    def connect(database: str) -> Connection:
        string = dsn(database)
        with _translated("the server", "", database):
            return starting.connected(database, lambda options: psycopg.connect(string, options=options, **_SESSION))

    return connect


@contextmanager
def _translated(instance: str, user: str, database: str) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise _login_failure(instance, user, database, str(error)) from error
    except CONNECTOR_ERRORS as error:
        # not chained: an error of google-auth may hold a token, which a stack trace would show
        raise connector_failure(instance, error) from None


def _login_failure(instance: str, user: str, database: str, said: str) -> NotYet:
    # psycopg gives no SQLSTATE for what happens while connecting, so the words have to do.
    line = _reason(said)
    if f'database "{database}" does not exist' in said:
        return NotYet(Reason.DATABASE_NOT_FOUND, f"database {database!r} does not exist on {instance}: create it")
    if "permission denied for database" in said:
        text = f"{user!r} may not connect to database {database!r} on {instance}: grant it CONNECT"
        return NotYet(Reason.DATABASE_LOGIN_FAILED, text)
    if "read-only transaction" in said:
        text = (
            f"an event trigger of database {database!r} on {instance} writes at login, where the operator lets nobody "
            f"write as itself ({line}): have its function return where transaction_read_only is on, or drop the trigger"
        )
        return NotYet(Reason.EVENT_TRIGGER_NOT_TRUSTED, text)
    if "not currently accepting connections" in said:
        return NotYet(Reason.DATABASE_UNREACHABLE, f"database {database!r} on {instance} accepts no connections")
    if any(words in said for words in ("authentication failed", "pg_hba.conf", "does not exist", "no password")):
        text = (
            f"login to {instance} as {user!r} failed: {line}: that database user must exist, and its password be right "
            "or its identity have roles/cloudsql.instanceUser and roles/cloudsql.client"
        )
        return NotYet(Reason.DATABASE_LOGIN_FAILED, text)
    return NotYet(Reason.DATABASE_UNREACHABLE, f"{instance} cannot be reached: {line}")


def _reason(said: str) -> str:
    """The server's own words without the way they came: that names a socket that is new with every try."""
    line = _first_line(said)
    found = _WAY.match(line)
    return excerpt(line[found.end() :] if found else line, SAID)


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "no reason was given")
