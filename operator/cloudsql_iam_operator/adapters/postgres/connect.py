"""How the operator gets a connection to a database: by IAM through the connector, or with a password over TLS."""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import aiohttp
import psycopg
from google.cloud.sql.connector import Connector
from google.cloud.sql.connector.client import CloudSQLClient

from cloudsql_iam_operator.adapters.google.credentials import Identity, trust_store
from cloudsql_iam_operator.adapters.postgres.connector_failures import (
    CONNECTOR_ERRORS,
    Login,
    connector_failure,
    login_failure,
)
from cloudsql_iam_operator.adapters.postgres.startup import Connection, Startup
from cloudsql_iam_operator.api.instance import ConnectionName, IPType

APPLICATION = "cloudsql-iam-operator"
ENCODING = "utf8"
"""Asked for at login, because a role or a database may have another set, in which not every name can be said."""
CONNECT_SECONDS = 20
"""Longest time that making one connection may take, by either way."""

_SESSION: Mapping[str, Any] = {
    "application_name": APPLICATION,
    "client_encoding": ENCODING,
    "autocommit": True,
    # A transaction pooler in between does not know prepared statements.
    "prepare_threshold": None,
}

_IP_TYPES = {IPType.PUBLIC: "PUBLIC", IPType.PRIVATE: "PRIVATE", IPType.PSC: "PSC"}


class Connect(Protocol):
    """A way to one instance."""

    def __call__(self, database: str) -> Connection:
        """A new connection to one of its databases.

        Raises:
            NotYet: there is none to be had now; the reason says why.
        """
        ...


class _Connector(Connector):
    """Google's, whose calls to the Admin API go by the web proxy of the environment too, as its token requests do."""

    async def connect_async(self, instance_connection_string: str, driver: str, **kwargs: Any) -> Any:
        """As Google's, on a session that reads HTTPS_PROXY and NO_PROXY."""
        if self._client is None:
            headers = {"x-goog-user-project": self._quota_project} if self._quota_project else {}
            session = aiohttp.ClientSession(headers={"User-Agent": APPLICATION, **headers}, trust_env=True)
            credentials: Any = self._credentials
            told = self._sqladmin_api_endpoint, self._quota_project, credentials
            self._client = CloudSQLClient(*told, session, driver)
        return await super().connect_async(instance_connection_string, driver, **kwargs)


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
            with _translated(Login(str(connection), user, database, identity.asker)):
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
                self._connectors[identity.name] = _Connector(
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
        with _translated(Login(str(connection), login.username, database)):
            return starting.connected(database, lambda options: connected(database, options))

    return connect


def plain(dsn: Callable[[str], str]) -> Connect:
    """Connections by a connection string for each database; for servers on the same machine."""
    starting = Startup("the server")

    def connect(database: str) -> Connection:
        string = dsn(database)
        with _translated(Login("the server", "", database)):
            return starting.connected(database, lambda options: psycopg.connect(string, options=options, **_SESSION))

    return connect


@contextmanager
def _translated(login: Login) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise login_failure(login, str(error)) from error
    except CONNECTOR_ERRORS as error:
        # not chained: an error of google-auth may hold a token, which a stack trace would show
        raise connector_failure(login, error) from None
