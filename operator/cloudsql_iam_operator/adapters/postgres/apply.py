"""Carrying out planned statements in short transactions, so that one that fails stops no other."""

import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import psycopg
from psycopg.errors import Diagnostic

from cloudsql_iam_operator.adapters.postgres.encoding import codec_of
from cloudsql_iam_operator.adapters.postgres.session import Limits, writing
from cloudsql_iam_operator.adapters.postgres.startup import Connection
from cloudsql_iam_operator.adapters.postgres.statements import encoded, shown, table_lock
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.grants.changes.statements import Statement, Transaction, halves
from cloudsql_iam_operator.core.reasons import Reason

log = logging.getLogger(__name__)

TRIES = 5
"""How often a transaction is tried while what stands in its way may go away by itself."""

CUTS = 64
"""How often failing statements are cut in two in one pass; what is left then fails as a whole."""

_PASSING = frozenset({"XX000", "40P01", "40001", "55P03", "57014"})
"""Somebody else changes the same row, holds a lock, or it took too long."""

_VANISHED = frozenset({"42P01", "3F000", "42883", "42704", "42703", "3D000"})
"""Something that was there a moment ago is not."""

_ROW_FULL = "54000"
"""An object has so many grantees that the row of its rights would be too big."""

_UNSAYABLE = "22021"
"""A name has no bytes in the database's encoding."""

_WARNING, _OF_GRANTS = "01000", frozenset({"user.c", "aclchk.c"})
"""Some of these warnings have no number of their own, as that a membership was granted by another role. Event triggers
may warn with the same number, and come from elsewhere in the server."""

_NOT_GRANTED, _NOT_REVOKED = "01007", "01006"
"""Warnings with which PostgreSQL says that it did nothing, as if that were a success."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A statement that could not be carried out. `passing`: waiting may help; `vanished`: observing again may."""

    statement: Statement
    reason: Reason
    message: str
    passing: bool = False
    vanished: bool = False


@dataclass(slots=True)
class Outcome:
    """What became of the statements of a pass."""

    done: list[Statement] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)


class _Nothing(Exception):
    """PostgreSQL warned that a statement did nothing, or less than it says."""

    def __init__(self, sqlstate: str, text: str) -> None:
        super().__init__(text)
        self.sqlstate = sqlstate


