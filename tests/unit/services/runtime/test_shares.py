"""Shares: a slow instance, a large namespace, full threads. Calls are counted and ordered, and no time is taken."""

import asyncio
import threading
from collections import Counter

from cloudsql_iam_operator.services.runtime.threads import Threads
from cloudsql_iam_operator.services.runtime.turns import Turns
from cloudsql_iam_operator.services.runtime.workqueue import Backoff, WorkQueue
from cloudsql_iam_operator.services.waiting import ranks
from cloudsql_iam_operator.services.waiting.line import Room
from cloudsql_iam_operator.services.waiting.ranks import Rank

WORKERS, THREADS = 8, 8


def namespace(key: str) -> str:
    return key.partition("/")[0]


def test_an_instance_that_does_not_answer_takes_neither_workers_nor_threads_from_others() -> None:
    answers = threading.Event()
    done: list[str] = []

    async def story() -> None:
        threads = Threads(THREADS, 2)
        queue: WorkQueue[str] = WorkQueue(Backoff(), room=Room(WORKERS, WORKERS // 2), place=namespace)

        async def work(key: str) -> None:
            await threads.call(str, timeout=600)
            instance = "slow" if "slow" in key else "quick"
            await threads.of(instance).call(answers.wait if instance == "slow" else str, timeout=600)
            done.append(key)

        turns = asyncio.create_task(Turns(queue, work).run())
        for number in range(200):
            queue.add(f"team-{number}/slow-{number}", Rank.FIRST)
        for number in range(50):
            queue.add(f"team-{number}/quick-{number}", Rank.FIRST)
        while len(done) < 50:
            await asyncio.sleep(0)
        assert all("quick" in key for key in done)
        answers.set()
        while len(done) < 250:
            await asyncio.sleep(0)
        turns.cancel()
        threads.close()

    asyncio.run(asyncio.wait_for(story(), 300))


def test_a_namespace_with_two_thousand_objects_lets_another_go_on_after_each_of_its_own() -> None:
    order: list[str] = []

    async def story() -> None:
        queue: WorkQueue[str] = WorkQueue(Backoff(), room=Room(WORKERS, WORKERS // 2), place=namespace)

        async def work(key: str) -> None:
            await asyncio.sleep(0)
            order.append(namespace(key))

        turns = asyncio.create_task(Turns(queue, work).run())
        for number in range(2000):
            queue.add(f"large/{number}", Rank.FIRST)
        for number in range(20):
            queue.add(f"small/{number}", Rank.FIRST)
        while len(order) < 2020:
            await asyncio.sleep(0)
        turns.cancel()

    asyncio.run(asyncio.wait_for(story(), 300))

    last = max(position for position, place in enumerate(order) if place == "small")
    assert Counter(order[: last + 1])["large"] <= 20 + WORKERS


def test_a_call_for_an_edit_goes_ahead_of_a_thousand_for_first_reconciles_of_the_same_instance() -> None:
    order: list[str] = []
    busy = threading.Event()

    async def story() -> None:
        threads = Threads(4)

        async def call(name: str, rank: Rank) -> None:
            ranks.enter(rank)
            await threads.of("orders").call(order.append, name, timeout=600)

        first = asyncio.create_task(threads.of("orders").call(busy.wait, timeout=600))
        calls = [asyncio.create_task(call(f"first {number}", Rank.FIRST)) for number in range(1000)]
        await asyncio.sleep(0.01)
        edit = asyncio.create_task(call("edit", Rank.EDIT))
        await asyncio.sleep(0.01)
        busy.set()
        await asyncio.gather(first, edit, *calls)
        threads.close()

    asyncio.run(asyncio.wait_for(story(), 300))

    assert order.index("edit") == 0


def test_calls_to_the_cluster_do_not_wait_for_those_outside() -> None:
    answers = threading.Event()

    async def story() -> str:
        threads = Threads(4, 1)
        stuck = [asyncio.create_task(threads.of(f"i-{n}").call(answers.wait, timeout=600)) for n in range(20)]
        await asyncio.sleep(0.01)
        try:
            return await threads.call(lambda: "stored", timeout=600)
        finally:
            answers.set()
            await asyncio.gather(*stuck)
            threads.close()

    assert asyncio.run(asyncio.wait_for(story(), 300)) == "stored"
