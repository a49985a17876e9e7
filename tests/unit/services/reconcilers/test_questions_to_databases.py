"""Questions to databases beside passes: they are part of the instance's sessions and threads, and hold up nobody."""

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

from cloudsql_iam_operator.api.instance import CloudSQLInstance
from cloudsql_iam_operator.api.names import INSTANCE
from cloudsql_iam_operator.api.parsing.objects import parse_instance
from cloudsql_iam_operator.services.identities.sessions import Sessions
from cloudsql_iam_operator.services.reconcilers.systems import Systems
from cloudsql_iam_operator.services.runtime.threads import Threads
from cloudsql_iam_operator.services.runtime.turns import Turns, parked
from cloudsql_iam_operator.services.runtime.workqueue import Backoff, WorkQueue
from cloudsql_iam_operator.services.waiting.line import Room
from cloudsql_iam_operator.services.waiting.ranks import Rank
from unit.services.authority.ground import CONNECTION, body
from unit.services.authority.shared_user import Google

LIMIT = 300.0
DATABASES = 12


class Slow:
    """Databases that answer once they are let to; how many were asked at a time, and how many at most."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.asked = self.most = 0
        self._lock = threading.Lock()

    def ask(self, access: object, database: str, question: str) -> str:
        with self._lock:
            self.asked += 1
            self.most = max(self.most, self.asked)
        self.answers.wait(LIMIT)
        with self._lock:
            self.asked -= 1
        return f"{question} of {database}"


def instance() -> CloudSQLInstance:
    return parse_instance(body(INSTANCE.name, "orders", {"connectionName": CONNECTION}))


def test_an_instance_is_asked_on_its_share_of_sessions_and_the_cluster_meanwhile() -> None:
    slow = Slow()

    async def story() -> list[str]:
        threads, google = Threads(16, 2), Google()
        accesses: Any = SimpleNamespace(of=lambda instance, facts: object())
        everything: Any = google
        systems = Systems(everything, threads, everything, accesses, "")
        systems.lanes.sessions = 2
        asked = [
            asyncio.create_task(systems.in_session(instance(), f"db-{n}", slow.ask, "owner")) for n in range(DATABASES)
        ]
        while slow.asked < 2:
            await asyncio.sleep(0.01)
        for _ in range(DATABASES):
            assert await threads.call(str, timeout=LIMIT) == ""
        slow.answers.set()
        try:
            return await asyncio.gather(*asked)
        finally:
            threads.close()

    answers = asyncio.run(asyncio.wait_for(story(), LIMIT))

    assert answers == [f"owner of db-{n}" for n in range(DATABASES)]
    assert slow.most == 2


def test_who_waits_for_a_session_holds_no_room() -> None:
    ended: list[str] = []

    async def story() -> None:
        sessions, answer = Sessions(1), asyncio.get_running_loop().create_future()
        queue: WorkQueue[str] = WorkQueue(Backoff(), room=Room(1, 1))

        async def work(key: str) -> None:
            if key != "edit":
                async with sessions.alone(key):
                    await parked(asyncio.shield(answer))
            ended.append(key)

        turns = asyncio.create_task(Turns(queue, work).run())
        queue.add("orders", Rank.FIRST)
        queue.add("billing", Rank.FIRST)
        await asyncio.sleep(0)
        queue.add("edit")
        while ended != ["edit"]:
            await asyncio.sleep(0)
        answer.set_result(None)
        while len(ended) < 3:
            await asyncio.sleep(0)
        turns.cancel()

    asyncio.run(asyncio.wait_for(story(), LIMIT))

    assert sorted(ended) == ["billing", "edit", "orders"]
