"""What becomes of wants when there is no database of the name: it was dropped, or is called otherwise now."""

from collections.abc import Mapping

from cloudsql_iam_operator.adapters.postgres.database import Access, Database
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.desired.ledger import Ledger, ledger_of
from cloudsql_iam_operator.core.grants.observed.identities import DATABASE, recorded_identities

MAINTENANCE = "postgres"
"""The database that is asked what others are called; every server has it unless somebody dropped it."""


def failures(access: Access, wants: Mapping[Key, GrantWant], failure: NotYet) -> dict[Key, NotYet | None]:
    """Why each want cannot be brought about; None for who wants nothing of a database that is gone.

    A database that was dropped took all privileges in it along; one that was renamed has them still.
    """
    there: Mapping[tuple[str, int], str] | NotYet = {}
    if any(_recorded(want.ledger) for want in wants.values()):
        there = _databases(access)
    return {key: _failure(want, there, failure) for key, want in wants.items()}


def _failure(want: GrantWant, there: Mapping[tuple[str, int], str] | NotYet, failure: NotYet) -> NotYet | None:
    places = _recorded(want.ledger)
    if isinstance(there, NotYet) and places:
        return NotYet(failure.reason, f"{failure.message}; whether it was renamed is not known: {there.message}")
    now = next((there[place] for place in places if place in there), "") if not isinstance(there, NotYet) else ""
    if now:
        text = f"{failure.message}; it is called {now!r} now, and has what was granted: rename it, or revoke it there"
        return NotYet(failure.reason, text)
    return failure if ledger_of(want.entries) else None


def _recorded(ledger: Ledger) -> list[tuple[str, int]]:
    """Server and oid of the database that a ledger is about."""
    found = recorded_identities(ledger).oids.items()
    return [(system, oid) for (what, system, _), oids in found if what == DATABASE for oid in oids]


def _databases(access: Access) -> Mapping[tuple[str, int], str] | NotYet:
    try:
        database = Database(access, MAINTENANCE)
    except NotYet as failure:
        return failure
    try:
        return database.databases()
    except NotYet as failure:
        return failure
    finally:
        database.close()
