"""Who stands in the way of a statement: sessions with locks, or with open changes of the same catalog rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from cloudsql_iam_operator.adapters.postgres.queries import query
from cloudsql_iam_operator.adapters.postgres.session import reading
from cloudsql_iam_operator.adapters.postgres.startup import Connection
from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.api.parsing.times import duration_text
from cloudsql_iam_operator.core.grants.changes.statements import (
    MembershipStatement,
    ObjectName,
    PrivilegeStatement,
    Statement,
)

LOCKS_OBJECTS_SINCE = 180000
"""The first version on which GRANT and REVOKE themselves lock what they are about."""

_EXCLUSIVE = "AccessExclusiveLock"
_ROW = ""
_RELATIONS = frozenset({ObjectKind.TABLE, ObjectKind.VIEW, ObjectKind.MATERIALIZED_VIEW, ObjectKind.SEQUENCE})
_WORDS = {
    ObjectKind.SCHEMA: "schema",
    ObjectKind.DATABASE: "database",
    ObjectKind.FUNCTION: "routine",
    ObjectKind.PROCEDURE: "routine",
    ObjectKind.TYPE: "type",
}

Place = tuple[str, str, str]
"""What is blocked: kind, schema and name, as the query has them."""


@dataclass(frozen=True, slots=True)
class Blocker:
    """A session in the way. `seconds` is its transaction's age, None where that is not shown to us.

    `pid` is None for a prepared transaction, whose name `prepared` is. `mode` is of its lock, "" for a changed row.
    """

    mode: str
    pid: int | None
    role: str
    seconds: float | None
    prepared: str

    def stops(self, *, locking: bool, version: int) -> bool:
        """Whether it stops a statement on a server of this version, with or without LOCK TABLE before it."""
        return self.mode == _ROW or locking or (self.mode == _EXCLUSIVE and version >= LOCKS_OBJECTS_SINCE)

    def told(self, watched: float) -> str:
        """Which session, whose, and for how long; `watched` are seconds since it was first met."""
        what = f"the prepared transaction {self.prepared!r}" if self.pid is None else f"the session with pid {self.pid}"
        return f"{what} of role {self.role!r}, {self._age(watched)}"

    def _age(self, watched: float) -> str:
        if self.seconds is None:
            return f"seen for {duration_text(watched)} (membership in pg_read_all_stats would show since when)"
        for unit, length in (("h", 3600), ("m", 60)):
            if self.seconds >= length:
                return f"open for {self.seconds // length:.0f}{unit}"
        return f"open for {duration_text(self.seconds)}"


Blocked = Mapping[Place, Sequence[Blocker]]


def blocked(connection: Connection, role: str) -> Blocked:
    """All that is blocked in the database at the moment, and by whom; `role` is to be taken for the look."""
    with reading(connection, role):
        rows = connection.execute(query("blockers"))
    found: dict[Place, list[Blocker]] = {}
    for kind, schema, name, *blocker in rows:
        found.setdefault((kind, schema, name), []).append(Blocker(*blocker))
    return found


@dataclass(frozen=True, slots=True)
class Road:
    """What stands in the way at one moment, on a server of a version (`server_version_num`)."""

    blocked: Blocked
    version: int

    def parted(self, statement: Statement, *, locking: bool) -> tuple[Statement | None, Statement | None]:
        """The part of a statement whose way is free, and the part that is held up; None where there is no such part.

        `locking` is whether tables are locked before it, as is done so that nobody's migration fails.
        """
        if not isinstance(statement, PrivilegeStatement):
            held = any(self._in_the_way(statement, "", "", locking=locking))
            return (None, statement) if held else (statement, None)
        held_up = [any(self._in_the_way(statement, one.schema, one.name, locking=locking)) for one in statement.objects]
        free = tuple(one for one, held in zip(statement.objects, held_up, strict=True) if not held)
        stuck = tuple(one for one, held in zip(statement.objects, held_up, strict=True) if held)
        return (
            replace(statement, objects=free) if free else None,
            replace(statement, objects=stuck) if stuck else None,
        )

    def blockers(self, statement: Statement) -> tuple[Blocker, ...]:
        """Who holds the statement up, each session once; a revocation needs no lock on tables."""
        objects = statement.objects if isinstance(statement, PrivilegeStatement) else (ObjectName("", ""),)
        locking = statement.give
        found = [b for one in objects for b in self._in_the_way(statement, one.schema, one.name, locking=locking)]
        return tuple({(blocker.pid, blocker.prepared): blocker for blocker in found}.values())

    def _in_the_way(self, statement: Statement, schema: str, name: str, *, locking: bool) -> Iterator[Blocker]:
        of_columns, lockable = False, False
        if isinstance(statement, PrivilegeStatement):
            of_columns, lockable = statement.kind is ObjectKind.COLUMN, statement.lockable
        for place in _places(statement, schema, name):
            for blocker in self.blocked.get(place, ()):
                if of_columns and place[0] == "relation" and blocker.mode == _ROW:
                    continue  # a right on a column is in the column's row, and leaves the table's alone
                if place[0] == "role" or blocker.stops(locking=locking and lockable, version=self.version):
                    yield blocker


def _places(statement: Statement, schema: str, name: str) -> tuple[Place, ...]:
    """What an object of the statement would have to get at."""
    if isinstance(statement, MembershipStatement):
        return (("role", "", statement.role),)
    if statement.owner:
        return (("future", name, statement.owner),)
    if statement.kind is ObjectKind.COLUMN:
        return (("relation", schema, name), ("column", schema, name))
    word = "relation" if statement.kind in _RELATIONS else _WORDS.get(statement.kind)
    return ((word, schema, name),) if word else ()
