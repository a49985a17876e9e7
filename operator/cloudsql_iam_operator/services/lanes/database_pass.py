"""A pass over one database: in a session of its own or one that is kept, and with what is faulty or gone set aside."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import Protocol

from cloudsql_iam_operator.adapters.postgres.database import Access, Database, opened
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.errors import Failure, NotYet
from cloudsql_iam_operator.core.grants.caused.neighbourhood import Neighbourhood, neighbourhood
from cloudsql_iam_operator.core.grants.decided.drift import Held
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.lanes.barrier import Claims, Wants, broken, sound
from cloudsql_iam_operator.services.lanes.gone_database import failures
from cloudsql_iam_operator.services.lanes.grant_answers import Earlier, GrantAnswer, Memory, Passed
from cloudsql_iam_operator.services.lanes.grant_pass import GrantPass, ReachesOut
from cloudsql_iam_operator.services.lanes.recording import HaveRecorded

log = logging.getLogger(__name__)

Opening = Callable[[Access, str], AbstractContextManager[Database]]
"""A session of a database for as long as the block runs."""


class _Begin(Protocol):
    def __call__(self, wants: Wants, claims: Claims, *, near: Neighbourhood | None = None) -> GrantPass: ...


def run_pass(
    access: Access,
    name: str,
    wants: Wants,
    claims: Claims,
    memory: Memory | None,
    *,
    before: Held | None = None,
    exceptions: Claims | None = None,
    opening: Opening = opened,
    record: HaveRecorded | None = None,
    sought: frozenset[Key] | None = None,
) -> Passed:
    """Bring a database to the union of all wants, as far as it goes. `before` is what an earlier pass saw held.

    `exceptions` are what the claims record as found. Nothing is done for a want that `record` fails to record. `sought`
    are the keys that it may be for alone: then it is over these and all who have to do with them, where that is enough.

    Raises:
        NotYet: it cannot be observed; nothing was changed.
    """
    earlier = Earlier(before, exceptions or {})
    amended: Wants = {}
    try:
        with opening(access, name) as database:
            begin = partial(GrantPass, database, access, earlier, record=record)
            try:
                passed = _few(begin, sought, wants, claims) if sought is not None else None
                if passed is not None:
                    return replace(passed, memory=memory if passed.clean else None)
            except ReachesOut as more:
                amended = more.recorded
            except Failure:
                raise
            except Exception as error:
                log.debug("%s/%s: a pass over a few failed", access.place, name, exc_info=error)
            passed = _whole(begin, access.place, {**wants, **amended}, claims, memory)
            return replace(passed, recorded={**amended, **passed.recorded})
    except NotYet as failure:
        if failure.reason is not Reason.DATABASE_NOT_FOUND:
            raise
        why = failures(access, wants, failure)
        return Passed({key: why[key] or GrantAnswer() for key in wants}, clean=False, memory=None)


def _few(begin: _Begin, sought: frozenset[Key], wants: Wants, claims: Claims) -> Passed | None:
    """A pass over those who are sought and all who have to do with them; None when it had better be over everything.

    What was remembered holds on when it did nothing.
    """
    near = neighbourhood(sought, wants, claims)
    return begin(near.wants, near.claims, near=near).run(None) if near is not None else None


def _whole(begin: _Begin, place: str, wants: Wants, claims: Claims, memory: Memory | None) -> Passed:
    """A pass over all wants; what cannot be decided for some is set aside."""
    try:
        return begin(wants, claims).run(memory)
    except Failure:
        raise
    except Exception as error:
        log.debug("%s: a pass over everything failed", place, exc_info=error)
        kept = sound(wants, claims, lambda some, others: begin(some, others).decide())
        passed = begin(kept.wants, kept.claims).run(None)
        faulty = {key: broken(place, key, fault) for key, fault in kept.faults.items()}
        return replace(passed, answers={**passed.answers, **faulty}, clean=False, memory=None)
