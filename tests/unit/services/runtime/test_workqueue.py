import asyncio
from collections.abc import Awaitable, Callable

from cloudsql_iam_operator.services.runtime.workqueue import Backoff, WorkQueue


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

        taken = [await queue.take(), await queue.take()]

        assert taken == ["a", "b"]
        assert len(queue) == 0

    run(story)


def test_a_key_added_while_it_is_worked_on_is_handed_out_again_after_it_is_done() -> None:
    async def story() -> None:
        queue: WorkQueue[str] = WorkQueue(Backoff())
        queue.add("a")
        key = await queue.take()

        queue.add("a")
        ready_during_work = len(queue)
        queue.done(key)

        assert ready_during_work == 0
        assert await queue.take() == "a"

    run(story)


def test_edits_go_ahead_of_periodic_checks() -> None:
    async def story() -> None:
        queue: WorkQueue[str] = WorkQueue(Backoff())
        queue.add("check", edit=False)
        queue.add("check, then edited", edit=False)
        queue.add("edit")
        queue.add("check, then edited")

        taken = [await queue.take() for _ in range(3)]

        assert taken == ["edit", "check, then edited", "check"]

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
        assert {await waiting, await queue.take()} == {"a", "wake"}

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

        assert await queue.take() == "here"
        assert len(queue) == 0

    run(story)
