"""What an entry about each kind of database object may say: a schema, names, `*`, which privileges. Tables only."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cloudsql_iam_operator.api.grant import ObjectKind

ALL = "ALL"
"""Every privilege that the server's version knows for the kind; stands alone."""


@dataclass(frozen=True, slots=True)
class KindShape:
    """Which fields an entry of one kind has, and the privileges that PostgreSQL knows for it.

    Source: PostgreSQL 13–18, GRANT and "Privileges" (table 5.2); MAINTAIN from 17, parameters from 15.
    """

    in_schema: bool
    named: bool
    wildcard: bool
    privileges: tuple[str, ...]


_RELATION = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN")


def _of_schema(*privileges: str) -> KindShape:
    return KindShape(in_schema=True, named=True, wildcard=True, privileges=privileges)


def _of_database(*privileges: str) -> KindShape:
    return KindShape(in_schema=False, named=True, wildcard=False, privileges=privileges)


SHAPES: Mapping[ObjectKind, KindShape] = MappingProxyType(
    {
        ObjectKind.DATABASE: KindShape(False, False, False, ("CONNECT", "CREATE", "TEMPORARY")),
        ObjectKind.SCHEMA: KindShape(True, False, False, ("USAGE", "CREATE")),
        ObjectKind.TABLE: _of_schema(*_RELATION),
        ObjectKind.VIEW: _of_schema(*_RELATION),
        ObjectKind.MATERIALIZED_VIEW: _of_schema(*_RELATION),
        ObjectKind.RELATION: _of_schema(*_RELATION),
        ObjectKind.COLUMN: KindShape(True, True, False, ("SELECT", "INSERT", "UPDATE", "REFERENCES")),
        ObjectKind.SEQUENCE: _of_schema("USAGE", "SELECT", "UPDATE"),
        ObjectKind.FUNCTION: _of_schema("EXECUTE"),
        ObjectKind.PROCEDURE: _of_schema("EXECUTE"),
        ObjectKind.ROUTINE: _of_schema("EXECUTE"),
        ObjectKind.TYPE: _of_schema("USAGE"),
        ObjectKind.FOREIGN_SERVER: _of_database("USAGE"),
        ObjectKind.FOREIGN_DATA_WRAPPER: _of_database("USAGE"),
        ObjectKind.LANGUAGE: _of_database("USAGE"),
        ObjectKind.LARGE_OBJECT: _of_database("SELECT", "UPDATE"),
        ObjectKind.PARAMETER: _of_database("SET", "ALTER SYSTEM"),
        ObjectKind.TABLESPACE: _of_database("CREATE"),
    }
)
"""The shape of every kind."""

ROUTINES = (ObjectKind.FUNCTION, ObjectKind.PROCEDURE)
"""Kinds that Routine stands for; all three are named with the types of their arguments. Aggregates are functions."""

FUTURE_KINDS = (
    ObjectKind.TABLE,
    ObjectKind.SEQUENCE,
    ObjectKind.ROUTINE,
    ObjectKind.TYPE,
    ObjectKind.SCHEMA,
    ObjectKind.LARGE_OBJECT,
)
"""Kinds that PostgreSQL has default privileges for; views count as tables. Large objects from 18 on."""

FUTURE_IN_NO_SCHEMA = (ObjectKind.SCHEMA, ObjectKind.LARGE_OBJECT)
"""Those whose default privileges are for no single schema."""

FUTURE_PUBLIC_KINDS = (ObjectKind.ROUTINE, ObjectKind.TYPE)
"""Kinds of which everybody has privileges on new objects unless default privileges for all schemas say otherwise."""

PUBLIC_KINDS = (
    ObjectKind.DATABASE,
    ObjectKind.SCHEMA,
    ObjectKind.TABLE,
    ObjectKind.VIEW,
    ObjectKind.MATERIALIZED_VIEW,
    ObjectKind.RELATION,
    ObjectKind.SEQUENCE,
    ObjectKind.FUNCTION,
    ObjectKind.PROCEDURE,
    ObjectKind.ROUTINE,
    ObjectKind.TYPE,
    ObjectKind.LANGUAGE,
)
"""Kinds on which privileges can be taken from PUBLIC."""

PRIVILEGES = tuple(sorted({ALL, *(privilege for shape in SHAPES.values() for privilege in shape.privileges)}))
"""Every privilege that any kind has, and ALL; sorted."""
