"""How long edits and new objects take beside who is slow, refused, large or leaving; the clock is of timers only."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping

import pytest

from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.lanes.lane import Lane, PassResult
from cloudsql_iam_operator.services.runtime.turns import Turns, parked
from cloudsql_iam_operator.services.runtime.workqueue import Backoff, WorkQueue
from cloudsql_iam_operator.services.waiting.line import Room
from cloudsql_iam_operator.services.waiting.pace import Pace
from cloudsql_iam_operator.services.waiting.ranks import Rank
from cloudsql_iam_operator.services.waiting.slots import Slots
from support.hurry import hurried

WORKERS, THREADS, CLUSTER = 32, 16, 12
INSTANCES = 8
MANY = 400
WITHIN = 1.2
"""What a neighbour may cost others: a fifth."""

Key = tuple[str, str, str]
"""Namespace, instance, name."""


class World:
    """Reconciles as ours are: a call to the cluster, one outside, a lane of the instance, and the status."""

    def __init__(self) -> None:
        self.queue: WorkQueue[Key] = WorkQueue(Backoff(), room=Room(WORKERS, WORKERS // 2), place=lambda key: key[0])
        self._outside, self._cluster = Slots(THREADS, THREADS // 4), Slots(CLUSTER, CLUSTER)
        self._lanes: dict[str, Lane[Key, int, int]] = {}
        self.done: dict[Key, list[float]] = {}

    async def work(self, key: Key) -> None:
        try:
            await self._reconcile(key)
        except NotYet:
            self.queue.retry(key)
        else:
            self.queue.succeeded(key)
            self.done.setdefault(key, []).append(asyncio.get_running_loop().time())

    async def _reconcile(self, key: Key) -> None:
        await self._ask(self._cluster, "", 0.01)
        await parked(self._ask(self._outside, key[1], 30.0 if key[1] == "slow" else 0.2))
        if key[1] == "refused":
            raise NotYet(Reason.QUOTA_EXCEEDED, "used up")
        await self._lane(key[1]).submit(key, 1)
        await self._ask(self._cluster, "", 0.01)

    @staticmethod
    async def _ask(slots: Slots, place: str, seconds: float) -> None:
        async with slots.held(place):
            await asyncio.sleep(seconds)

    def _lane(self, instance: str) -> Lane[Key, int, int]:
        async def run(wants: Mapping[Key, int]) -> PassResult[Key, int]:
            await self._ask(self._outside, instance, 30.0 if instance == "slow" else 0.2)
            return PassResult(wants, clean=False)

        if instance not in self._lanes:
            self._lanes[instance] = Lane(run, Pace())
        return self._lanes[instance]


async def taken(beside: Callable[[World], Awaitable[None]], rank: Rank) -> tuple[float, float]:
    """Seconds that half of the reconciles take at most, and 95 of 100, once somebody is beside.

    They are of small namespaces on quick instances.
    """
    world, chance = World(), random.Random(1)
    turns = asyncio.create_task(Turns(world.queue, world.work).run())
    await beside(world)
    await asyncio.sleep(5.0)
    times: list[float] = []
    for number in range(MANY):
        key = (f"team-{number % 40}", f"quick-{number % INSTANCES}", f"{number}")
        began = asyncio.get_running_loop().time()
        world.queue.add(key, rank)
        times.append(began)
        await asyncio.sleep(chance.uniform(0.05, 0.3))
    keys = [(f"team-{n % 40}", f"quick-{n % INSTANCES}", f"{n}") for n in range(MANY)]
    while not all(key in world.done for key in keys):
        await asyncio.sleep(1.0)
    turns.cancel()
    sorted_times = sorted(world.done[key][0] - began for key, began in zip(keys, times, strict=True))
    return sorted_times[MANY // 2], sorted_times[MANY * 95 // 100]


async def nobody(world: World) -> None:
    """Nobody is beside."""


async def an_instance_that_takes_thirty_seconds_an_answer(world: World) -> None:
    for number in range(300):
        world.queue.add((f"slow-{number % 30}", "slow", f"{number}"), Rank.EDIT)


async def a_project_at_quota(world: World) -> None:
    for number in range(500):
        world.queue.add((f"refused-{number % 30}", "refused", f"{number}"), Rank.EDIT)


async def a_namespace_with_two_thousand_objects(world: World) -> None:
    for number in range(2000):
        world.queue.add(("large", "large", f"{number}"), Rank.FIRST)


async def a_namespace_that_deletes_two_thousand_objects(world: World) -> None:
    for number in range(2000):
        world.queue.add(("leaving", "leaving", f"{number}"), Rank.EDIT)


async def all_of_them(world: World) -> None:
    for beside in BESIDE[:-1]:
        await beside(world)


BESIDE = (
    an_instance_that_takes_thirty_seconds_an_answer,
    a_project_at_quota,
    a_namespace_with_two_thousand_objects,
    a_namespace_that_deletes_two_thousand_objects,
    all_of_them,
)


@pytest.mark.parametrize("rank", [Rank.EDIT, Rank.FIRST])
@pytest.mark.parametrize("beside", BESIDE)
def test_edits_and_new_objects_take_no_fifth_longer_beside(
    beside: Callable[[World], Awaitable[None]], rank: Rank
) -> None:
    alone, together = hurried(taken(nobody, rank)), hurried(taken(beside, rank))

    assert all(longer <= time * WITHIN for time, longer in zip(alone, together, strict=True))
