"""Default privileges of a role that goes: given for another one's objects, and set back to what PostgreSQL has."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import LiteralString

from psycopg import sql
from psycopg.rows import TupleRow

from cloudsql_iam_operator.adapters.postgres.encoding import ESCAPED
from cloudsql_iam_operator.adapters.postgres.statements import encoded
from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.core.grants.changes.operations import Verb
from cloudsql_iam_operator.core.grants.changes.statements import ALL_SCHEMAS, ObjectName, PrivilegeStatement
from cloudsql_iam_operator.core.grants.observed.snapshot import EVERYBODY

_KINDS: dict[str, tuple[ObjectKind, LiteralString]] = {
    "r": (ObjectKind.TABLE, "TABLES"),
    "S": (ObjectKind.SEQUENCE, "SEQUENCES"),
    "f": (ObjectKind.ROUTINE, "ROUTINES"),
    "T": (ObjectKind.TYPE, "TYPES"),
    "n": (ObjectKind.SCHEMA, "SCHEMAS"),
    "L": (ObjectKind.LARGE_OBJECT, "LARGE OBJECTS"),
}
_EVERYBODYS: dict[str, LiteralString] = {"f": "EXECUTE", "T": "USAGE"}
"""What PUBLIC has on new objects unless somebody says otherwise."""


def moved(found: Iterable[TupleRow], role: str, heir: str, codec: str) -> Iterator[bytes]:
    """Statements that give the heir's objects what the role's would have had, and leave the role none of its own.

    `found` are rows of `default_privileges_of`. What the role had taken from PUBLIC it gets back, and the heir keeps.
    """
    rows = list(found)
    for schema, letter, grantee, privilege, option in rows:
        usual = not schema and not grantee and _EVERYBODYS.get(letter) == privilege
        if privilege is None or grantee in {role, heir} or usual:
            continue
        places = (ObjectName("", schema),) if schema else (ALL_SCHEMAS,)
        given = PrivilegeStatement(
            Verb.GRANT, _KINDS[letter][0], (privilege,), (), places, (grantee or EVERYBODY,), "", option, heir
        )
        yield encoded(given, codec)
        yield encoded(replace(given, verb=Verb.REVOKE, option=False, owner=role), codec)
    for schema, letter in sorted({(row[0], row[1]) for row in rows}):
        yield from (_in_schema(schema, letter, role, codec) if schema else _everywhere(letter, role, codec))


def _in_schema(schema: str, letter: str, role: str, codec: str) -> Iterator[bytes]:
    words = sql.SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {} IN SCHEMA {} REVOKE ALL ON {} FROM {}")
    yield _bytes(words.format(*_names(codec, role, schema), sql.SQL(_KINDS[letter][1]), *_names(codec, role)))


def _everywhere(letter: str, role: str, codec: str) -> Iterator[bytes]:
    kind = sql.SQL(_KINDS[letter][1])
    words = sql.SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {} GRANT ALL ON {} TO {}")
    yield _bytes(words.format(*_names(codec, role), kind, *_names(codec, role)))
    if letter in _EVERYBODYS:
        words = sql.SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {} GRANT {} ON {} TO PUBLIC")
        yield _bytes(words.format(*_names(codec, role), sql.SQL(_EVERYBODYS[letter]), kind))


def _names(codec: str, *names: str) -> list[sql.Identifier]:
    """Each byte of a name as a character, which quoting leaves as it is."""
    return [sql.Identifier(name.encode(codec, ESCAPED).decode("latin-1")) for name in names]


def _bytes(words: sql.Composed) -> bytes:
    return words.as_string(None).encode("latin-1")
