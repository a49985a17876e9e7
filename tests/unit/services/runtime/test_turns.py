"""Turns: how many reconciles are under way, how many of them hold room, and what waiting costs."""

import asyncio
import contextlib
import tracemalloc

import pytest

from cloudsql_iam_operator.services.runtime.turns import Turns, called, parked
from cloudsql_iam_operator.services.runtime.workqueue import Backoff, WorkQueue
from cloudsql_iam_operator.services.waiting import ranks
from cloudsql_iam_operator.services.waiting.line import Room
from cloudsql_iam_operator.services.waiting.ranks import Rank
from cloudsql_iam_operator.services.waiting.slots import Slots

MANY = 10_000


def test_ten_thousand_may_wait_for_an_answer_and_an_edit_is_worked_on_at_once() -> None:
    waiting: list[str] = []
    ended: list[str] = []

    async def story() -> None:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue: WorkQueue[str] = WorkQueue(Backoff(), room=Room(4, 4))

        async def work(key: str) -> None:
            waiting.append(key)
            if key != "edit":
                await parked(asyncio.shield(answer))
            ended.append(key)

        turns = asyncio.create_task(Turns(queue, work).run())
        before = tracemalloc.get_traced_memory()[0]
        for number in range(MANY):
            queue.add(f"{number}", Rank.FIRST)
        while len(waiting) < MANY:
            await asyncio.sleep(0)
        per_waiting = (tracemalloc.get_traced_memory()[0] - before) / MANY
        queue.add("edit")
        while not ended:
            await asyncio.sleep(0)
        assert ended == ["edit"]
        assert per_waiting < 10_000, "bytes that one that waits costs"
        answer.set_result(None)
        while len(ended) <= MANY:
            await asyncio.sleep(0)
        turns.cancel()

    tracemalloc.start(1)
    try:
        asyncio.run(asyncio.wait_for(story(), 600))
    finally:
        tracemalloc.stop()

    assert len(ended) == MANY + 1


def test_no_more_hold_room_at_a_time_than_there_is_also_when_all_are_answered_at_once() -> None:
    inside, most = 0, 0

    async def story() -> None:
        nonlocal inside, most
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue: WorkQueue[int] = WorkQueue(Backoff(), room=Room(3, 3))
        done = 0

        async def busy() -> None:
            nonlocal inside, most
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

        async def work(key: int) -> None:
            nonlocal done
            await busy()
            await parked(asyncio.shield(answer))
            await busy()
            done += 1

        turns = asyncio.create_task(Turns(queue, work).run())
        for number in range(50):
            queue.add(number)
        await asyncio.sleep(0.05)
        answer.set_result(None)
        while done < 50:
            await asyncio.sleep(0)
        turns.cancel()

    asyncio.run(asyncio.wait_for(story(), 60))

    assert most == 3


def test_what_was_parked_learns_of_a_failure_and_what_it_raises_ends_the_turns() -> None:
    async def story() -> None:
        queue: WorkQueue[str] = WorkQueue(Backoff(), room=Room(1, 1))

        async def fails() -> None:
            raise LookupError("lost")

        async def work(key: str) -> None:
            await parked(fails())

        queue.add("a")
        with pytest.raises(LookupError, match="lost"):
            await Turns(queue, work).run()

    asyncio.run(asyncio.wait_for(story(), 60))


def test_slots_go_to_the_most_pressing_and_each_place_has_its_share() -> None:
    entered: list[str] = []

    async def story() -> None:
        slots = Slots(3, 2)

        async def wait(name: str, rank: Rank) -> None:
            ranks.enter(rank)
            await slots.enter(name[0])
            entered.append(name)

        order = {"a1": Rank.FIRST, "a2": Rank.FIRST, "a3": Rank.EDIT, "b1": Rank.CHECK, "c1": Rank.CHECK}
        waiting = [asyncio.create_task(wait(name, rank)) for name, rank in (*order.items(), ("c2", Rank.EDIT))]
        await asyncio.sleep(0.01)
        assert entered == ["a1", "a2", "b1"]  # a has its share, and b found the place free
        slots.leave("b")
        await asyncio.sleep(0.01)
        slots.leave("a")
        await asyncio.sleep(0.01)
        slots.leave("c")
        await asyncio.gather(*waiting)

    asyncio.run(asyncio.wait_for(story(), 60))

    assert entered[3:] == ["c2", "a3", "c1"]


def test_a_slot_that_nobody_waits_for_any_more_is_not_lost() -> None:
    async def story() -> None:
        slots = Slots(1, 1)
        await slots.enter("a")
        first, second = (asyncio.create_task(slots.enter("a")) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        slots.leave("a")
        await second
        slots.leave("a")
        third = asyncio.create_task(slots.enter("a"))
        await third

        assert first.cancelled()

    asyncio.run(asyncio.wait_for(story(), 60))


def test_work_that_misses_its_cancellation_ends_when_it_would_wait_for_room() -> None:
    async def story() -> None:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue: WorkQueue[str] = WorkQueue(Backoff(), room=Room(1, 1))
        begun = asyncio.Event()

        async def work(key: str) -> None:
            begun.set()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(3600)
            answer.set_result(None)
            await parked(answer)

        turns = asyncio.create_task(Turns(queue, work).run())
        queue.add("a")
        await begun.wait()
        turns.cancel()
        await asyncio.wait({turns})

    asyncio.run(asyncio.wait_for(story(), 60))


def test_work_is_called_by_what_would_begin_it_anew_and_holds_no_room_meanwhile() -> None:
    heard: list[tuple[str, bool]] = []

    async def story() -> None:
        queue: WorkQueue[str] = WorkQueue(Backoff(), room=Room(1, 1))

        async def work(key: str) -> None:
            if key == "waits" and not heard:
                assert queue.under_way == 1
                heard.append((key, await called(60.0)))
                heard.append((key, await called(0.001)))
            else:
                heard.append((key, await called(0.0)))

        turns = asyncio.create_task(Turns(queue, work).run())
        queue.add("waits")
        while queue.under_way:
            await asyncio.sleep(0)
        queue.add("other")
        while not heard:
            await asyncio.sleep(0)
        queue.add("waits")
        while len(heard) < 4:
            await asyncio.sleep(0)
        turns.cancel()
        assert await called(60.0) is False

    asyncio.run(asyncio.wait_for(story(), 60))

    assert heard == [("other", False), ("waits", True), ("waits", False), ("waits", False)]
