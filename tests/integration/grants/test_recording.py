"""What a pass is about to grant for the first time is on record before it is granted, in the same pass."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import pytest

from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.errors import NotYet, Refused
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.desired.ledger import granted
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.identities.sessions import Sessions
from cloudsql_iam_operator.services.lanes.database import DatabaseLane, Passes
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer
from cloudsql_iam_operator.services.runtime.threads import Threads
from cloudsql_iam_operator.services.waiting.pace import Pace
from support.granting.setting import Place
from support.granting.wording import NOTHING, caused, key, on_record, table, want

NEW = replace(want(table("SELECT", names=("orders",))), recording=True)


class Records:
    """The objects, and what each had on record while the database showed what."""

    def __init__(self, place: Place, failing: Mapping[Key, Exception] | None = None) -> None:
        self._place = place
        self._failing = failing or {}
        self.seen: dict[Key, tuple[GrantWant, list[str]]] = {}
        self.written = 0

    async def record(self, one: Key, wanted: GrantWant) -> None:
        self.written += 1
        if one in self._failing:
            raise self._failing[one]
        self.seen[one] = wanted, await asyncio.to_thread(self._place.acl, "app.orders")


async def asked(
    place: Place, records: Records, *rounds: Mapping[str, GrantWant], max_age: float = 0.0
) -> list[list[GrantAnswer | BaseException]]:
    """The answers to each round of wants, one after another."""
    threads = Threads(2)
    pace = Pace(quiet=0.02, longest=1.0)
    lane = DatabaseLane(
        place.name, place.access, on_record(), Passes(threads, Sessions(2), pace, record=records.record)
    )
    try:
        return [
            await asyncio.gather(
                *(lane.apply(key(name), wanted, max_age=max_age) for name, wanted in one.items()),
                return_exceptions=True,
            )
            for one in rounds
        ]
    finally:
        threads.close()


def told(answer: GrantAnswer | BaseException) -> GrantAnswer:
    assert isinstance(answer, GrantAnswer)
    return answer


def test_what_is_new_is_recorded_once_before_it_is_granted_and_one_pass_does_both(place: Place) -> None:
    records = Records(place)

    ((answer,),) = asyncio.run(asked(place, records, {"a": NEW}))

    wanted, acl_then = records.seen[key("a")]
    assert (wanted.entries, wanted.ledger, acl_then) == (NEW.entries, frozenset(), [])
    assert told(answer).executed == ('GRANT SELECT ON TABLE "app"."orders" TO "x"',)
    assert granted(told(answer).ledger) == caused(table("SELECT", names=("orders",)))
    assert records.written == 1


def test_what_was_there_before_is_recorded_as_found_and_no_deletion_takes_it(place: Place) -> None:
    place.sql("grant select on app.orders to x")
    records = Records(place)

    ((answer,),) = asyncio.run(asked(place, records, {"a": NEW}))
    ended = place.answer(GrantWant(NOTHING, told(answer).ledger, found=told(answer).found))

    assert records.seen[key("a")][0].found == told(answer).found != frozenset()
    assert (told(answer).executed, ended.executed) == ((), ())


@pytest.mark.parametrize(
    "failure",
    [NotYet(Reason.PROGRESSING, "it is gone"), Refused(Reason.INVALID_SPEC, "its record is too large")],
    ids=["gone", "too large"],
)
def test_what_cannot_be_recorded_is_not_granted_and_holds_nobody_up(place: Place, failure: Exception) -> None:
    records = Records(place, {key("a"): failure})
    other = replace(want(table("SELECT", names=("orders",), to=("y",))), recording=True)

    ((refused, answer),) = asyncio.run(asked(place, records, {"a": NEW, "b": other}))

    assert refused is failure
    assert told(answer).executed == ('GRANT SELECT ON TABLE "app"."orders" TO "y"',)
    assert place.acl("app.orders") == ["y=r/app_owner"]


def test_a_recorded_want_that_stands_is_recorded_by_no_later_pass_and_found_to_be_its_own(place: Place) -> None:
    records = Records(place)
    other = want(table("SELECT", names=("orders",), to=("y",)))

    (first,), _, (again,) = asyncio.run(asked(place, records, {"a": NEW}, {"b": other}, {"a": NEW.recorded()}))

    assert records.written == 1
    assert told(first).found == told(again).found == frozenset()
    assert told(again).executed == ()


def test_what_the_next_reconcile_asks_for_is_served_by_the_pass_that_recorded_it(place: Place) -> None:
    records = Records(place)

    (first,), (again,) = asyncio.run(asked(place, records, {"a": NEW}, {"a": NEW.recorded()}, max_age=60.0))

    assert told(first).executed
    assert told(again).ledger == told(first).ledger
    assert records.written == 1


def test_an_edit_records_more_and_takes_what_it_declares_no_longer_in_one_pass(place: Place) -> None:
    records = Records(place)
    before = caused(table("SELECT", names=("orders", "items")))
    place.answer(want(table("SELECT", names=("orders", "items"))))
    edited = replace(want(table("UPDATE", names=("orders",))), ledger=before, recording=True)

    ((answer,),) = asyncio.run(asked(place, records, {"a": edited}))

    assert place.acl("app.orders") == ["x=w/app_owner"]
    assert place.acl("app.items") == []
    assert granted(told(answer).ledger) == caused(table("UPDATE", names=("orders",)))
    assert records.seen[key("a")][0].ledger == before
