"""Readings: many who ask at once cost one call, and none is told of a time before it asked for."""

import asyncio

import pytest

from cloudsql_iam_operator.services.runtime.readings import Readings


class Source:
    def __init__(self) -> None:
        self.began = 0
        self.go_on = asyncio.Event()

    async def read(self) -> int:
        self.began += 1
        number = self.began
        await self.go_on.wait()
        return number


def test_a_hundred_who_ask_at_once_share_one_reading() -> None:
    async def story() -> None:
        readings: Readings[str, int] = Readings()
        source = Source()
        asking = [asyncio.create_task(readings.read("a", source.read, max_age=60.0)) for _ in range(100)]
        await asyncio.sleep(0)
        source.go_on.set()

        assert set(await asyncio.gather(*asking)) == {1}
        assert await readings.read("a", source.read, max_age=60.0) == 1

    asyncio.run(story())


def test_who_asks_for_a_fresh_one_is_not_served_by_one_that_runs() -> None:
    async def story() -> None:
        readings: Readings[str, int] = Readings()
        source = Source()
        first = asyncio.create_task(readings.read("a", source.read, max_age=60.0))
        await asyncio.sleep(0)
        fresh = asyncio.create_task(readings.read("a", source.read, max_age=0.0))
        await asyncio.sleep(0)
        source.go_on.set()

        assert (await first, await fresh) == (1, 2)

    asyncio.run(story())


def test_a_reading_that_fails_fails_all_who_waited_and_an_older_one_does_not_speak_for_it() -> None:
    async def story() -> None:
        readings: Readings[str, int] = Readings()

        async def one() -> int:
            return 1

        async def fails() -> int:
            raise LookupError("lost")

        await readings.read("a", one, max_age=60.0)
        failed = await asyncio.gather(
            *(readings.read("a", fails, max_age=0.0) for _ in range(2)), return_exceptions=True
        )
        assert [type(error) for error in failed] == [LookupError] * 2
        with pytest.raises(LookupError):
            await readings.read("a", fails, max_age=60.0)

    asyncio.run(story())


def test_what_nobody_takes_any_more_is_not_kept() -> None:
    async def story() -> list[int]:
        clock = [0.0]
        readings: Readings[str, int] = Readings(lambda: clock[0])
        kept = []

        async def one() -> int:
            return 1

        for number in range(500):
            clock[0] += 1.0
            await readings.read(f"namespace-{number}", one, max_age=5.0)
            kept.append(len(readings))
        return kept

    assert max(asyncio.run(story())) <= 6


def test_who_asks_for_fresh_ones_all_the_time_shares_one_in_each_pause_that_begins_after_each_asked() -> None:
    now = 0.0
    began: list[float] = []

    async def read() -> float:
        began.append(now)
        return now

    async def story() -> None:
        nonlocal now
        readings: Readings[str, float] = Readings(lambda: now)
        assert await readings.read("a", read, max_age=0.0, pause=0.01) == 0.0
        asking = []
        for _ in range(9):
            now += 0.001
            asking.append((now, asyncio.create_task(readings.read("a", read, max_age=0.0, pause=0.01))))
            await asyncio.sleep(0)
        now = 0.01
        assert [await shared for _, shared in asking] == [0.01] * 9
        now = 5.0
        assert await readings.read("a", read, max_age=0.0, pause=0.01) == 5.0

    asyncio.run(asyncio.wait_for(story(), 60))

    assert began == [0.0, 0.01, 5.0]