class Applier:
    """Carries out transactions on one connection.

    `fence` is called before each of them and raises when nothing may be written any more.
    """

    def __init__(self, connection: Connection, role: str, fence: Callable[[], None], limits: Limits) -> None:
        self._connection = connection
        self._role = role
        self._fence = fence
        self._limits = limits
        self._cuts = CUTS
        self._until = time.monotonic() + limits.writing

    def apply(self, transactions: Sequence[Transaction], place: str) -> Outcome:
        """Carry out as much as can be. `place` names instance and database in the log.

        Raises:
            NotYet: the connection was lost.
        """
        outcome = Outcome()
        for transaction in transactions:
            if time.monotonic() < self._until:
                self._try(transaction, TRIES, outcome)
            else:
                outcome.refused += [_postponed(statement) for statement in transaction.statements]
        for statement in outcome.done:
            log.info("%s: executed %s", place, _short(shown(statement)))
        return outcome

    def _try(self, transaction: Transaction, tries: int, outcome: Outcome) -> None:
        for attempt in range(1, tries + 1):
            try:
                self._run(transaction)
            except (psycopg.Error, _Nothing) as error:
                if self._connection.closed:
                    text = f"the connection was lost while granting: {_said(error)}"
                    raise NotYet(Reason.DATABASE_UNREACHABLE, text) from error
                if error.sqlstate in _PASSING and attempt < tries:
                    time.sleep(random.uniform(0.01, 0.1) * 2**attempt)  # noqa: S311 - spreads contenders
                    continue
                self._split(transaction, error, outcome)
                return
            outcome.done += transaction.statements
            return

    def _split(self, transaction: Transaction, error: psycopg.Error | _Nothing, outcome: Outcome) -> None:
        """Find the parts that can be carried out: statement by statement, then half by half."""
        first, *others = transaction.statements
        # Half of the grantees at a time would fill a row to the brim, so that nobody else could be granted anything.
        parts = transaction.statements if others else () if error.sqlstate == _ROW_FULL else halves(first)
        if not parts or self._cuts <= 0:
            actor = transaction.actor or self._role
            outcome.refused += [_refusal(statement, actor, error) for statement in transaction.statements]
            return
        self._cuts -= 1
        for part in parts:
            self._try(replace(transaction, statements=(part,)), 1 if len(parts) == 2 else TRIES, outcome)

    def _run(self, transaction: Transaction) -> None:
        try:
            self._run_once(transaction, locking=True)
        except psycopg.errors.InsufficientPrivilege:
            # An owner may have revoked its own rights to the table, and then may grant but not lock.
            if not any(table_lock(statement) for statement in transaction.statements):
                raise
            self._run_once(transaction, locking=False)

    def _said(self, transaction: Transaction, *, locking: bool) -> list[bytes]:
        """What is sent for a transaction, each lock before its statement."""
        codec = codec_of(self._connection)
        try:
            every = [(encoded(one, codec, table_lock) if locking else b"", one) for one in transaction.statements]
            return [text for lock, one in every for text in (lock, encoded(one, codec)) if text]
        except Exception as error:
            raise _Nothing(_UNSAYABLE, f"it cannot be said: {type(error).__name__}") from error

    def _run_once(self, transaction: Transaction, *, locking: bool) -> None:
        self._fence()
        notices: list[_Nothing] = []

        def read(notice: Diagnostic) -> None:
            # Here and now: the server's answer is gone when this returns.
            if _did_nothing(notice):
                notices.append(_Nothing(notice.sqlstate or _WARNING, notice.message_primary or "nothing was done"))

        said = self._said(transaction, locking=locking)
        self._connection.add_notice_handler(read)
        try:
            with (
                self._connection.pipeline() as pipeline,
                writing(self._connection, transaction.actor or self._role, self._limits),
            ):
                for text in said:
                    self._connection.execute(text)
                pipeline.sync()
                for nothing in notices:
                    raise nothing
        finally:
            self._connection.remove_notice_handler(read)


def _did_nothing(notice: Diagnostic) -> bool:
    """Whether it says that a statement did nothing, or not all of it."""
    if notice.sqlstate == _WARNING:
        return notice.source_file in _OF_GRANTS
    return notice.sqlstate in (_NOT_GRANTED, _NOT_REVOKED)


def _postponed(statement: Statement) -> Refusal:
    text = f"{_short(shown(statement))} was not reached in the time of one pass; the next goes on"
    return Refusal(statement, Reason.PROGRESSING_WITH_RETRY, text, passing=True)


def _refusal(statement: Statement, actor: str, error: psycopg.Error | _Nothing) -> Refusal:
    state = error.sqlstate or ""
    acting = f" as {actor}" if actor else ""
    message = f"{_short(shown(statement))} failed{acting}: {_said(error)}"
    if state in _PASSING:
        return Refusal(statement, Reason.PROGRESSING_WITH_RETRY, message, passing=True)
    if state in _VANISHED:
        return Refusal(statement, Reason.OBJECT_NOT_FOUND, message, vanished=True)
    return Refusal(statement, _REASONS.get(state, Reason.NOT_CONVERGING), message)


_REASONS = {
    _NOT_GRANTED: Reason.SQL_PERMISSION_DENIED,
    _NOT_REVOKED: Reason.REVOKE_BLOCKED,
    _WARNING: Reason.REVOKE_BLOCKED,
    "42501": Reason.SQL_PERMISSION_DENIED,
    "2BP01": Reason.REVOKE_BLOCKED,
    "25006": Reason.READ_ONLY,
    _UNSAYABLE: Reason.INTERNAL_ERROR,
    _ROW_FULL: Reason.TOO_MANY_GRANTEES,
}


def _said(error: psycopg.Error | _Nothing) -> str:
    if isinstance(error, _Nothing):
        return str(error)
    detail = error.diag.message_detail
    text = error.diag.message_primary or str(error).split("\n", 1)[0]
    return f"{text} ({detail})" if detail else text


def _short(text: str) -> str:
    return text if len(text) <= 200 else text[:197] + "..."
