"""Objects with the worst names that PostgreSQL takes, and what is to be said about them, written out by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from cloudsql_iam_operator.api.grant import RoleRef
from cloudsql_iam_operator.api.parsing.objects import parse_grant
from cloudsql_iam_operator.core.grants.desired.entries import Entries, entries_of

LONGEST = 63
"""Bytes of a name that PostgreSQL keeps."""

PIECES = (
    *('"', '""', "'", ";", "--", "/*", "*/", "$$", "$1", "\\", "\\'", "%", "%s", "%(a)s", "{}", "{0}"),
    *(
        ".",
        ",",
        "(",
        ")",
        "[]",
        "=",
        ":",
        "@",
        "#",
        " ",
        "a",
        "Z",
        "é",
        "ß",
        "İ",
        "名",
        "🐘",
        "\u2028",
        "\u200b",
        "\u202e",
    ),
    *("\ufeff", "\u00a0", "U&", "E'", "null", "public", "PUBLIC", "to public", "with grant option", "cascade"),
    *("; drop table app.orders", "); grant app_owner to x; --", '" to public; --', "x" * 40, "é" * 25),
)
_REFUSED = ("public", "none", "postgres")
_KEPT_FOR_OTHERS = ("pg_",)


@dataclass(frozen=True, slots=True)
class Hostile:
    """Names of one object of each kind, all different."""

    schema: str
    table: str
    column: str
    sequence: str
    routine: str
    type: str
    group: str
    grantees: tuple[str, str]

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that are made for it."""
        return (self.group, *self.grantees)

    @property
    def made(self) -> str:
        """SQL that makes everything, for the superuser."""
        schema, table, column = quoted(self.schema), quoted(self.table), quoted(self.column)
        roles = "".join(f"create role {quoted(role)};" for role in self.roles)
        return f"""{roles} grant {quoted(self.group)} to op with admin option;
        create schema {schema} authorization app_owner; set role app_owner;
        create table {schema}.{table} (id integer, {column} text);
        create sequence {schema}.{quoted(self.sequence)};
        create function {schema}.{quoted(self.routine)}() returns integer language sql as 'select 1';
        create domain {schema}.{quoted(self.type)} as text"""

    @property
    def unmade(self) -> str:
        """SQL that takes everything away again."""
        roles = ", ".join(quoted(role) for role in self.roles)
        return f"drop schema {quoted(self.schema)} cascade; drop owned by {roles}; drop role {roles}"

    @property
    def declared(self) -> Entries:
        """What a DatabaseGrant declares that names all of it, read as the operator reads it.

        Raises:
            InvalidObject: the API's rules refuse a name.
            Refused: the engine does.
        """
        return entries_of(parse_grant(self._body()), {RoleRef(role): role for role in self.grantees})

    def statements(self, verb: str = "GRANT", direction: str = "TO") -> list[str]:
        """All that is to be said, sorted: each privilege, and the locks on the table before those on it."""
        schema, column = quoted(self.schema), quoted(self.column)
        table = f"{schema}.{quoted(self.table)}"
        end = f"{direction} {', '.join(quoted(role) for role in sorted(self.grantees))}"
        lock = f"LOCK TABLE ONLY {table} IN ROW EXCLUSIVE MODE"
        said = [
            f"{verb} USAGE ON SCHEMA {schema} {end}",
            lock,
            f"{verb} SELECT ON TABLE {table} {end}",
            lock,
            f"{verb} UPDATE ({column}) ON TABLE {table} {end}",
            f"{verb} USAGE ON SEQUENCE {schema}.{quoted(self.sequence)} {end}",
            f"{verb} EXECUTE ON FUNCTION {schema}.{quoted(self.routine)}() {end}",
            f"{verb} USAGE ON TYPE {schema}.{quoted(self.type)} {end}",
            f'ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner" IN SCHEMA {schema} {verb} SELECT ON TABLES {end}',
            f"{verb} {quoted(self.group)} {end}",
        ]
        return sorted(said)

    def _body(self) -> dict[str, Any]:
        about = {"uid": "u", "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"}
        return {
            "metadata": {"name": "hostile", "namespace": "team", **about},
            "spec": {
                "instanceRef": {"name": "orders"},
                "database": "orders",
                "grantees": [{"role": role} for role in self.grantees],
                "grants": [
                    {"kind": "Schema", "schema": self.schema, "privileges": ["USAGE"]},
                    self._entry("Table", "SELECT", self.table),
                    {**self._entry("Column", "UPDATE", self.table), "columns": [self.column]},
                    self._entry("Sequence", "USAGE", self.sequence),
                    self._entry("Routine", "EXECUTE", f"{quoted(self.routine)}()"),
                    self._entry("Type", "USAGE", self.type),
                ],
                "future": [{"owners": ["app_owner"], "schema": self.schema, "kind": "Table", "privileges": ["SELECT"]}],
                "memberships": [{"role": self.group}],
            },
        }

    def _entry(self, kind: str, privilege: str, name: str) -> dict[str, Any]:
        return {"kind": kind, "schema": self.schema, "names": [name], "privileges": [privilege]}


def quoted(name: str) -> str:
    """A name as PostgreSQL's manual says to quote it; on purpose not by the library that the operator uses."""
    return '"' + name.replace('"', '""') + '"'


def cut(text: str, size: int = LONGEST) -> str:
    """As many characters as fit into so many bytes."""
    return text.encode()[:size].decode(errors="ignore")


def hostiles() -> st.SearchStrategy[Hostile]:
    """Objects whose names are made of PIECES, up to the longest."""
    names = st.lists(st.sampled_from(PIECES), min_size=1, max_size=8).map("".join).map(cut).filter(_is_free)
    return st.lists(names, min_size=9, max_size=9, unique=True).map(_hostile)


def _hostile(names: Sequence[str]) -> Hostile:
    schema, table, column, sequence, routine, type_, group, one, other = names
    return Hostile(schema, table, column, sequence, routine, type_, group, (one, other))


def _is_free(name: str) -> bool:
    """Whether it may be any object's: not reserved, not of this test's own ground, and with something in it."""
    plain = name.strip().lower()
    return bool(plain) and plain not in (*_REFUSED, "app", "x", "a", "z") and not plain.startswith(_KEPT_FOR_OTHERS)
