"""A pass over one database: in a session of its own or one that is kept, and with what is faulty or gone set aside."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial

from cloudsql_iam_operator.adapters.postgres.database import Access, Database, opened
from cloudsql_iam_operator.core.errors import Failure, NotYet
from cloudsql_iam_operator.core.grants.decided.drift import Held
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.lanes.barrier import Claims, Wants, broken, sound
from cloudsql_iam_operator.services.lanes.gone_database import failures
from cloudsql_iam_operator.services.lanes.grant_answers import Earlier, GrantAnswer, Memory, Passed
from cloudsql_iam_operator.services.lanes.grant_pass import GrantPass
from cloudsql_iam_operator.services.lanes.recording import HaveRecorded

log = logging.getLogger(__name__)

Opening = Callable[[Access, str], AbstractContextManager[Database]]
"""A session of a database for as long as the block runs."""


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
) -> Passed:
    """Bring a database to the union of all wants, as far as it goes. `before` is what an earlier pass saw held.

    `exceptions` are what the claims record as found. Nothing is done for a want that `record` fails to record.

    Raises:
        NotYet: it cannot be observed; nothing was changed.
    """
    earlier = Earlier(before, exceptions or {})
    try:
        with opening(access, name) as database:
            begin = partial(GrantPass, database, access, earlier)
            try:
                return begin(wants, claims, record=record).run(memory)
            except Failure:
                raise
            except Exception as error:
                log.debug("%s/%s: a pass over everything failed", access.place, name, exc_info=error)
                kept = sound(wants, claims, lambda some, others: begin(some, others).decide())
                passed = begin(kept.wants, kept.claims, record=record).run(None)
                faulty = {key: broken(access.place, key, fault) for key, fault in kept.faults.items()}
                return replace(passed, answers={**passed.answers, **faulty}, clean=False, memory=None)
    except NotYet as failure:
        if failure.reason is not Reason.DATABASE_NOT_FOUND:
            raise
        why = failures(access, wants, failure)
        return Passed({key: why[key] or GrantAnswer() for key in wants}, clean=False, memory=None)
