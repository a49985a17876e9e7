"""The emulated cloud as its owner sees it: by Google's API with an owner's token, and as the server's superuser."""

import http.client
import json
import os
import socket
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from cloudsql_emulator.admin_client import AdminClient
from cloudsql_emulator.cluster import statements_in
from controlplane.addresses import GOOGLE_APIS
from e2e import world
from e2e.waiting import eventually

OWNER = "user:olga@acme.example"
_PROJECT = f"projects/{world.PROJECT}"
_INSTANCE = world.CONNECTION.rsplit(":", 1)[1]

ACLS = """
SELECT what, array_agg(entry::text ORDER BY entry::text) FROM (
    SELECT 'database ' || datname AS what, unnest(coalesce(datacl, acldefault('d', datdba))) AS entry
    FROM pg_database WHERE datname = current_database()
    UNION ALL SELECT 'schema ' || nspname, unnest(coalesce(nspacl, acldefault('n', nspowner)))
    FROM pg_namespace WHERE nspname IN ('app', 'audit')
    UNION ALL SELECT relkind::text || ' ' || oid::regclass, unnest(coalesce(relacl, acldefault(
        CASE relkind WHEN 'S' THEN 's'::"char" ELSE 'r'::"char" END, relowner)))
    FROM pg_class WHERE relnamespace::regnamespace::text IN ('app', 'audit') AND relkind IN ('r', 'S')
) AS entries GROUP BY what ORDER BY what
"""


class Cloud:
    """What an owner of the project may do and see; `control` is the emulator's own port."""

    def __init__(self, directory: Path) -> None:
        self.control = AdminClient(world.CONTROL)
        self._trust = ssl.create_default_context(cafile=directory / "trust.crt")

    def policy(self) -> dict[str, Any]:
        """The project's IAM policy."""
        return self.control.policy(_PROJECT)

    def policy_text(self) -> str:
        """Everything in the policy but its etag, byte for byte."""
        return json.dumps({name: value for name, value in self.policy().items() if name != "etag"})

    def set_policy(self, policy: dict[str, Any]) -> None:
        """Replace the policy, as somebody with an editor would."""
        self.control.set_policy(_PROJECT, policy)

    def users(self) -> list[str]:
        """Names of the instance's database users."""
        return sorted(user["name"] for user in self.control.users(world.PROJECT, _INSTANCE))

    def delete_user(self, name: str) -> None:
        """Delete a database user through the Admin API, and return when it is gone."""
        path = f"/v1/{_PROJECT}/instances/{_INSTANCE}/users?name={quote(name)}"
        status, answer = self._call("DELETE", path)
        assert status == 200, answer
        assert "error" not in answer, answer
        eventually(lambda: name not in self.users(), f"database user {name} is gone")

    def create_user(self, name: str, user_type: str) -> None:
        """Make a database user through the Admin API, and return when it is there."""
        body = {"name": name, "type": user_type}
        status, answer = self._call("POST", f"/v1/{_PROJECT}/instances/{_INSTANCE}/users", body)
        assert status == 200, answer
        eventually(lambda: name in self.users(), f"database user {name} is there")

    def assign_role(self, name: str, role: str) -> None:
        """Make a database user a member of a role through the Admin API, as `gcloud sql users assign-roles` does."""
        named = f"name={quote(name)}&databaseRoles={quote(role)}"
        status, answer = self._call("PUT", f"/v1/{_PROJECT}/instances/{_INSTANCE}/users?{named}", {})
        assert status == 200, answer

    def sql(self, database: str, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement as the server's own superuser, past everything that Cloud SQL checks; its rows."""
        with psycopg.connect(
            f"host={self._server()} user=cloudsqladmin dbname={database}", autocommit=True
        ) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def acls(self, database: str) -> list[tuple[Any, ...]]:
        """Who holds what on the database, its schemas, tables and sequences; owners' defaults are spelled out."""
        return self.sql(database, ACLS)

    def wal_position(self) -> str:
        """How far the server has written."""
        return str(self.sql("postgres", "SELECT pg_current_wal_insert_lsn()")[0][0])

    def granting_statements(self) -> list[str]:
        """Every GRANT and REVOKE that was run, by anybody, oldest first."""
        log = (self._server() / "log").read_text(errors="replace")
        return [
            s.sql
            for s in statements_in(log)
            if s.sql.upper().startswith(("GRANT", "REVOKE")) and s.database == "orders"
        ]

    @staticmethod
    def _server() -> Path:
        return next((Path(os.environ["CHAIN_DIR"]) / "pg").glob("**/.s.PGSQL.5432")).parent

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPSConnection("sqladmin.googleapis.com", context=self._trust, timeout=60)
        connection._create_connection = lambda *_: socket.create_connection((GOOGLE_APIS, 443), timeout=60)  # type: ignore[attr-defined]
        token = self.control.mint_token(OWNER)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            return response.status, json.load(response)
        finally:
            connection.close()
