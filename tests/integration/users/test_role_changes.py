"""Database roles through all changes of what is declared, on a real PostgreSQL.

The table is what the user held before, by whose grant x what is declared first x what is declared then. What it held
before outlives everything; of the rest it has what is declared; at rest nothing is written.
"""

import asyncio
import os
from collections.abc import Iterator, Mapping
from itertools import product

import pytest

from cloudsql_iam_operator.core.users.record import UserRecord
from cloudsql_iam_operator.services.reconcilers.users.roles import DatabaseRoles
from cloudsql_iam_operator.services.reconcilers.users.visit import Visit
from integration.users.ground import USERNAME, Lanes, declared, held, restarted, visit
from support.granting.setting import EVERY_GROUND, Place

SUPERUSER = "cloudsqlsuperuser"
BEFORE: Mapping[str, tuple[str, frozenset[str]]] = {
    "nothing": ("", frozenset()),
    "by the operator": ("set role op; grant club to x", frozenset({"club"})),
    "by an administrator": ("grant club to x", frozenset({"club"})),
    "an administrator": (f"grant {SUPERUSER} to x", frozenset({SUPERUSER})),
    "something else": ("grant stranger to x", frozenset({"stranger"})),
}
DECLARED = ((), ("club",), ("club", "den"), (SUPERUSER,), (SUPERUSER, "club"))


@pytest.fixture
def clubs(place: Place) -> Iterator[Place]:
    place.sql(
        "create role club; grant club to op with admin option; create role den; grant den to op with admin option"
    )
    yield place
    place.sql(f"drop role club; drop role den; revoke {SUPERUSER}, stranger from {USERNAME}")


def settled(place: Place, roles: tuple[str, ...], record: UserRecord | None) -> tuple[Visit, list[str]]:
    """One reconcile by a new process, and what was written."""
    lanes, seen = Lanes(place), visit(record)
    since = len(place.cluster.statements(0))

    async def told() -> None:
        try:
            asked = declared(*roles, listed=("club", "den", SUPERUSER))
            await DatabaseRoles(lanes).settle(seen, asked)  # type: ignore[arg-type] # a few lines
        finally:
            lanes.threads.close()

    asyncio.run(told())
    sent = [one.sql for one in place.cluster.statements(0)[since:] if one.user == "op"]
    return seen, lanes.made + [text for text in sent if text.lower().startswith(("grant", "revoke"))]


def possible(before: str, declared: tuple[str, ...]) -> bool:
    """Whether somebody who had this may be given that: SQL gives an administrator nothing."""
    return before != "an administrator" or not declared or SUPERUSER in declared


ROWS = [row for row in product(BEFORE, DECLARED, DECLARED) if possible(row[0], row[1]) and possible(row[0], row[2])]
"""`make test-postgres` goes through all of them, `make test` through some of each kind."""


@pytest.mark.parametrize(("before", "first", "then"), ROWS if EVERY_GROUND in os.environ else ROWS[::4])
def test_a_user_has_what_it_had_and_what_is_declared_and_at_rest_nothing_is_written(
    clubs: Place, before: str, first: tuple[str, ...], then: tuple[str, ...]
) -> None:
    words, had = BEFORE[before]
    if words:
        clubs.sql(words)

    one, _ = settled(clubs, first, None)
    after_first = set(held(clubs))
    two, _ = settled(clubs, then, restarted(one))
    after_then = set(held(clubs))
    rest, written = settled(clubs, then, restarted(two))
    last, _ = settled(clubs, (), restarted(rest))

    assert after_first == had | set(first)
    assert after_then == had | set(then)
    assert rest.record.roles == set(then) - had
    assert written == []
    assert set(held(clubs)) == had
    assert last.record.roles == frozenset()
