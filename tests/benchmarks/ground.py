"""The big database of the grants benchmark and what is wanted on it. Nothing is measured here."""

from pathlib import Path

from cloudsql_iam_operator.adapters.postgres.session import Limits
from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.desired.entries import Entry
from support.granting.setting import Place, Setting
from support.granting.wording import key, want

SCHEMAS = 100
ROLES = 200
GRANTEES = 20
"""Roles that are granted something in a schema."""

LAYOUT = """
do $$
begin
  for role in 1..200 loop execute format('create role r%s', role); end loop;
  for place in 1..100 loop
    execute format('create schema s%s authorization app_owner', place);
    set local role app_owner;
    for one in 1..100 loop execute format('create table s%s.t%s (id int, note varchar(9))', place, one); end loop;
    for one in 1..10 loop
      execute format('create sequence s%s.q%s', place, one);
      execute format('create function s%s.f%s() returns int return 1', place, one);
    end loop;
    commit;
  end loop;
end $$
"""
"""100 schemas of 100 tables, 10 sequences and 10 functions, and 200 roles."""


BARE = """
do $$
begin
  for place in 1..100 loop
    execute format('create schema s%s authorization app_owner', place);
    set local role app_owner;
    for one in 1..100 loop execute format('create table s%s.t%s (id int)', place, one); end loop;
    commit;
  end loop;
end $$
"""
BARE_TABLES = [(f"s{schema}", f"t{table}") for schema in range(1, SCHEMAS + 1) for table in range(1, 101)]
"""Its tables and nothing else."""


def filled(setting: Setting, layout: str = LAYOUT) -> Place:
    """A database with all schemas and objects of a layout and no grants."""
    place = setting.place()
    place.limits = Limits(writing=600)
    place.sql(layout)
    place.sql("vacuum analyze")
    return place


def grantees(schema: int) -> tuple[str, ...]:
    """The roles that are granted something in a schema, sorted."""
    return tuple(sorted(f"r{(schema * 2 + number) % ROLES + 1}" for number in range(GRANTEES)))


def wanted() -> dict[Key, GrantWant]:
    """One object a schema, with every kind for each grantee: 10,000 entries in all."""
    return {key(f"s{number}"): _of_schema(f"s{number}", grantees(number)) for number in range(1, SCHEMAS + 1)}


def tables_only(roles: tuple[str, ...]) -> dict[Key, GrantWant]:
    """Every table of BARE for the same roles."""
    return {
        key(f"s{number}"): want(Entry(ObjectKind.TABLE, roles, ("SELECT",), f"s{number}", ("*",)))
        for number in range(1, SCHEMAS + 1)
    }


def wide(setting: Setting) -> tuple[Place, dict[Key, GrantWant]]:
    """Tables of many columns, and one object that names each of these for many grantees."""
    place = setting.place()
    place.limits = Limits(writing=600)
    roles, tables, columns = (
        [f"{what}{n}" for n in range(most)] for what, most in (("w", 100), ("wide", 40), ("c", 200))
    )
    place.sql("; ".join(f"create role {role}" for role in roles))
    made = ", ".join(f"{column} int" for column in columns)
    place.sql("set role app_owner; " + "; ".join(f"create table app.{table} ({made})" for table in tables))
    names = (tuple(sorted(roles)), ("SELECT",), "app", tuple(sorted(tables)))
    return place, {key("wide"): want(Entry(ObjectKind.COLUMN, *names, columns=tuple(sorted(columns))))}


def postmaster(place: Place) -> int:
    """The process id of the server."""
    return int(Path(place.cluster.directory, "data", "postmaster.pid").read_text().split()[0])


def _of_schema(name: str, roles: tuple[str, ...]) -> GrantWant:
    return want(
        Entry(ObjectKind.DATABASE, roles, ("CONNECT",)),
        Entry(ObjectKind.SCHEMA, roles, ("USAGE",), name),
        Entry(ObjectKind.TABLE, roles, ("DELETE", "INSERT", "SELECT", "UPDATE"), name, ("*",)),
        Entry(ObjectKind.SEQUENCE, roles, ("SELECT", "UPDATE", "USAGE"), name, ("*",)),
        Entry(ObjectKind.ROUTINE, roles, ("EXECUTE",), name, ("*",)),
    )
