"""The pool that blocking calls run in."""

import asyncio
import contextvars
import threading

import pytest

from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.runtime.threads import Threads
from cloudsql_iam_operator.services.waiting import ranks

LANGUAGE: contextvars.ContextVar[str] = contextvars.ContextVar("LANGUAGE", default="none")


def test_a_call_runs_in_another_thread_with_the_callers_context() -> None:
    async def story() -> tuple[str, bool]:
        LANGUAGE.set("latin")
        threads = Threads(1)
        here = threading.get_ident()
        try:
            return await threads.call(lambda: (LANGUAGE.get(), threading.get_ident() == here), timeout=60)
        finally:
            threads.close()

    assert asyncio.run(story()) == ("latin", False)


def test_what_a_call_raises_is_raised_to_its_caller_timeouts_too() -> None:
    def fails(error: Exception) -> None:
        raise error

    async def story() -> None:
        threads = Threads(1)
        with pytest.raises(LookupError, match="lost"):
            await threads.call(fails, LookupError("lost"), timeout=60)
        with pytest.raises(TimeoutError, match="its own"):
            await threads.call(fails, TimeoutError("its own"), timeout=60)
        threads.close()

    asyncio.run(story())


def test_a_call_that_takes_too_long_is_given_up() -> None:
    release = threading.Event()

    async def story() -> None:
        threads = Threads(1)
        with pytest.raises(NotYet) as caught:
            await threads.call(release.wait, timeout=0.05)
        assert caught.value.reason is Reason.PROGRESSING_WITH_RETRY
        release.set()
        assert await threads.call(lambda: "free again", timeout=60) == "free again"
        threads.close()

    asyncio.run(story())


def test_what_many_ask_at_once_is_read_once_and_for_who_was_edited_anew() -> None:
    readings: list[str] = []

    def labels(namespace: str) -> int:
        readings.append(namespace)
        return len(readings)

    async def story() -> tuple[set[int], int, int]:
        threads = Threads(2)
        try:
            ranks.enter(ranks.Rank.FIRST)
            together = await asyncio.gather(*(threads.read(labels, "orders", timeout=60) for _ in range(100)))
            later = await threads.read(labels, "orders", timeout=60)
            ranks.enter(ranks.Rank.EDIT)
            return set(together), later, await threads.read(labels, "orders", timeout=60)
        finally:
            threads.close()

    assert asyncio.run(story()) == ({1}, 1, 2)


def test_no_more_calls_run_at_a_time_than_there_are_threads() -> None:
    running, most, lock = 0, 0, threading.Lock()
    both = threading.Barrier(2, timeout=60)

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        both.wait()
        with lock:
            running -= 1

    async def story() -> None:
        threads = Threads(2)
        await asyncio.gather(*(threads.call(work, timeout=60) for _ in range(8)))
        threads.close()

    asyncio.run(story())

    assert most == 2


def test_a_cancelled_caller_leaves_the_pool_usable() -> None:
    release = threading.Event()

    async def story() -> str:
        threads = Threads(1)
        waiting = asyncio.create_task(threads.call(release.wait, timeout=60))
        queued = asyncio.create_task(threads.call(release.wait, timeout=60))
        await asyncio.sleep(0)
        waiting.cancel()
        queued.cancel()
        await asyncio.gather(waiting, queued, return_exceptions=True)
        release.set()
        try:
            return await threads.call(lambda: "usable", timeout=60)
        finally:
            threads.close()

    assert asyncio.run(story()) == "usable"
