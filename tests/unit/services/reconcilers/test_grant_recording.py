"""What a pass is about to grant is recorded once for the reconcile that asked for it, and for no other."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.errors import Failure
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.desired.entries import Entries
from cloudsql_iam_operator.core.grants.desired.ledger import Ledger, ledger_of
from cloudsql_iam_operator.core.grants.desired.record import grant_record_in
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer
from cloudsql_iam_operator.services.reconcilers.grant import GrantReconciler
from cloudsql_iam_operator.services.runtime.registry import Live
from cloudsql_iam_operator.services.runtime.reports import Report
from unit.services.reconcilers.test_grant_approval import APPLIED, KEY, World

Pass = Callable[["Recording", GrantWant], Awaitable[GrantAnswer]]


class Recording(World):
    """A database whose pass is played by the test."""

    def __init__(self, played: Pass, status: dict[str, Any] | None = None) -> None:
        super().__init__(status=status)
        self.played = played
        self.asked: list[GrantWant] = []
        self.refused: list[str] = []
        self.reconciler = GrantReconciler(self)  # type: ignore[arg-type] # the world is made of a few lines

    async def apply(self, key: Key, want: GrantWant, *, max_age: float = 0.0) -> GrantAnswer:
        self.asked.append(want)
        return await self.played(self, want)

    async def remember(self, live: Live, fields: Mapping[str, Any]) -> None:
        self.recorded.append({name: fields.get(name) for name in ("applied", "found")})

    async def record(self, want: GrantWant) -> None:
        try:
            await self.reconciler.record(KEY, want)
        except Failure as failure:
            self.refused.append(failure.message)


def ready(world: Recording) -> Recording:
    reconciled(world, mode="Reconcile")
    return world


def reconciled(world: Recording, **spec: Any) -> Report:
    try:
        return asyncio.run(world.reconciler.reconcile(world.live(**spec)))
    finally:
        world.threads.close()


def found_in(want: GrantWant) -> Ledger:
    return ledger_of(want.entries)


async def records_and_grants(world: Recording, want: GrantWant) -> GrantAnswer:
    await world.record(replace(want, found=found_in(want)))
    return GrantAnswer(ledger=want.recorded().ledger, found=found_in(want))


def test_what_is_new_and_what_of_it_was_there_is_recorded_when_the_pass_says_so() -> None:
    world = ready(Recording(records_and_grants))

    assert [want.recording for want in world.asked] == [True]
    assert world.recorded == [{"applied": APPLIED, "found": APPLIED}]


def test_what_is_on_record_is_not_recorded_again() -> None:
    async def grants(world: Recording, want: GrantWant) -> GrantAnswer:
        return GrantAnswer(ledger=want.ledger)

    world = ready(Recording(grants, {"applied": APPLIED}))

    assert [want.recording for want in world.asked] == [False]


def test_what_was_recorded_is_read_as_it_was_meant_and_not_recorded_again() -> None:
    spec = {"mode": "Reconcile", "expiresAt": "2999-01-01T00:00:00.5Z"}

    async def grants(world: Recording, want: GrantWant) -> GrantAnswer:
        return GrantAnswer(ledger=want.ledger, found=want.found)

    first = Recording(records_and_grants)
    told = reconciled(first, **spec)
    again = Recording(grants, dict(told.fields))
    told_again = reconciled(again, **spec)

    assert first.recorded == [{"applied": APPLIED, "found": APPLIED}]
    assert told.fields["expiresAt"] == "2999-01-01T00:00:00Z"
    assert again.recorded == []
    assert told_again.fields["applied"] == told_again.fields["found"] == APPLIED
    assert grant_record_in(told_again.fields) == grant_record_in(told.fields)


async def records_twice(world: Recording, want: GrantWant) -> GrantAnswer:
    await world.record(want)
    await world.record(replace(want, found=found_in(want)))
    return GrantAnswer(ledger=want.recorded().ledger)


async def records_another(world: Recording, want: GrantWant) -> GrantAnswer:
    await world.record(replace(want, entries=Entries()))
    return GrantAnswer()


@pytest.mark.parametrize(("played", "recorded"), [(records_twice, 1), (records_another, 0)], ids=["twice", "another"])
def test_nothing_is_recorded_twice_nor_for_what_was_not_asked(played: Pass, recorded: int) -> None:
    world = ready(Recording(played))

    assert len(world.recorded) == recorded
    assert world.refused == [f"{KEY} is being looked at anew: nothing is granted for it before"]


def test_nothing_is_recorded_for_an_object_that_nobody_looks_at() -> None:
    world = ready(Recording(records_and_grants))
    world.recorded.clear()

    asyncio.run(world.record(world.asked[0]))

    assert world.recorded == []
    assert len(world.refused) == 1
