import asyncio
from collections.abc import Awaitable, Callable

from cloudsql_iam_operator.services.runtime.workqueue import Backoff, WorkQueue
from cloudsql_iam_operator.services.waiting.line import Room
from cloudsql_iam_operator.services.waiting.ranks import Rank


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def run(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 30))


def test_a_key_added_twice_is_handed_out_once() -> None:
    async def story() -> None:
        queue: WorkQueue[str] = WorkQueue(Backoff())
        queue.add("a")
        queue.add("a")
        queue.add("b")

        taken = [(await queue.take())[0] for _ in range(2)]

        assert taken == ["a", "b"]
        assert len(queue) == 0

    run(story)


def test_a_key_added_while_it_is_worked_on_is_handed_out_again_after_it_is_done() -> None:
    async def story() -> None:
        queue: WorkQueue[str] = WorkQueue(Backoff())
        queue.add("a")
        key, _ = await queue.take()

        queue.add("a")
        ready_during_work = len(queue)
        queue.done(key)

        assert ready_during_work == 0
        assert (await queue.take())[0] == "a"

    run(story)


def test_edits_go_ahead_of_first_reconciles_and_these_ahead_of_periodic_checks() -> None:
    async def story() -> None:
        queue: WorkQueue[str] = WorkQueue(Backoff())
        queue.add("check", Rank.CHECK)
        queue.add("check, then edited", Rank.CHECK)
        queue.add("first", Rank.FIRST)
        queue.add("edit")
        queue.add("check, then edited")

        taken = [(await queue.take())[0] for _ in range(4)]

        assert taken == ["edit", "check, then edited", "first", "check"]

    run(story)


def test_what_is_no_check_is_under_way_from_when_it_is_added_until_it_is_done() -> None:
    async def story() -> None:
        queue: WorkQueue[str] = WorkQueue(Backoff())
        queue.add("new", Rank.FIRST)
        queue.add("edited", Rank.EDIT)
        queue.add("checked", Rank.CHECK)
        counts = [queue.under_way]
        for _ in range(3):
            await queue.take()
            counts.append(queue.under_way)
        queue.park("new")
        for key in ("new", "edited", "checked"):
            queue.done(key)
            counts.append(queue.under_way)

        assert counts == [2, 2, 2, 2, 1, 0, 0]

    run(story)


def test_a_delayed_key_is_handed_out_when_its_earliest_time_has_come() -> None:
    async def story() -> None:
        clock = Clock()
        queue: WorkQueue[str] = WorkQueue(Backoff(), clock)
        queue.add_after("a", 50)
        queue.add_after("a", 10)
        queue.add_after("a", 70)
        waiting = asyncio.create_task(queue.take())
        await asyncio.sleep(0)
        early = waiting.done()

        clock.now += 11
        queue.add("wake")

        assert not early
        assert {(await waiting)[0], (await queue.take())[0]} == {"a", "wake"}

    run(story)


def test_the_backoff_doubles_with_failures_and_starts_anew_after_success() -> None:
    async def story() -> None:
        queue: WorkQueue[str] = WorkQueue(Backoff(first=1, longest=8))

        delays = [queue.retry("a") for _ in range(6)]
        queue.succeeded("a")
        fresh = queue.retry("a")

        ceilings = [1, 2, 4, 8, 8, 8]
        assert all(ceiling / 2 <= delay <= ceiling for delay, ceiling in zip(delays, ceilings, strict=True))
        assert 0.5 <= fresh <= 1

    run(story)


def test_a_pause_can_be_bounded() -> None:
    async def story() -> list[float]:
        queue: WorkQueue[str] = WorkQueue(Backoff(first=64.0, longest=300.0))
        return [queue.retry("a", 30.0) for _ in range(4)]

    assert asyncio.run(story()) == [30.0] * 4


def test_a_forgotten_key_is_not_handed_out_by_its_delay() -> None:
    async def story() -> None:
        clock = Clock()
        queue: WorkQueue[str] = WorkQueue(Backoff(), clock)
        queue.add_after("gone", 10)
        queue.forget("gone")
        clock.now += 60
        queue.add("here")

        assert (await queue.take())[0] == "here"
        assert len(queue) == 0

    run(story)


def test_checks_are_not_starved_by_edits_that_never_end() -> None:
    async def story() -> list[str]:
        queue: WorkQueue[str] = WorkQueue(Backoff())
        queue.add("check", Rank.CHECK)
        taken = []
        for number in range(10):
            queue.add(f"edit {number}")
            taken.append((await queue.take())[0])
        return taken

    assert "check" in asyncio.run(story())


def test_a_namespace_takes_turns_with_others_and_has_its_share_of_the_room() -> None:
    async def story() -> None:
        queue: WorkQueue[str] = WorkQueue(Backoff(), room=Room(6, 2), place=lambda key: key.partition("/")[0])
        for number in range(2000):
            queue.add(f"large/{number}", Rank.FIRST)
        queue.add("small/a", Rank.FIRST)
        queue.add("small/b", Rank.FIRST)

        taken = [(await queue.take())[0] for _ in range(4)]
        queue.add("small/c", Rank.FIRST)
        fifth = asyncio.create_task(queue.take())
        await asyncio.sleep(0)
        waits = not fifth.done()
        queue.done("large/0")

        assert sorted(taken) == ["large/0", "large/1", "small/a", "small/b"]
        assert waits
        assert (await fifth)[0] == "large/2"  # small has its share too

    run(story)


def test_what_is_parked_leaves_its_room_and_comes_again_by_its_rank() -> None:
    async def story() -> None:
        queue: WorkQueue[str] = WorkQueue(Backoff(), room=Room(1, 1))
        queue.add("waits", Rank.FIRST)
        parked, _ = await queue.take()
        queue.add("other")
        queue.park(parked)
        other, _ = await queue.take()

        queue.add("third", Rank.CHECK)
        queue.resume(parked)
        queue.done(other)

        assert await queue.take() == ("waits", Rank.FIRST)
        queue.done("waits")
        assert await queue.take() == ("third", Rank.CHECK)

    run(story)


def test_work_that_is_given_up_while_parked_leaves_nothing_behind() -> None:
    async def story() -> None:
        queue: WorkQueue[str] = WorkQueue(Backoff(), room=Room(1, 1))
        queue.add("waits")
        await queue.take()
        queue.park("waits")
        queue.resume("waits")
        queue.done("waits")
        queue.add("next")

        assert (await queue.take())[0] == "next"
        assert len(queue) == 0

    run(story)


def test_places_that_are_large_leave_room_for_one_that_comes_later() -> None:
    room = Room(16, 4)
    for number in range(100):
        while room.admits(f"large-{number}"):
            room.enter(f"large-{number}")
        if number == 3:
            assert room.admits("small")

    assert Room(2, 2).admits("alone")
