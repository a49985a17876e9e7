"""Transactions with everything set for their length only, so that no setting leaks behind a pooler."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg.rows import TupleRow

from cloudsql_iam_operator.adapters.postgres.queries import query
from cloudsql_iam_operator.adapters.postgres.startup import SESSION, TRANSACTION_TIMEOUT_SINCE, Connection
from cloudsql_iam_operator.adapters.postgres.statements import granted_by_hand
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.reasons import Reason

READING_SECONDS = 60
"""Longest time for one catalog query."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Timeouts of a writing transaction in milliseconds, and seconds for all of them in one pass.

    `patience` is how many of those what somebody's locks hold up is tried again for, after all else is done. `lock`
    is below PostgreSQL's deadlock_timeout of a second, so that we give way and never the other side.
    """

    lock: int = 500
    statement: int = 15_000
    writing: float = 60.0
    patience: float = 2.0


@contextmanager
def reading(connection: Connection, role: str) -> Iterator[None]:
    """One consistent read, as `role` ("" for the login itself), sent as a whole at the end: read the rows after it.

    `Connection.transaction` would wait for the server at every step of a pipeline.
    """
    try:
        with connection.pipeline():
            connection.execute("begin isolation level repeatable read, read only")
            _settle(connection, role, Limits(lock=5_000, statement=READING_SECONDS * 1000))
            yield
            connection.execute("commit")
    except BaseException:
        if not connection.closed:
            connection.rollback()
        raise


@contextmanager
def writing(connection: Connection, role: str, limits: Limits) -> Iterator[psycopg.Cursor[TupleRow]]:
    """One short transaction, as `role` ("" for the login itself), alone among this login's writers of grants here.

    Its rows are sessions of others that hold the lock by which that is so, which nothing waits for.
    """
    with connection.transaction():
        _settle(connection, role, limits)
        yield connection.execute(query("advisory_lock"))


def require_trusted(foreign: psycopg.Cursor[TupleRow]) -> None:
    """Return when no event trigger runs code of somebody else as us; the rows are of `event_triggers`.

    Raises:
        NotYet: one does.
    """
    found = foreign.fetchone()
    if found is None:
        return
    trigger, schema, function, owner = found
    text = (
        f"event trigger {trigger!r} runs the function {schema}.{function} of role {owner!r} as whoever logs in or "
        "grants, so also as the operator, which keeps out of this database: drop the trigger, or declare the function "
        "SECURITY DEFINER so that it runs as its owner"
    )
    raise NotYet(Reason.EVENT_TRIGGER_NOT_TRUSTED, text)


def role_failure(error: psycopg.Error, role: str, user: str = "") -> NotYet | None:
    """The verdict when the error is that `user` cannot take `role`; in a pipeline such an error shows up later."""
    said = error.diag.message_primary or ""
    if not role or not ("set role" in said or (error.sqlstate == "22023" and f'role "{role}"' in said)):
        return None
    how = f"have somebody run: {granted_by_hand(role, user)}" if user else "grant that role to who logs in"
    text = f"SET ROLE {role!r} failed: {said}: {how}"
    return NotYet(Reason.SET_ROLE_FAILED, text)


def refused_roles(connection: Connection, roles: Iterable[str]) -> dict[str, str]:
    """Those of the roles that the login may not take, each with what the server says of it. Nothing is written."""
    refused = {}
    with connection.transaction():
        connection.execute("set transaction read only")
        for role in roles:
            try:
                with connection.transaction(force_rollback=True):
                    connection.execute(query("settings"), {"names": ["role"], "values": [role]})
            except psycopg.Error as error:
                if connection.closed:
                    raise
                refused[role] = error.diag.message_primary or type(error).__name__
    return refused


def _settle(connection: Connection, role: str, limits: Limits) -> None:
    values = {
        **SESSION,
        "idle_in_transaction_session_timeout": "10s",
        "lock_timeout": f"{limits.lock}ms",
        "statement_timeout": f"{limits.statement}ms",
        **({"transaction_timeout": "0"} if connection.info.server_version >= TRANSACTION_TIMEOUT_SINCE else {}),
        # The last, because what comes after it is done by that role.
        "role": role or "none",
    }
    connection.execute(query("settings"), {"names": list(values), "values": list(values.values())})
