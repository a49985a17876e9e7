"""Which sessions outlast a pass, and which do not. The server counts them, and ends some."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from cloudsql_iam_operator.adapters.postgres.database import Access
from cloudsql_iam_operator.services.identities.sessions import Seat, Sessions
from cloudsql_iam_operator.services.lanes.database import DatabaseLane, Passes
from cloudsql_iam_operator.services.runtime.threads import Threads
from cloudsql_iam_operator.services.waiting.pace import Pace
from integration.grants.test_lane import Counted, in_a_loop
from support.granting.setting import Place
from support.granting.wording import key, on_record, table, want

OURS = "application_name = 'cloudsql-iam-operator'"


def open_sessions(place: Place) -> int:
    return int(place.value(f"select count(*) from pg_stat_activity where {OURS} and datname = '{place.name}'"))


async def open_until(place: Place, count: int) -> None:
    while open_sessions(place) != count:
        await asyncio.sleep(0.02)


@asynccontextmanager
async def sessions(place: Place, size: int = 2, seconds: float = 600.0) -> AsyncIterator[Sessions]:
    held = Sessions(size, seconds)
    yield held
    held.close()
    await asyncio.wait_for(open_until(place, 0), 30)


@in_a_loop
async def test_a_session_is_kept_for_a_pass_that_is_at_hand_and_closed_after_the_last(place: Place) -> None:
    counted, threads = Counted(place), Threads(2)
    lane = DatabaseLane(
        place.name, counted.access, on_record(), Passes(threads, Sessions(2), Pace(quiet=0.01, longest=0.1))
    )
    place.sql("create role others; create role latest")

    first = asyncio.create_task(lane.apply(key("a"), want(table("SELECT"))))
    while not counted.connections:
        await asyncio.sleep(0.001)
    second = asyncio.create_task(lane.apply(key("b"), want(table("SELECT", to=("others",)))))
    await asyncio.gather(first, second)
    await asyncio.wait_for(open_until(place, 0), 30)
    threads.close()

    assert counted.connections == 1


@in_a_loop
async def test_who_was_shown_what_is_to_be_done_has_it_done_in_the_same_session(place: Place) -> None:
    counted, threads = Counted(place), Threads(2)
    held = Sessions(2, 600.0)
    lane = DatabaseLane(place.name, counted.access, on_record(), Passes(threads, held, Pace(quiet=0.01, longest=0.1)))

    shown = await lane.apply(key("a"), replace(want(table("SELECT")), dry=True))
    done = await lane.apply(key("a"), want(table("SELECT")))
    await asyncio.wait_for(open_until(place, 0), 30)
    threads.close()

    assert counted.connections == 1
    assert shown.planned == done.executed
    assert len(done.executed) == 1


@in_a_loop
async def test_a_kept_session_that_the_server_ended_is_replaced(place: Place) -> None:
    access = place.access()
    async with sessions(place) as held:
        async with held.held(place.name, _wanted) as seat:
            _opened(seat, access, place)
        place.sql(f"select pg_terminate_backend(pid) from pg_stat_activity where {OURS} and datname = '{place.name}'")
        async with held.held(place.name, _wanted) as seat:
            assert _opened(seat, access, place)


@in_a_loop
async def test_a_kept_session_is_not_used_by_who_would_come_another_way(place: Place) -> None:
    first, other = Counted(place), Counted(place)
    one, two = first.access(), other.access()
    async with sessions(place) as held:
        for access in (one, replace(one, set_role=""), two):
            async with held.held(place.name, _wanted) as seat:
                _opened(seat, access, place)

    assert (first.connections, other.connections) == (1, 1)


@in_a_loop
async def test_a_kept_session_gives_way_to_another_database_of_a_full_instance(place: Place) -> None:
    access = place.access()
    async with sessions(place, size=1) as held:
        async with held.held(place.name, _wanted) as seat:
            _opened(seat, access, place)
        async with asyncio.timeout(30), held.held("another"):
            await open_until(place, 0)

    assert open_sessions(place) == 0


@in_a_loop
async def test_a_kept_session_gives_way_to_one_that_is_opened_beside_the_passes(place: Place) -> None:
    access = place.access()
    async with sessions(place, size=1) as held:
        async with held.held(place.name, _wanted) as seat:
            _opened(seat, access, place)
        async with asyncio.timeout(30), held.alone(place.name):
            await open_until(place, 0)

    assert open_sessions(place) == 0


@in_a_loop
async def test_a_session_is_not_kept_while_another_database_waits_for_it(place: Place) -> None:
    access = place.access()
    async with sessions(place, size=1) as held:
        async with held.held(place.name, _wanted) as seat:
            _opened(seat, access, place)
            other = asyncio.create_task(_enter(held))
            await asyncio.sleep(0)
        async with asyncio.timeout(30):
            await other
            await open_until(place, 0)

    assert open_sessions(place) == 0


@in_a_loop
async def test_a_session_that_no_pass_came_for_is_closed(place: Place) -> None:
    access = place.access()
    async with sessions(place, seconds=0.05) as held:
        async with held.held(place.name, _wanted) as seat:
            _opened(seat, access, place)
        async with asyncio.timeout(30):
            await open_until(place, 0)

    assert open_sessions(place) == 0


@in_a_loop
async def test_a_call_that_was_given_up_keeps_no_session(place: Place) -> None:
    access = place.access()
    async with sessions(place) as held:
        async with held.held(place.name, _wanted) as seat:
            pass
        _opened(seat, access, place)
        async with asyncio.timeout(30):
            await open_until(place, 0)

    assert open_sessions(place) == 0


@in_a_loop
async def test_a_session_that_failed_is_not_kept(place: Place) -> None:
    access = place.access()
    async with sessions(place) as held:
        async with held.held(place.name, _wanted) as seat:
            with pytest.raises(ZeroDivisionError), seat.opened(access, place.name):
                print(1 / 0)
        await asyncio.wait_for(open_until(place, 0), 30)


def _wanted() -> bool:
    return True


def _opened(seat: Seat, access: Access, place: Place) -> bool:
    with seat.opened(access, place.name) as database:
        return bool(database.databases())


async def _enter(held: Sessions) -> None:
    async with held.held("another"):
        pass
