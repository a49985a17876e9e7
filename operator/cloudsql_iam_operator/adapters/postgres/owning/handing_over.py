"""Giving all that a role owns in one database to another role, in one transaction that leaves no membership behind."""

from collections.abc import Mapping
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
from cloudsql_iam_operator.core.gcloud import assign_role
from cloudsql_iam_operator.core.grants.changes.statements import MembershipStatement
from cloudsql_iam_operator.core.reasons import Reason

OPTIONS_SINCE = 160000
"""The first version on which a membership says whether it is inherited."""

STATEMENT_MILLISECONDS = 60_000

IAM_LOGIN = ".iam"
"""How the names of service accounts end that log in with IAM, as the operator does where it has no password."""

PARTS = 3
"""Project, region and name of an instance."""


@dataclass(frozen=True, slots=True)
class Handover:
    """A role that goes, and the one that is to own what it owned."""

    role: str
    heir: str


@dataclass(frozen=True, slots=True)
class _Hold:
    """How who works here stands to a role; `member` is a membership without its rights that a grant would change."""

    me: str
    login: str
    usable: bool
    login_usable: bool
    member: bool


def hand_over(access: Access, database: str, handover: Handover) -> None:
    """Give what the role owns to the heir, with the default privileges that it set for others.

    What others granted to it stays theirs to revoke. The login does it as itself where it may act as both already.

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
                _hand_over(connection, handover, access.place)
                require_trusted(connection.execute(query("ddl_triggers")))
        except psycopg.errors.InsufficientPrivilege as error:
            text = f"could not give its objects to {handover.heir}: {failure(error, access, database).message}"
            raise NotYet(Reason.SQL_PERMISSION_DENIED, f"{text}; {_remedy(error, handover)}") from error
        except psycopg.errors.LockNotAvailable as error:
            text = f"{failure(error, access, database).message}: it is tried again"
            raise NotYet(Reason.DELETION_BLOCKED, text) from error


def _hand_over(connection: Connection, handover: Handover, place: str) -> None:
    codec, holds = codec_of(connection), _holds(connection, handover)
    joined = _joined(connection, holds)
    for joining in joined:
        try:
            connection.execute(encoded(joining, codec))
        except psycopg.errors.InsufficientPrivilege as error:
            text = _not_joined(joining, holds[joining.role], handover, place)
            raise NotYet(Reason.SQL_PERMISSION_DENIED, text) from error
    asked = connection.execute(query("default_privileges_of"), {"role": handover.role})
    for statement in moved(asked.fetchall(), handover.role, handover.heir, codec):
        connection.execute(statement)
    connection.execute(_reassigned(handover))
    for joining in reversed(joined):
        connection.execute(encoded(replace(joining, give=False, inherit=None, set=None), codec))


def _holds(connection: Connection, handover: Handover) -> dict[str, _Hold]:
    asked = connection.execute(query("hold_on_roles"), {"role": handover.role, "heir": handover.heir})
    holds = {name: _Hold(me, login, *rest) for me, login, name, *rest in asked.fetchall()}
    for name in (handover.role, handover.heir):
        if name not in holds:
            raise NotYet(Reason.ROLE_NOT_FOUND, f"role {name!r} does not exist: create it, or name another")
    return holds


def _joined(connection: Connection, holds: Mapping[str, _Hold]) -> list[MembershipStatement]:
    """The memberships that the operator needs for as long as this transaction."""
    lacking = {name: hold for name, hold in holds.items() if not hold.usable}
    if lacking and all(hold.login_usable for hold in holds.values()):
        connection.execute(query("settings"), {"names": ["role"], "values": ["none"]})
        return []
    for name, hold in lacking.items():
        if hold.member:  # to grant it anew would change that membership, and to take it back would end it
            text = f"{hold.me!r} is a member of {name!r} without its rights: grant it that role WITH INHERIT TRUE"
            raise NotYet(Reason.SQL_PERMISSION_DENIED, text)
    options = True if connection.info.server_version >= OPTIONS_SINCE else None
    return [MembershipStatement(True, name, (hold.me,), inherit=options, set=options) for name, hold in lacking.items()]


def _not_joined(joining: MembershipStatement, hold: _Hold, handover: Handover, place: str) -> str:
    """What is missing, and what helps: a password login must not become a member of an IAM user, and lose its login."""
    text = f"could not give its objects to {handover.heir}: {hold.me} is no member of {joining.role} and may not become"
    text = f"{text} one, which takes ADMIN on it from PostgreSQL 16 on"
    where = place.rsplit(":", 2)
    if not hold.login.endswith(IAM_LOGIN) or len(where) != PARTS:
        return f"{text}; have a role that may act as both run in each database: {_by_hand(handover)}"
    project, _, instance = where
    command = assign_role(hold.login, joining.role, project, instance)
    return f"{text}; the Admin API makes it one until the user is deleted: {command}"


def _remedy(error: psycopg.Error, handover: Handover) -> str:
    """What helps: an owner of tables and the like must be allowed to create such in their schema."""
    said = error.diag.message_primary or ""
    for kind, place in (("schema", sql.SQL("SCHEMA")), ("database", sql.SQL("DATABASE"))):
        _, found, name = said.partition(f"permission denied for {kind} ")
        if found:
            words = sql.SQL("GRANT CREATE ON {} {} TO {}").format(place, *map(sql.Identifier, (name, handover.heir)))
            return f"who is to own something there, and the operator, need CREATE on it: {words.as_string()};"
    return f"have a role that may do it run there: {_by_hand(handover)}"


def _by_hand(handover: Handover) -> str:
    return _reassigned(handover).as_string() + ";"


def _reassigned(handover: Handover) -> sql.Composed:
    words = sql.SQL("REASSIGN OWNED BY {} TO {}")
    return words.format(sql.Identifier(handover.role), sql.Identifier(handover.heir))
