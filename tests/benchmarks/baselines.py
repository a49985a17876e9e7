"""What the grants engine is compared with: a statement per object and role, and a look at every single privilege."""

import time
from collections.abc import Sequence

import psycopg
from psycopg import sql

from benchmarks.memory import own_peak

EXPLODED = """
select c.relkind::text, n.nspname, c.relname, g.rolname, a.privilege_type, a.is_grantable
from pg_class c join pg_namespace n on n.oid = c.relnamespace
cross join lateral aclexplode(c.relacl) a join pg_roles g on g.oid = a.grantee
where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and n.nspname !~ '^(pg_|information_schema)'
union all
select 'f', n.nspname, p.oid::regprocedure::text, g.rolname, a.privilege_type, a.is_grantable
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
cross join lateral aclexplode(p.proacl) a join pg_roles g on g.oid = a.grantee
where n.nspname !~ '^(pg_|information_schema)'
union all
select 'n', n.nspname, '', g.rolname, a.privilege_type, a.is_grantable
from pg_namespace n cross join lateral aclexplode(n.nspacl) a join pg_roles g on g.oid = a.grantee
where n.nspname !~ '^(pg_|information_schema)'
"""
"""One row for each privilege of each role on each object, as other engines read them."""


def exploded(dsn: str) -> tuple[float, int, float]:
    """Seconds, rows and peak MiB of an inspection that holds every privilege; run it in a process of its own."""
    began = time.perf_counter()
    with psycopg.connect(dsn) as connection:
        seen = set(connection.execute(EXPLODED.encode()).fetchall())
    return time.perf_counter() - began, len(seen), own_peak()


def granted_one_by_one(dsn: str, tables: Sequence[tuple[str, str]], roles: Sequence[str]) -> tuple[float, int]:
    """Seconds and number of statements of a GRANT for each table and role, pipelined in one transaction."""
    began = time.perf_counter()
    with psycopg.connect(dsn) as connection, connection.pipeline():
        connection.execute("set role app_owner")
        for schema, table in tables:
            for role in roles:
                connection.execute(_grant(schema, table, role))
    return time.perf_counter() - began, len(tables) * len(roles)


def _grant(schema: str, table: str, role: str) -> sql.Composed:
    return sql.SQL("grant select on table {} to {}").format(sql.Identifier(schema, table), sql.Identifier(role))
