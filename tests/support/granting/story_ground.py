"""What a story is about: roles, schemas, kinds of objects and how they are made, what can be declared. Tables only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, LiteralString

from psycopg import sql

LAYOUT = """
create role maker nologin;
grant maker to op;
create role club nologin;
grant club to op with admin option;
"""
"""Beside the roles of a setting: another creator within reach, and a role to be a member of. `stranger` is not."""

GROUND = """
create schema other authorization app_owner;
create foreign data wrapper away;
create server away foreign data wrapper away;
grant usage on foreign server away to app_owner, maker, stranger;
grant usage, create on schema app, other to maker, stranger;
grant create on database {database} to maker;
"""

CREATORS = ("app_owner", "maker", "stranger")
SCHEMAS = ("app", "other")
NAMES = ("orders", "totals", "pii_one", "pii_two", "later")


@dataclass(frozen=True, slots=True)
class Thing:
    """An object that is there; `arguments` are a routine's."""

    kind: str
    schema: str
    name: str
    arguments: LiteralString = ""
    moved: bool = False

    def altered(self, how: LiteralString, word: str) -> sql.Composed:
        """The ALTER of it that ends in a name."""
        what = sql.SQL("alter {} {}{} ").format(
            sql.SQL(KINDS[self.kind][1]), sql.Identifier(self.schema, self.name), sql.SQL(self.arguments)
        )
        return what + sql.SQL(how).format(sql.Identifier(word))


THINGS = (
    Thing("table", "app", "orders"),
    Thing("table", "app", "items"),
    Thing("view", "app", "totals"),
    Thing("materialized view", "app", "history"),
    Thing("sequence", "app", "numbers"),
    Thing("function", "app", "f", "(integer)"),
    Thing("procedure", "app", "tidy"),
    Thing("enum", "app", "state"),
)
"""What there is when a story begins."""

KINDS: Mapping[str, tuple[LiteralString, LiteralString]] = {
    "table": ("create table {} (id integer, note text)", "table"),
    "identity": ("create table {} (id integer generated always as identity, serial serial)", "table"),
    "partitioned": ("create table {} (id integer, note text) partition by list (id)", "table"),
    "foreign table": ("create foreign table {} (id integer, note text) server away", "foreign table"),
    "view": ("create view {} as select 1 as id, 'a' as note", "view"),
    "materialized view": ("create materialized view {} as select 1 as id, 'a' as note", "materialized view"),
    "sequence": ("create sequence {}", "sequence"),
    "function": ("create function {}() returns integer language sql as 'select 1'", "function"),
    "procedure": ("create procedure {}() language sql as 'select 1'", "procedure"),
    "enum": ("create type {} as enum ('new')", "type"),
    "composite": ("create type {} as (id integer)", "type"),
    "range": ("create type {} as range (subtype = integer)", "type"),
    "domain": ("create domain {} as integer", "domain"),
}
"""How an object of each kind is made, and what it is called when it is altered."""


def _everything(kind: str, *privileges: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "schema": "app", "names": ["*"], "privileges": list(privileges), **more}


def _to_come(kind: str, *privileges: str, **more: Any) -> dict[str, Any]:
    return {"schema": "app", "kind": kind, "privileges": list(privileges), **more}


def _of_all_schemas(kind: str, *privileges: str) -> dict[str, Any]:
    return {"kind": kind, "privileges": list(privileges), "owners": ["app_owner", "maker"]}


SPECS: Mapping[str, Mapping[str, Any]] = {
    "read": {"preset": "read", "schemas": ["app"]},
    "write": {"preset": "write", "schemas": ["app"]},
    "both schemas": {"preset": "read", "schemas": ["app", "other"]},
    "all but personal": {
        "grants": [_everything("Table", "SELECT", "INSERT", **{"except": ["pii_*"]})],
        "future": [_to_come("Table", "SELECT")],
    },
    "to come only": {"future": [_to_come("Table", "SELECT", "UPDATE"), _to_come("Sequence", "USAGE")]},
    "to come of one": {"future": [_to_come("Table", "SELECT", owners=["maker"])]},
    "routines and types": {
        "grants": [_everything("Routine", "EXECUTE"), _everything("Type", "USAGE")],
        "future": [_to_come("Routine", "EXECUTE"), _to_come("Type", "USAGE")],
    },
    "all schemas": {
        "future": [
            _of_all_schemas("Table", "SELECT"),
            _of_all_schemas("Routine", "EXECUTE"),
            _of_all_schemas("Schema", "USAGE"),
        ]
    },
    "relations": {"grants": [_everything("Relation", "SELECT", "UPDATE"), _everything("Sequence", "USAGE")]},
    "with option": {"grants": [_everything("Table", "SELECT", grantOption=True)]},
    "by name": {
        "grants": [
            {"kind": "Relation", "schema": "app", "names": ["orders", "totals"], "privileges": ["SELECT"]},
            {"kind": "Column", "schema": "app", "names": ["orders"], "columns": ["note"], "privileges": ["UPDATE"]},
            {"kind": "Sequence", "schema": "app", "names": ["numbers"], "privileges": ["USAGE"]},
            {"kind": "Routine", "schema": "app", "names": ["f(integer)", "tidy()"], "privileges": ["EXECUTE"]},
            {"kind": "Type", "schema": "app", "names": ["state"], "privileges": ["USAGE"]},
        ]
    },
    "outside": {
        "grants": [
            {"kind": "Database", "privileges": ["CONNECT", "CREATE"]},
            {"kind": "Schema", "schemas": ["app", "other"], "privileges": ["USAGE"]},
        ],
        "memberships": [{"role": "club"}],
    },
}
"""What can be declared. Nothing at all is the end of an object."""
