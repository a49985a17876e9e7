"""The lane of one database: how many passes, connections and statements many callers cost."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import ParamSpec

import psycopg
from psycopg.rows import TupleRow

from cloudsql_iam_operator.adapters.postgres.database import Access
from cloudsql_iam_operator.api.grant import Enforcement
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.grants.decided.drift import Drift
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.desired.ledger import Ledger
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.identities.sessions import Sessions
from cloudsql_iam_operator.services.lanes.database import DatabaseLane, Passes
from cloudsql_iam_operator.services.runtime.threads import Threads
from cloudsql_iam_operator.services.waiting import ranks
from cloudsql_iam_operator.services.waiting.pace import Pace
from cloudsql_iam_operator.services.waiting.ranks import Rank
from support.granting.setting import Place
from support.granting.wording import NOTHING, caused, key, on_record, table, want

P = ParamSpec("P")


def in_a_loop(test: Callable[P, Coroutine[None, None, None]]) -> Callable[P, None]:
    """Run a test that awaits."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


class Counted:
    """A way to the place that counts connections."""

    def __init__(self, place: Place) -> None:
        self.connections = 0
        self._access = place.access()

    def access(self) -> Access:
        return replace(self._access, connect=self._connect)

    def _connect(self, database: str) -> psycopg.Connection[TupleRow]:
        self.connections += 1
        return self._access.connect(database)


@asynccontextmanager
async def lane(
    place: Place, counted: Counted, claims: Mapping[Key, Ledger] | None = None
) -> AsyncIterator[DatabaseLane]:
    threads = Threads(2)
    passes = Passes(threads, Sessions(2), Pace(quiet=0.05, longest=1.0))
    try:
        yield DatabaseLane(place.name, counted.access, on_record(claims), passes)
    finally:
        threads.close()


@in_a_loop
async def test_a_hundred_objects_at_once_are_one_connection_and_one_statement(place: Place) -> None:
    counted = Counted(place)
    roles = tuple(f"many{number:03}" for number in range(100))
    place.sql("".join(f"create role {role};" for role in roles))
    async with lane(place, counted) as running:
        answers = await asyncio.gather(
            *(running.apply(key(role), want(table("SELECT", to=(role,)))) for role in roles),
        )

    assert {answer.problems for answer in answers} == {()}
    assert counted.connections == 1
    assert len([text for text in place.sent() if text.startswith("GRANT")]) == 1


@in_a_loop
async def test_a_clean_pass_serves_later_callers_without_a_connection(place: Place) -> None:
    counted = Counted(place)
    wanted = want(table("SELECT"))
    async with lane(place, counted) as running:
        await running.apply(key("a"), wanted)
        second = await running.apply(key("a"), wanted)
        third = await running.apply(key("a"), wanted, max_age=60.0)

    assert counted.connections == 2
    assert second == third
    assert third.executed == ()


@in_a_loop
async def test_one_object_that_cannot_be_done_leaves_the_others_their_answers(place: Place) -> None:
    async with lane(place, Counted(place)) as running:
        bad, good = await asyncio.gather(
            running.apply(key("bad"), want(table("SELECT", to=("postgres",)))),
            running.apply(key("good"), want(table("SELECT"))),
        )

    assert [problem.reason for problem in bad.problems] == [Reason.ROLE_NOT_ALLOWED]
    assert good.problems == ()


@in_a_loop
async def test_a_deletion_after_a_restart_leaves_what_others_not_yet_seen_hold(place: Place) -> None:
    place.answer(want(table("SELECT")))
    claims = {key("gone"): caused(table("SELECT")), key("stays"): caused(table("SELECT", names=("orders",)))}
    async with lane(place, Counted(place), claims) as running:
        answer = await running.apply(key("gone"), GrantWant(NOTHING, caused(table("SELECT"))))

    assert answer.executed == ('REVOKE SELECT ON TABLE "app"."items" FROM "x"',)
    assert answer.ledger == frozenset()


@in_a_loop
async def test_a_forgotten_object_is_neither_granted_nor_revoked(place: Place) -> None:
    async with lane(place, Counted(place)) as running:
        await running.apply(key("a"), want(table("SELECT")))
        running.forget(key("a"))
        await running.apply(key("b"), want(table("SELECT", to=("y",))))

    assert place.acl("app.orders") == ["x=r/app_owner", "y=r/app_owner"]


@in_a_loop
async def test_drift_that_a_pass_for_another_object_corrected_is_told_once_by_the_next_answer(place: Place) -> None:
    wanted = want(table("SELECT"))
    async with lane(place, Counted(place)) as running:
        await running.apply(key("a"), wanted)
        place.sql("revoke select on app.items from x")
        await running.apply(key("b"), want(table("SELECT", to=("y",))))
        told = await running.apply(key("a"), wanted)
        after = await running.apply(key("a"), wanted)

    assert told.drift == Drift(1, 0, ('GRANT SELECT ON TABLE "app"."items" TO "x"',))
    assert after.drift == Drift()


@in_a_loop
async def test_an_edit_is_a_pass_over_who_shares_its_grantees_and_a_check_one_over_everything(place: Place) -> None:
    roles = tuple(f"few{number}" for number in range(6))
    place.sql("".join(f"create role {role};" for role in roles))
    wants = {role: want(table("SELECT", to=(role,))) for role in roles}
    narrower = want(table("SELECT", to=(roles[0],), names=("orders",)), ledger=caused(table("SELECT", to=(roles[0],))))
    counted = Counted(place)
    async with lane(place, counted) as running:
        for _ in range(2):
            await asyncio.gather(*(running.apply(key(role), one, max_age=900.0) for role, one in wants.items()))
        place.sql(f"revoke select on app.orders from {roles[5]}")

        edited = await running.apply(key(roles[0]), narrower, max_age=900.0)
        left = place.acl("app.orders")
        await running.apply(key(roles[5]), wants[roles[5]], max_age=900.0)
        connections = counted.connections

        ranks.enter(Rank.CHECK)
        await running.apply(key(roles[1]), replace(wants[roles[1]], enforcement=Enforcement.ADDITIVE), max_age=900.0)
        told = await running.apply(key(roles[5]), wants[roles[5]], max_age=900.0)

    assert edited.executed == (f'REVOKE SELECT ON TABLE "app"."items" FROM "{roles[0]}"',)
    assert left == [f"{role}=r/app_owner" for role in roles[:5]]
    assert connections == 3
    assert place.acl("app.orders") == [f"{role}=r/app_owner" for role in roles]
    assert told.drift == Drift(1, 0, (f'GRANT SELECT ON TABLE "app"."orders" TO "{roles[5]}"',))
