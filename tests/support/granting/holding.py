"""Sessions of others with an open transaction, and what an answer says of what they hold up."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg.rows import TupleRow

from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer
from support.granting.setting import Place
from support.granting.wording import NOTHING


@dataclass(frozen=True, slots=True)
class Held:
    """A session with an open transaction."""

    session: psycopg.Connection[TupleRow]
    pid: int


@contextmanager
def held(place: Place, statement: str, user: str = "app_owner") -> Iterator[Held]:
    """Somebody's transaction in which a statement was executed, open for a while."""
    login = user if user in ("x", "y", "op") else None
    with psycopg.connect(place.cluster.dsn(login, place.name)) as session:
        if login is None:
            session.execute(b"set role app_owner")
        session.execute(statement.encode())
        yield Held(session, session.info.backend_pid)
        if not session.closed:
            session.rollback()


def taken_back(place: Place, answer: GrantAnswer) -> GrantAnswer:
    """One pass that wants nothing of what was granted."""
    return place.answer(GrantWant(NOTHING, answer.ledger))


def told(answer: GrantAnswer) -> str:
    """All sentences of an answer whose problems pass by themselves."""
    assert {problem.reason for problem in answer.problems} == {Reason.PROGRESSING_WITH_RETRY}
    return "; ".join(problem.message for problem in answer.problems)
