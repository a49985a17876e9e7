"""Statements that could not be carried out: for which reason, and whether waiting or looking again may help."""

from dataclasses import dataclass, field

import psycopg
from psycopg.errors import Diagnostic

from cloudsql_iam_operator.adapters.postgres.statements import shown
from cloudsql_iam_operator.core.grants.changes.statements import Statement
from cloudsql_iam_operator.core.reasons import Reason

LOCKED = "55P03"
PASSING = frozenset({"XX000", "40P01", "40001", LOCKED, "57014"})
"""Somebody else changes the same row, holds a lock, or it took too long."""

_VANISHED = frozenset({"42P01", "3F000", "42883", "42704", "42703", "3D000"})
"""Something that was there a moment ago is not."""

ROW_FULL = "54000"
"""An object has so many grantees that the row of its rights would be too big."""

UNSAYABLE = "22021"
"""A name has no bytes in the database's encoding."""

WARNING, _OF_GRANTS = "01000", frozenset({"user.c", "aclchk.c"})
"""Some of these warnings have no number of their own, as that a membership was granted by another role. Event triggers
may warn with the same number, and come from elsewhere in the server."""

_NOT_GRANTED, _NOT_REVOKED = "01007", "01006"
"""Warnings with which PostgreSQL says that it did nothing, as if that were a success."""

_REASONS = {
    _NOT_GRANTED: Reason.SQL_PERMISSION_DENIED,
    _NOT_REVOKED: Reason.REVOKE_BLOCKED,
    WARNING: Reason.REVOKE_BLOCKED,
    "42501": Reason.SQL_PERMISSION_DENIED,
    "2BP01": Reason.REVOKE_BLOCKED,
    "25006": Reason.READ_ONLY,
    UNSAYABLE: Reason.INTERNAL_ERROR,
    ROW_FULL: Reason.TOO_MANY_GRANTEES,
}


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
    """What became of the statements of a pass. `notices` are sentences about what did not stop it."""

    done: list[Statement] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    notices: tuple[str, ...] = ()

    @property
    def passing(self) -> bool:
        """Whether waiting may help some statement."""
        return any(refusal.passing for refusal in self.refused)


class Nothing(Exception):
    """PostgreSQL warned that a statement did nothing, or less than it says."""

    def __init__(self, sqlstate: str, text: str) -> None:
        super().__init__(text)
        self.sqlstate = sqlstate


def did_nothing(notice: Diagnostic) -> bool:
    """Whether it says that a statement did nothing, or not all of it."""
    if notice.sqlstate == WARNING:
        return notice.source_file in _OF_GRANTS
    return notice.sqlstate in (_NOT_GRANTED, _NOT_REVOKED)


def refusal(statement: Statement, actor: str, error: psycopg.Error | Nothing) -> Refusal:
    """What an error means for a statement that was tried as `actor`."""
    state = error.sqlstate or ""
    acting = f" as {actor}" if actor else ""
    message = f"{short(shown(statement))} failed{acting}: {said(error)}"
    if state in PASSING:
        return Refusal(statement, Reason.PROGRESSING_WITH_RETRY, message, passing=True)
    if state in _VANISHED:
        return Refusal(statement, Reason.OBJECT_NOT_FOUND, message, vanished=True)
    return Refusal(statement, _REASONS.get(state, Reason.NOT_CONVERGING), message)


def postponed(statement: Statement) -> Refusal:
    """What was not come to."""
    text = f"{short(shown(statement))} was not reached in the time of one pass; the next goes on"
    return Refusal(statement, Reason.PROGRESSING_WITH_RETRY, text, passing=True)


def held_up(statement: Statement, why: str) -> Refusal:
    """What somebody's session kept from being done; `why` names it and what would help."""
    return Refusal(statement, Reason.PROGRESSING_WITH_RETRY, f"{short(shown(statement))} waits for {why}", passing=True)


def said(error: psycopg.Error | Nothing) -> str:
    """The server's own words."""
    if isinstance(error, Nothing):
        return str(error)
    detail = error.diag.message_detail
    text = error.diag.message_primary or str(error).split("\n", 1)[0]
    return f"{text} ({detail})" if detail else text


def short(text: str) -> str:
    """A statement's text, cut to what a message can hold."""
    return text if len(text) <= 200 else text[:197] + "..."
