"""The PostgreSQL of one emulated instance and what Google does inside it; who may connect is in `login`.

The API's own power is the superuser cloudsqladmin, working from a database of its own. Customers are never superuser.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import errors, sql

from cloudsql_emulator.cluster import Cluster, ClusterOptions
from cloudsql_emulator.own_sessions import OwnSessions
from cloudsql_emulator.roles import (
    ADMIN_ROLE,
    BOOTSTRAP_SUPERUSER,
    IAM_ROLE_OF_USER_TYPE,
    IAM_SYSTEM_ROLES,
    LOGIN_ROLES,
    LoginRole,
    RoleHasDependents,
    RoleMissing,
    SystemRoleNotGrantable,
    host_based_authentication,
    is_system_role,
    layout_statements,
    public_schema_statements,
)

__all__ = ["LoginRole", "RoleHasDependents", "RoleMissing", "Server", "SystemRoleNotGrantable"]

_ROLES_ABOVE = """
WITH RECURSIVE above(oid) AS (
    SELECT oid FROM pg_roles WHERE rolname = %s
    UNION
    SELECT membership.roleid FROM pg_auth_members membership JOIN above ON membership.member = above.oid
)
SELECT rolname FROM pg_roles JOIN above USING (oid)
"""

_MEMBERSHIPS = """
SELECT role.rolname, grantor.rolname
FROM pg_auth_members membership
JOIN pg_roles role ON role.oid = membership.roleid
JOIN pg_roles member ON member.oid = membership.member
JOIN pg_roles grantor ON grantor.oid = membership.grantor
WHERE member.rolname = %s
"""


class Server:
    """A PostgreSQL laid out as a Cloud SQL instance, gone with its files at stop.

    `iam_authentication` says whether the instance starts with the IAM system roles (cloudsql.iam_authentication=on).
    """

    def __init__(
        self,
        binaries: Path | None = None,
        *,
        iam_authentication: bool = True,
        settings: Mapping[str, str] | None = None,
        log_statements: bool = False,
    ) -> None:
        self._iam_authentication = iam_authentication
        self.cluster = Cluster(
            ClusterOptions(
                binaries=binaries,
                superuser=BOOTSTRAP_SUPERUSER,
                settings=settings,
                log_statements=log_statements,
                hba=host_based_authentication(),
            )
        )
        self.own = OwnSessions(self.cluster)

    async def start(self) -> None:
        """Run PostgreSQL and lay it out.

        Raises:
            PostgresUnavailable: this machine cannot run it.
        """
        await asyncio.to_thread(self.cluster.start)
        try:
            await self._lay_out()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End every session and remove the files."""
        await self.own.close()
        await asyncio.to_thread(self.cluster.stop)

    @property
    def version(self) -> int:
        """Major version, such as 17."""
        return self.cluster.version

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A raw connection to PostgreSQL, before its first packet."""
        return await asyncio.open_unix_connection(str(self.cluster.socket_path))

    async def create_iam_user(self, name: str, user_type: str) -> None:
        """Make a role that signs in through IAM, without any right; one that exists keeps what it has.

        Raises:
            RoleMissing: cloudsql.iam_authentication is off, so that the type's system role does not exist.
        """
        system_role = IAM_ROLE_OF_USER_TYPE[user_type]
        is_group = user_type == "CLOUD_IAM_GROUP"
        async with self.own.session() as connection:
            await _require_roles(connection, [system_role])
            if not await _exists(connection, name):
                await _execute(connection, "CREATE ROLE {} NOLOGIN" if is_group else "CREATE ROLE {} LOGIN", name)
            await _execute(connection, "GRANT {} TO {}", system_role, name)

    async def create_builtin_user(self, name: str, password: str | None, roles: Collection[str] = ()) -> None:
        """Make a role that signs in with a password, or set the password of one that exists.

        Without roles a new one is an administrator: CREATEROLE, CREATEDB and a member of cloudsqlsuperuser.

        Raises:
            RoleMissing, SystemRoleNotGrantable: nothing is made.
        Source: Cloud SQL for PostgreSQL, "About PostgreSQL users and roles"
        """
        async with self.own.session() as connection, connection.transaction():
            await _require_grantable(connection, roles)
            if not await _exists(connection, name):
                statement: LiteralString = (
                    "CREATE ROLE {} LOGIN" if roles else "CREATE ROLE {} LOGIN CREATEROLE CREATEDB"
                )
                await _execute(connection, statement, name)
                for role in roles or [ADMIN_ROLE]:
                    await _execute(connection, "GRANT {} TO {}", role, name)
            if password is not None:
                await _set_password(connection, name, password)

    async def set_password(self, name: str, password: str) -> None:
        """Change a role's password.

        Raises:
            RoleMissing: there is no such role.
        """
        async with self.own.session() as connection:
            await _require_roles(connection, [name])
            await _set_password(connection, name, password)

    async def drop_user(self, name: str) -> None:
        """Drop a role; its open sessions stay.

        Raises:
            RoleHasDependents: it owns objects or holds privileges in some database.
            RoleMissing: there is no such role.
        """
        async with self.own.session() as connection:
            try:
                await _execute(connection, "DROP ROLE {}", name)
            except errors.UndefinedObject as error:
                raise RoleMissing(name) from error
            except errors.DependentObjectsStillExist as error:
                raise RoleHasDependents(name, error.diag.message_detail or "") from error

    async def grant_roles(self, name: str, roles: Collection[str]) -> None:
        """Add a role to others, with the API's own power.

        Raises:
            RoleMissing: the user or a role does not exist; nothing is granted.
            SystemRoleNotGrantable: a system role other than cloudsqlsuperuser is named; nothing is granted.
        """
        async with self.own.session() as connection, connection.transaction():
            await _require_roles(connection, [name])
            await _require_grantable(connection, roles)
            for role in roles:
                await _execute(connection, "GRANT {} TO {}", role, name)

    async def revoke_roles_except(self, name: str, roles: Collection[str]) -> None:
        """Take a role out of all others but these, whoever put it there; the system role of its type stays.

        Raises:
            RoleMissing: there is no such user.
        """
        kept = {*roles, *IAM_SYSTEM_ROLES}
        async with self.own.session() as connection, connection.transaction():
            await _require_roles(connection, [name])
            for role, grantor in await (await connection.execute(_MEMBERSHIPS, (name,))).fetchall():
                if role not in kept:
                    await self._revoke(connection, role, name, grantor)

    async def role_exists(self, name: str) -> bool:
        """Whether PostgreSQL knows the role."""
        async with self.own.session() as connection:
            return await _exists(connection, name)

    async def login_role(self, name: str) -> LoginRole:
        """How a role signs in."""
        async with self.own.session() as connection:
            above = {row[0] for row in await (await connection.execute(_ROLES_ABOVE, (name,))).fetchall()}
        return LoginRole(exists=bool(above), iam_roles=frozenset(above.intersection(LOGIN_ROLES)))

    async def create_iam_system_roles(self) -> None:
        """Make the roles that cloudsql.iam_authentication=on brings; those that exist stay."""
        async with self.own.session() as connection:
            for role in IAM_SYSTEM_ROLES:
                if not await _exists(connection, role):
                    await _execute(connection, "CREATE ROLE {} NOLOGIN", role)

    async def drop_iam_system_roles(self) -> None:
        """Remove them, as on an instance that never had the flag; IAM users that exist lose their membership."""
        async with self.own.session() as connection:
            for role in IAM_SYSTEM_ROLES:
                await _execute(connection, "DROP ROLE IF EXISTS {}", role)

    async def create_database(self, name: str, owner: str = ADMIN_ROLE) -> None:
        """Make a database, owned by cloudsqlsuperuser as those made through the API are."""
        async with self.own.session() as connection:
            await _execute(connection, "CREATE DATABASE {} OWNER {}", name, owner)

    async def seed_sql(self, database: str, statements: str, as_role: str = ADMIN_ROLE) -> None:
        """Run a script in a database under a role, in one transaction; what it makes belongs to that role."""
        async with self._superuser_in(database) as connection, connection.transaction():
            await _execute(connection, "SET LOCAL ROLE {}", as_role)
            await connection.execute(statements.encode())

    async def _lay_out(self) -> None:
        async with self._superuser_in("postgres") as connection:
            for statement in [*layout_statements(self.version), *public_schema_statements(self.version)]:
                await connection.execute(statement)
        async with self._superuser_in("template1") as connection:
            for statement in public_schema_statements(self.version):
                await connection.execute(statement)
        if self._iam_authentication:
            await self.create_iam_system_roles()

    async def _revoke(self, connection: psycopg.AsyncConnection, role: str, name: str, grantor: str) -> None:
        # Before PostgreSQL 16 a membership is one, whoever granted it; since then each grantor's stands alone.
        if self.version < 16:
            await _execute(connection, "REVOKE {} FROM {}", role, name)
        else:
            await _execute(connection, "REVOKE {} FROM {} GRANTED BY {} CASCADE", role, name, grantor)

    @asynccontextmanager
    async def _superuser_in(self, database: str) -> AsyncIterator[psycopg.AsyncConnection]:
        dsn = self.cluster.dsn(database=database)
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            yield connection


async def _execute(connection: psycopg.AsyncConnection, statement: LiteralString, *names: str) -> None:
    await connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


async def _set_password(connection: psycopg.AsyncConnection, name: str, password: str) -> None:
    # The verifier is made here, so that no log of statements ever holds the password.
    verifier = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256")
    statement = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(name), sql.Literal(verifier.decode()))
    await connection.execute(statement)


async def _exists(connection: psycopg.AsyncConnection, role: str) -> bool:
    found = await connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
    return await found.fetchone() is not None


async def _require_roles(connection: psycopg.AsyncConnection, roles: Collection[str]) -> None:
    for role in roles:
        if not await _exists(connection, role):
            raise RoleMissing(role)


async def _require_grantable(connection: psycopg.AsyncConnection, roles: Collection[str]) -> None:
    for role in roles:
        if is_system_role(role) and role != ADMIN_ROLE:
            raise SystemRoleNotGrantable(role)
    await _require_roles(connection, roles)
