"""The PostgreSQL of an emulated instance: Cloud SQL's layout, and what the API does inside it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from psycopg import errors

from cloudsql_emulator.postgres import RoleHasDependents, RoleMissing, Server, SystemRoleNotGrantable

CHECKOUT = "checkout@acme.iam"


@asynccontextmanager
async def running_server(*, iam_authentication: bool = True) -> AsyncIterator[Server]:
    server = Server(iam_authentication=iam_authentication, log_statements=True)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def on_a_server(test: Callable[[Server], Awaitable[None]], *, iam_authentication: bool = True) -> None:
    """Run the async body of a test against an instance of its own."""

    async def body() -> None:
        async with running_server(iam_authentication=iam_authentication) as server:
            await test(server)

    asyncio.run(body())


def rows(server: Server, query: str, *, user: str | None = None, database: str = "postgres") -> list[tuple[Any, ...]]:
    with psycopg.connect(server.cluster.dsn(user=user, database=database), autocommit=True) as connection:
        return connection.execute(query.encode()).fetchall()


def run(server: Server, *statements: str, user: str | None = None, database: str = "postgres") -> None:
    with psycopg.connect(server.cluster.dsn(user=user, database=database), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def test_customers_administrators_are_no_superusers() -> None:
    async def body(server: Server) -> None:
        attributes = rows(
            server,
            "SELECT rolname, rolcanlogin, rolsuper, rolcreaterole, rolcreatedb FROM pg_roles"
            " WHERE rolname IN ('cloudsqladmin', 'cloudsqlsuperuser', 'postgres') ORDER BY rolname",
        )
        members = rows(
            server,
            "SELECT pg_get_userbyid(member), admin_option FROM pg_auth_members"
            " WHERE roleid = 'cloudsqlsuperuser'::regrole AND member = 'postgres'::regrole",
        )

        assert attributes == [
            ("cloudsqladmin", True, True, True, True),
            ("cloudsqlsuperuser", False, False, True, True),
            ("postgres", True, False, True, True),
        ]
        assert members == [("postgres", False)]

    on_a_server(body)


def test_databases_belong_to_cloudsqlsuperuser_and_schema_public_is_as_the_version_has_it() -> None:
    async def body(server: Server) -> None:
        await server.create_database("orders")

        owners = rows(server, "SELECT datname, pg_get_userbyid(datdba) FROM pg_database ORDER BY datname")
        schema = rows(
            server,
            "SELECT pg_get_userbyid(nspowner), has_schema_privilege('cloudsqlsuperuser', oid, 'CREATE'),"
            " has_schema_privilege('cloudsqliamuser', oid, 'CREATE') FROM pg_namespace WHERE nspname = 'public'",
            database="orders",
        )

        assert owners == [
            ("cloudsqladmin", "cloudsqladmin"),
            ("orders", "cloudsqlsuperuser"),
            ("postgres", "cloudsqlsuperuser"),
            ("template0", "cloudsqladmin"),
            ("template1", "cloudsqlsuperuser"),
        ]
        since_15 = ("pg_database_owner", True, False)
        before = ("cloudsqlsuperuser", True, True)
        assert schema == [since_15 if server.version >= 15 else before]

    on_a_server(body)


def test_an_iam_user_has_login_its_system_role_and_nothing_else() -> None:
    async def body(server: Server) -> None:
        await server.create_iam_user(CHECKOUT, "CLOUD_IAM_SERVICE_ACCOUNT")
        await server.create_iam_user(CHECKOUT, "CLOUD_IAM_SERVICE_ACCOUNT")

        found = rows(
            server,
            "SELECT rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, ARRAY(SELECT roleid::regrole::text"
            " FROM pg_auth_members WHERE member = pg_roles.oid) FROM pg_roles WHERE rolname = 'checkout@acme.iam'",
        )

        assert found == [(True, False, False, False, ["cloudsqliamserviceaccount"])]

    on_a_server(body)


def test_without_the_flag_an_iam_user_misses_its_system_role() -> None:
    async def body(server: Server) -> None:
        with pytest.raises(RoleMissing, match='role "cloudsqliamuser" does not exist'):
            await server.create_iam_user("alice@example.com", "CLOUD_IAM_USER")
        await server.create_iam_system_roles()
        await server.create_iam_user("alice@example.com", "CLOUD_IAM_USER")

        assert await server.role_exists("alice@example.com")

    on_a_server(body, iam_authentication=False)


def test_a_builtin_user_is_an_administrator_unless_roles_are_named() -> None:
    async def body(server: Server) -> None:
        await server.create_builtin_user("boss", "boss-password")
        run(server, "CREATE ROLE reader NOLOGIN")
        await server.create_builtin_user("clerk", "clerk-password", ["reader"])

        found = rows(
            server,
            "SELECT rolname, rolcreaterole, rolcreatedb, ARRAY(SELECT roleid::regrole::text FROM pg_auth_members"
            " WHERE member = pg_roles.oid) FROM pg_roles WHERE rolname IN ('boss', 'clerk') ORDER BY rolname",
        )

        assert found == [("boss", True, True, ["cloudsqlsuperuser"]), ("clerk", False, False, ["reader"])]

    on_a_server(body)


def test_no_password_reaches_the_log_of_statements() -> None:
    async def body(server: Server) -> None:
        await server.create_builtin_user("bob", "first-secret")
        await server.set_password("bob", "second-secret")

        assert "ALTER ROLE" in server.cluster.log()
        assert "first-secret" not in server.cluster.log()
        assert "second-secret" not in server.cluster.log()
        psycopg.connect(server.cluster.dsn(user="bob", password="second-secret")).close()

    on_a_server(body)


def test_an_attribute_of_cloudsqlsuperuser_needs_set_role() -> None:
    async def body(server: Server) -> None:
        await server.create_iam_user(CHECKOUT, "CLOUD_IAM_SERVICE_ACCOUNT")
        await server.grant_roles(CHECKOUT, ["cloudsqlsuperuser"])

        with pytest.raises(errors.InsufficientPrivilege, match="permission denied to create role"):
            run(server, "CREATE ROLE app_owner NOLOGIN", user=CHECKOUT)
        run(server, "SET ROLE cloudsqlsuperuser", "CREATE ROLE app_owner NOLOGIN", user=CHECKOUT)

        assert await server.role_exists("app_owner")

    on_a_server(body)


def test_an_administrator_cannot_grant_what_others_own() -> None:
    async def body(server: Server) -> None:
        await server.create_database("orders")
        await server.seed_sql("postgres", "CREATE ROLE app_owner NOLOGIN")
        await server.seed_sql("orders", "CREATE SCHEMA app AUTHORIZATION app_owner", "cloudsqladmin")
        await server.create_iam_user(CHECKOUT, "CLOUD_IAM_SERVICE_ACCOUNT")
        await server.grant_roles(CHECKOUT, ["cloudsqlsuperuser"])

        with pytest.raises(errors.InsufficientPrivilege, match="permission denied for schema app"):
            run(server, "GRANT USAGE ON SCHEMA app TO postgres", user=CHECKOUT, database="orders")
        await server.grant_roles(CHECKOUT, ["app_owner"])
        run(server, "GRANT USAGE ON SCHEMA app TO postgres", user=CHECKOUT, database="orders")

        acl = rows(server, "SELECT nspacl::text FROM pg_namespace WHERE nspname = 'app'", database="orders")
        assert acl == [("{app_owner=UC/app_owner,postgres=U/app_owner}",)]

    on_a_server(body)


def test_what_is_seeded_belongs_to_the_role_it_was_seeded_as() -> None:
    async def body(server: Server) -> None:
        await server.seed_sql("postgres", "CREATE ROLE app_owner NOLOGIN")
        await server.create_database("orders", "app_owner")
        await server.seed_sql("orders", "CREATE TABLE a (x int); CREATE TABLE b (y int)", "app_owner")

        owners = rows(
            server,
            "SELECT relname, relowner::regrole::text FROM pg_class WHERE relname IN ('a', 'b')",
            database="orders",
        )

        assert sorted(owners) == [("a", "app_owner"), ("b", "app_owner")]

    on_a_server(body)


def test_a_role_with_objects_and_privileges_is_not_dropped_and_the_databases_are_counted() -> None:
    async def body(server: Server) -> None:
        await server.create_iam_user(CHECKOUT, "CLOUD_IAM_SERVICE_ACCOUNT")
        for database in ("orders", "billing"):
            await server.create_database(database)
            run(server, f'CREATE TABLE t (x int); GRANT SELECT ON t TO "{CHECKOUT}"', database=database)
        run(server, f'CREATE TABLE mine (x int); ALTER TABLE mine OWNER TO "{CHECKOUT}"', database="orders")

        with pytest.raises(RoleHasDependents) as caught:
            await server.drop_user(CHECKOUT)

        assert sorted(caught.value.details.splitlines()) == [
            "1 object in database billing",
            "2 objects in database orders",
        ]
        assert await server.role_exists(CHECKOUT)

    on_a_server(body)


def test_a_role_without_dependents_is_dropped_once() -> None:
    async def body(server: Server) -> None:
        await server.create_iam_user(CHECKOUT, "CLOUD_IAM_SERVICE_ACCOUNT")

        await server.drop_user(CHECKOUT)

        assert not await server.role_exists(CHECKOUT)
        with pytest.raises(RoleMissing):
            await server.drop_user(CHECKOUT)

    on_a_server(body)


def test_the_api_grants_no_system_role_but_cloudsqlsuperuser() -> None:
    async def body(server: Server) -> None:
        await server.create_iam_user(CHECKOUT, "CLOUD_IAM_SERVICE_ACCOUNT")

        for role in ("cloudsqliamuser", "cloudsqladmin", "pg_read_all_data"):
            with pytest.raises(SystemRoleNotGrantable):
                await server.grant_roles(CHECKOUT, ["cloudsqlsuperuser", role])
        with pytest.raises(RoleMissing, match='role "absent" does not exist'):
            await server.grant_roles(CHECKOUT, ["cloudsqlsuperuser", "absent"])

        assert roles_of(server, CHECKOUT) == ["cloudsqliamserviceaccount"]

    on_a_server(body)


def test_revoking_the_rest_takes_roles_granted_by_sql_too_and_leaves_the_system_role() -> None:
    async def body(server: Server) -> None:
        await server.create_iam_user(CHECKOUT, "CLOUD_IAM_SERVICE_ACCOUNT")
        await server.seed_sql("postgres", "CREATE ROLE kept NOLOGIN; CREATE ROLE by_hand NOLOGIN")
        await server.grant_roles(CHECKOUT, ["kept"])
        run(server, "SET ROLE cloudsqlsuperuser", f'GRANT by_hand TO "{CHECKOUT}"')

        await server.revoke_roles_except(CHECKOUT, ["kept"])

        assert roles_of(server, CHECKOUT) == ["cloudsqliamserviceaccount", "kept"]

    on_a_server(body)


def test_membership_of_an_iam_users_role_is_seen_at_any_depth() -> None:
    async def body(server: Server) -> None:
        await server.create_iam_user(CHECKOUT, "CLOUD_IAM_SERVICE_ACCOUNT")
        await server.create_builtin_user("bob", "bob-password")
        run(server, "CREATE ROLE middle NOLOGIN", f'GRANT "{CHECKOUT}" TO middle', "GRANT middle TO bob")

        bob = await server.login_role("bob")
        absent = await server.login_role("absent")

        assert (bob.exists, bob.iam_roles) == (True, frozenset({"cloudsqliamserviceaccount"}))
        assert (absent.exists, absent.iam_roles) == (False, frozenset())

    on_a_server(body)


def roles_of(server: Server, member: str) -> list[str]:
    query = "SELECT member::regrole::text, roleid::regrole::text FROM pg_auth_members ORDER BY 2"
    return [role for name, role in rows(server, query) if name == f'"{member}"']
