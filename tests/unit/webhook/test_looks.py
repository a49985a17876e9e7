"""Fresh reads before a denial: shared by all who doubt the same, and no namespace takes those of the others."""

import asyncio
import threading
from collections import Counter

import pytest

from cloudsql_iam_operator.core.injection.facts import Facts
from cloudsql_iam_operator.core.injection.outcome import Code, Denied
from cloudsql_iam_operator.services.runtime.threads import Threads
from cloudsql_iam_operator.webhook.admission import Admission, Doubt
from cloudsql_iam_operator.webhook.serve import LIVE_READS_AT_A_TIME
from support.podshapes import FACTS, SETTINGS

PATIENCE = 60.0
DENIED = Denied(403, Code.USER, "no user")


class Slow:
    """A source whose looks at namespace `busy` last until they are let go."""

    def __init__(self) -> None:
        self.looks: Counter[str] = Counter()
        self.go = threading.Event()

    def complete(self) -> bool:
        return True

    def facts(self, namespace: str, account: str) -> Facts:
        return FACTS

    def facts_now(self, namespace: str, account: str) -> Facts:
        self.looks[namespace] += 1
        if namespace == "busy":
            assert self.go.wait(PATIENCE)
        return FACTS


@pytest.fixture
def slow() -> Slow:
    return Slow()


def test_doubts_that_come_while_a_look_runs_share_the_next(slow: Slow) -> None:
    async def ask() -> list[Facts | None]:
        admission = Admission(slow, SETTINGS, Threads(LIVE_READS_AT_A_TIME))
        doubts = [Doubt("busy", "checkout", DENIED)] * 50
        looks = [asyncio.create_task(admission.look(doubts[0]))]
        while not slow.looks:
            await asyncio.sleep(0.001)
        looks += [asyncio.create_task(admission.look(doubt)) for doubt in doubts]
        await asyncio.sleep(0)
        slow.go.set()
        return list(await asyncio.gather(*looks))

    assert asyncio.run(ask()) == [FACTS] * 51
    assert slow.looks["busy"] == 2


def test_a_namespace_of_many_doubts_leaves_threads_to_the_others(slow: Slow) -> None:
    async def ask() -> Facts | None:
        admission = Admission(slow, SETTINGS, Threads(LIVE_READS_AT_A_TIME))
        crowd = [asyncio.create_task(admission.look(Doubt("busy", f"account-{n}", DENIED))) for n in range(50)]
        await asyncio.sleep(0)
        try:
            return await admission.look(Doubt("orders", "checkout", DENIED))
        finally:
            slow.go.set()
            await asyncio.gather(*crowd)

    assert asyncio.run(ask()) == FACTS
    assert slow.looks["busy"] >= 2
