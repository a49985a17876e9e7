"""An object has one end: whatever call was under way when it came does not bring the object back."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from cloudsql_iam_operator.api.names import FINALIZER, INSTANCE, USER, Key
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.status import ConditionType, Finding
from cloudsql_iam_operator.services.reconcilers.systems import Systems
from cloudsql_iam_operator.services.runtime.engine import Engine, Outside
from cloudsql_iam_operator.services.runtime.registry import Live, News, Registry
from cloudsql_iam_operator.services.runtime.reports import Report
from cloudsql_iam_operator.services.runtime.threads import Threads
from cloudsql_iam_operator.services.runtime.workqueue import Backoff, WorkQueue
from cloudsql_iam_operator.services.waiting.line import Room
from unit.services.runtime.scene import HOLDS, KEY, Counts, MemoryCluster, body, until

T = TypeVar("T")

OTHER = Key(INSTANCE.name, "", "other")
DELETING = {"deletionTimestamp": "2026-01-02T00:00:00Z"}
WAITS = Report((Finding(ConditionType.READY, Reason.IN_USE, "named by others"),))


class Interrupted(Threads):
    """Threads that let something happen before or after one of their calls."""

    def __init__(self, moment: int) -> None:
        super().__init__(2)
        self._left = moment
        self.happens: Callable[[], object] = lambda: None
        self.calls = 0

    async def call(self, function: Callable[..., T], *args: object, timeout: float) -> T:  # noqa: ASYNC109
        self._pass_moment()
        self.calls += 1
        try:
            return await super().call(function, *args, timeout=timeout)
        finally:
            self._pass_moment()

    def _pass_moment(self) -> None:
        self._left -= 1
        if self._left == -1:
            self.happens()


class Remembering:
    """A reconciler that stores something before it has an outcome."""

    def __init__(self, systems: Systems, outcome: Report) -> None:
        self._systems = systems
        self._outcome = outcome

    async def reconcile(self, live: Live) -> Report:
        await self._systems.remember(live, {"state": "about to be"})
        return self._outcome

    async def remove(self, live: Live) -> Report:
        await self._systems.remember(live, {"state": "about to go"})
        return self._outcome


async def story(moment: int, metadata: dict[str, Any], outcome: Report) -> tuple[Registry, int]:
    """The registry after an object that ended at that moment of its reconcile, and how many calls there were."""
    cluster, threads = MemoryCluster(), Interrupted(moment)
    nothing: Any = None
    systems = Systems(cluster, threads, nothing, nothing, "")  # type: ignore[arg-type] # a cluster of ten lines
    queue: WorkQueue[Key] = WorkQueue(Backoff(first=0.01), room=Room(1, 1))
    outside = Outside(cluster, threads, Counts())  # type: ignore[arg-type] # the same
    engine = Engine(systems.registry, queue, {INSTANCE.name: Remembering(systems, outcome)}, outside)
    threads.happens = lambda: engine.vanished(KEY, "u1")
    worker = asyncio.create_task(engine.work())

    cluster.stored[KEY] = body(**metadata)
    engine.seen(KEY, cluster.stored[KEY])
    await until(lambda: len(queue) == 0)
    cluster.stored[OTHER] = body(name="other", uid="u2")
    engine.seen(OTHER, cluster.stored[OTHER])
    await until(lambda: "conditions" in cluster.stored[OTHER].get("status", {}))

    worker.cancel()
    threads.close()
    return systems.registry, threads.calls


@pytest.mark.parametrize("outcome", [HOLDS, WAITS], ids=["holds", "waits"])
@pytest.mark.parametrize("metadata", [{}, DELETING], ids=["reconciled", "removed"])
@pytest.mark.parametrize("moment", range(6))
def test_an_object_that_ends_at_any_await_stays_away(moment: int, metadata: dict[str, Any], outcome: Report) -> None:
    registry, calls = asyncio.run(asyncio.wait_for(story(moment, metadata, outcome), 60))

    assert registry.get(KEY) is None
    assert registry.get(OTHER) is not None
    assert calls > moment // 2


def test_an_object_that_does_not_end_is_still_there() -> None:
    registry, calls = asyncio.run(asyncio.wait_for(story(1000, {}, HOLDS), 60))

    assert registry.get(KEY) is not None
    assert calls < 1000


def test_the_next_object_of_the_name_is_another() -> None:
    registry = Registry()
    registry.put(KEY, body())
    registry.end(KEY, "u1")

    late = registry.put(KEY, body(resourceVersion="9"))
    made_again = registry.put(KEY, body(uid="u2", resourceVersion="8"))

    assert (late, made_again) == (News.NOTHING, News.NEW)


def test_ends_are_forgotten_when_nothing_can_tell_of_the_object_any_more() -> None:
    now = 0.0
    registry = Registry(lambda: now)
    registry.end(KEY, "u1")
    now = 4000.0
    registry.end(KEY, "u2")

    assert (registry.has_ended("u1"), registry.has_ended("u2")) == (False, True)


def test_a_registry_keeps_nothing_of_who_manages_which_field() -> None:
    registry = Registry()
    registry.put(KEY, body(managedFields=[{"manager": "kubectl"}]))

    live = registry.get(KEY)

    assert live is not None
    assert "managedFields" not in live.body["metadata"]


def test_references_follow_an_objects_edits_and_end() -> None:
    registry = Registry()
    user = Key(USER.name, "team", "app")

    def shown(instance: str, version: str) -> dict[str, Any]:
        metadata: dict[str, Any] = {
            "name": "app",
            "namespace": "team",
            "uid": "u9",
            "resourceVersion": version,
            "generation": 1,
        }
        metadata["creationTimestamp"] = "2026-01-01T00:00:00Z"
        spec = {"instanceRef": {"name": instance}, "principal": {"serviceAccount": "a@p.iam.gserviceaccount.com"}}
        return {"kind": USER.name, "metadata": {**metadata, "finalizers": [FINALIZER]}, "spec": spec}

    registry.put(user, shown("orders", "1"))
    first = registry.dependents(Key(INSTANCE.name, "", "orders"))
    registry.put(user, shown("billing", "2"))
    moved = [registry.dependents(Key(INSTANCE.name, "", name)) for name in ("orders", "billing")]
    registry.end(user, "u9")

    assert (first, moved) == ((user,), [(), (user,)])
    assert registry.dependents(Key(INSTANCE.name, "", "billing")) == ()
