"""Giving all that a role owns in one database to another role, in one transaction that leaves no membership behind."""

from dataclasses import dataclass, replace

import psycopg
from psycopg import sql

from cloudsql_iam_operator.adapters.postgres.database import Access
from cloudsql_iam_operator.adapters.postgres.encoding import codec_of
from cloudsql_iam_operator.adapters.postgres.owning.default_privileges import moved
from cloudsql_iam_operator.adapters.postgres.owning.reading import failure, opened
from cloudsql_iam_operator.adapters.postgres.queries import query
from cloudsql_iam_operator.adapters.postgres.session import require_trusted, writing
from cloudsql_iam_operator.adapters.postgres.startup import Connection
from cloudsql_iam_operator.adapters.postgres.statements import encoded
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.grants.changes.statements import MembershipStatement
from cloudsql_iam_operator.core.reasons import Reason

OPTIONS_SINCE = 160000
"""The first version on which a membership says whether it is inherited."""

STATEMENT_MILLISECONDS = 60_000


@dataclass(frozen=True, slots=True)
class Handover:
    """A role that goes, and the one that is to own what it owned."""

    role: str
    heir: str


def hand_over(access: Access, database: str, handover: Handover) -> None:
    """Give what the role owns to the heir, with the default privileges that it set for others.

    What others granted to it stays theirs to revoke.

    Raises:
        NotYet: the operator may not act as one of the two, or somebody's lock is in the way; nothing is changed.
    Source: PostgreSQL, REASSIGN OWNED; it leaves default privileges alone
    """
    access.fence()
    with opened(access, database) as connection:
        try:
            limits = replace(access.limits, statement=STATEMENT_MILLISECONDS)
            with writing(connection, access.set_role, limits):
                require_trusted(connection.execute(query("ddl_triggers")))
                _hand_over(connection, handover)
                require_trusted(connection.execute(query("ddl_triggers")))
        except psycopg.errors.InsufficientPrivilege as error:
            text = failure(error, access, database).message
            remedy = f"have {handover.role} run REASSIGN OWNED itself, or make the operator a member of both with ADMIN"
            raise NotYet(
                Reason.SQL_PERMISSION_DENIED, f"could not give its objects to {handover.heir}: {text}; {remedy}"
            ) from error
        except psycopg.errors.LockNotAvailable as error:
            text = f"{failure(error, access, database).message}: it is tried again"
            raise NotYet(Reason.DELETION_BLOCKED, text) from error


def _hand_over(connection: Connection, handover: Handover) -> None:
    codec, joined = codec_of(connection), _joined(connection, handover)
    for joining in joined:
        connection.execute(encoded(joining, codec))
    asked = connection.execute(query("default_privileges_of"), {"role": handover.role})
    for statement in moved(asked.fetchall(), handover.role, handover.heir, codec):
        connection.execute(statement)
    words = sql.SQL("REASSIGN OWNED BY {} TO {}")
    connection.execute(words.format(sql.Identifier(handover.role), sql.Identifier(handover.heir)))
    for joining in reversed(joined):
        connection.execute(encoded(replace(joining, give=False, inherit=None, set=None), codec))


def _joined(connection: Connection, handover: Handover) -> list[MembershipStatement]:
    """The memberships that the operator needs for as long as this transaction."""
    asked = connection.execute(query("hold_on_roles"), {"role": handover.role, "heir": handover.heir})
    standing = {name: (me, usable, member) for me, name, usable, member in asked.fetchall()}
    for name in (handover.role, handover.heir):
        if name not in standing:
            raise NotYet(Reason.ROLE_NOT_FOUND, f"role {name!r} does not exist: create it, or name another")
    lacking = {name: row for name, row in standing.items() if not row[1]}
    for name, (me, _, member) in lacking.items():
        if member:  # to grant it anew would change that membership, and to take it back would end it
            text = f"{me!r} is a member of {name!r} without its rights: grant it that role WITH INHERIT TRUE"
            raise NotYet(Reason.SQL_PERMISSION_DENIED, text)
    options = True if connection.info.server_version >= OPTIONS_SINCE else None
    return [
        MembershipStatement(True, name, (me,), inherit=options, set=options) for name, (me, _, _) in lacking.items()
    ]
