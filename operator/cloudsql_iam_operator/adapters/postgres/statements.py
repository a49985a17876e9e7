"""Statements as SQL: composed of fixed words and quoted identifiers, nothing else."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import LiteralString

from psycopg import sql

from cloudsql_iam_operator.adapters.postgres.encoding import ESCAPED, legible
from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.api.object_kinds import ROUTINES
from cloudsql_iam_operator.core.grants.changes.operations import Verb
from cloudsql_iam_operator.core.grants.changes.statements import (
    ALL_SCHEMAS,
    MembershipStatement,
    ObjectName,
    PrivilegeStatement,
    Statement,
)
from cloudsql_iam_operator.core.grants.observed.snapshot import EVERYBODY

_PRIVILEGES: dict[str, LiteralString] = {
    "INSERT": "INSERT",
    "SELECT": "SELECT",
    "UPDATE": "UPDATE",
    "DELETE": "DELETE",
    "TRUNCATE": "TRUNCATE",
    "REFERENCES": "REFERENCES",
    "TRIGGER": "TRIGGER",
    "EXECUTE": "EXECUTE",
    "USAGE": "USAGE",
    "CREATE": "CREATE",
    "TEMPORARY": "TEMPORARY",
    "CONNECT": "CONNECT",
    "SET": "SET",
    "ALTER SYSTEM": "ALTER SYSTEM",
    "MAINTAIN": "MAINTAIN",
}
_OBJECTS: dict[ObjectKind, LiteralString] = {
    ObjectKind.DATABASE: "DATABASE",
    ObjectKind.SCHEMA: "SCHEMA",
    ObjectKind.TABLE: "TABLE",
    ObjectKind.VIEW: "TABLE",
    ObjectKind.MATERIALIZED_VIEW: "TABLE",
    ObjectKind.COLUMN: "TABLE",
    ObjectKind.SEQUENCE: "SEQUENCE",
    ObjectKind.FUNCTION: "FUNCTION",
    ObjectKind.PROCEDURE: "PROCEDURE",
    ObjectKind.TYPE: "TYPE",
    ObjectKind.FOREIGN_SERVER: "FOREIGN SERVER",
    ObjectKind.FOREIGN_DATA_WRAPPER: "FOREIGN DATA WRAPPER",
    ObjectKind.LANGUAGE: "LANGUAGE",
    ObjectKind.LARGE_OBJECT: "LARGE OBJECT",
    ObjectKind.PARAMETER: "PARAMETER",
    ObjectKind.TABLESPACE: "TABLESPACE",
}
_TO_COME: dict[ObjectKind, LiteralString] = {
    ObjectKind.TABLE: "TABLES",
    ObjectKind.SEQUENCE: "SEQUENCES",
    ObjectKind.ROUTINE: "ROUTINES",
    ObjectKind.TYPE: "TYPES",
    ObjectKind.SCHEMA: "SCHEMAS",
    ObjectKind.LARGE_OBJECT: "LARGE OBJECTS",
}
_COMMA = sql.SQL(", ")


def composed(statement: Statement) -> sql.Composed:
    """The statement as it is sent."""
    if isinstance(statement, MembershipStatement):
        return _membership(statement)
    words = _granting(statement)
    if not statement.owner:
        return words
    whose = sql.SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {}").format(sql.Identifier(statement.owner))
    if statement.objects != (ALL_SCHEMAS,):
        whose += sql.SQL(" IN SCHEMA {}").format(_names([name.name for name in statement.objects]))
    return whose + sql.SQL(" ") + words


def granted_by_hand(role: str, user: str) -> str:
    """The statement by which somebody else gives a role to a user."""
    return sql.SQL("GRANT {} TO {};").format(sql.Identifier(role), sql.Identifier(user)).as_string()


def table_lock(statement: Statement) -> sql.Composed | None:
    """A lock on the statement's tables that lets others read and write, and makes their ALTER TABLE wait, not fail."""
    if not isinstance(statement, PrivilegeStatement) or not statement.lockable:
        return None
    return sql.SQL("LOCK TABLE ONLY {} IN ROW EXCLUSIVE MODE").format(_objects(statement))


def encoded(statement: Statement, codec: str, words: Callable[[Statement], sql.Composed | None] = composed) -> bytes:
    """The statement, or other words about it, as the server takes it; names in the bytes that it has for them."""
    # Each byte of a name is a character here, which quoting leaves as it is: it only looks at those of ASCII.
    said = words(_renamed(statement, lambda name: name.encode(codec, ESCAPED).decode("latin-1")))
    return said.as_string(None).encode("latin-1") if said is not None else b""


def shown(statement: Statement) -> str:
    """The statement for people to read."""
    return composed(_renamed(statement, legible)).as_string(None)


def _renamed(statement: Statement, changed: Callable[[str], str]) -> Statement:
    """The statement with each name in it changed."""
    grantees = tuple(map(changed, statement.grantees))
    if isinstance(statement, MembershipStatement):
        role, grantor = changed(statement.role), changed(statement.grantor)
        return replace(statement, role=role, grantees=grantees, grantor=grantor)
    return replace(
        statement,
        grantees=grantees,
        owner=changed(statement.owner),
        columns=tuple(map(changed, statement.columns)),
        objects=tuple(
            ObjectName(
                changed(name.schema),
                changed(name.name),
                tuple((changed(schema), changed(type_)) for schema, type_ in name.arguments),
            )
            for name in statement.objects
        ),
    )


def _granting(statement: PrivilegeStatement) -> sql.Composed:
    giving = statement.verb is Verb.GRANT
    words: list[sql.Composable] = [
        sql.SQL("GRANT") if giving else sql.SQL("REVOKE"),
        *([sql.SQL("GRANT OPTION FOR")] if statement.verb is Verb.TAKE_OPTION else []),
        _privileges(statement),
        sql.SQL("ON"),
        sql.SQL(_TO_COME[statement.kind]) if statement.owner else _targets(statement),
        sql.SQL("TO") if giving else sql.SQL("FROM"),
        _grantees(statement),
        *([sql.SQL("WITH GRANT OPTION")] if statement.option else []),
        *([sql.SQL("CASCADE")] if statement.cascade else []),
    ]
    return sql.SQL(" ").join(words)


def _privileges(statement: PrivilegeStatement) -> sql.Composed:
    columns = sql.SQL(" ({})").format(_names(statement.columns)) if statement.columns else sql.SQL("")
    return _COMMA.join([sql.SQL(_PRIVILEGES[name]) + columns for name in statement.privileges])


def _targets(statement: PrivilegeStatement) -> sql.Composed:
    return sql.SQL(_OBJECTS[statement.kind]) + sql.SQL(" ") + _objects(statement)


def _objects(statement: PrivilegeStatement) -> sql.Composed:
    return _COMMA.join([_object(statement.kind, name) for name in statement.objects])


def _object(kind: ObjectKind, name: ObjectName) -> sql.Composable:
    if kind is ObjectKind.LARGE_OBJECT:
        return sql.Literal(int(name.name))
    if kind is ObjectKind.PARAMETER:
        return sql.Identifier(*name.name.split("."))
    words = sql.Identifier(name.schema, name.name) if name.schema else sql.Identifier(name.name)
    if kind not in ROUTINES:
        return words
    # Without a mode, PostgreSQL takes the types of a procedure for those of its OUT arguments too.
    mode = sql.SQL("IN {}") if kind is ObjectKind.PROCEDURE else sql.SQL("{}")
    types = _COMMA.join([mode.format(sql.Identifier(schema, type_)) for schema, type_ in name.arguments])
    return sql.SQL("{}({})").format(words, types)


def _grantees(statement: PrivilegeStatement) -> sql.Composable:
    if statement.grantees == (EVERYBODY,) and statement.verb is Verb.REVOKE:
        return sql.SQL("PUBLIC")
    return _names(statement.grantees)


def _membership(statement: MembershipStatement) -> sql.Composed:
    role, grantees = sql.Identifier(statement.role), _names(statement.grantees)
    if statement.give:
        return sql.SQL("GRANT {} TO {}{}").format(role, grantees, _options(statement))
    words = sql.SQL("REVOKE ADMIN OPTION FOR {} FROM {}") if statement.admin else sql.SQL("REVOKE {} FROM {}")
    by = sql.SQL(" GRANTED BY {}").format(sql.Identifier(statement.grantor)) if statement.grantor else sql.SQL("")
    return words.format(role, grantees) + by + sql.SQL(" CASCADE" if statement.cascade else "")


def _options(statement: MembershipStatement) -> sql.Composable:
    if statement.inherit is None and statement.set is None:
        return sql.SQL(" WITH ADMIN OPTION") if statement.admin else sql.SQL("")
    said: list[sql.Composable] = []
    if statement.admin is not None:
        said.append(sql.SQL("ADMIN TRUE") if statement.admin else sql.SQL("ADMIN FALSE"))
    if statement.inherit is not None:
        said.append(sql.SQL("INHERIT TRUE") if statement.inherit else sql.SQL("INHERIT FALSE"))
    if statement.set is not None:
        said.append(sql.SQL("SET TRUE") if statement.set else sql.SQL("SET FALSE"))
    return sql.SQL(" WITH ") + _COMMA.join(said)


def _names(names: Sequence[str]) -> sql.Composed:
    return _COMMA.join([sql.Identifier(name) for name in names])
