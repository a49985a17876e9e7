"""An object has one end: whatever call was under way when it came does not bring the object back."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from cloudsql_iam_operator.api.instance import CloudSQLInstance
from cloudsql_iam_operator.api.names import FINALIZER, INSTANCE, USER, Key
from cloudsql_iam_operator.api.parsing.objects import InvalidObject
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


MOMENTS = 10
"""More than one reconcile has; one that is repeated has them again."""


class Interrupted(Threads):
    """Threads that let something happen before or after one of their calls."""

    def __init__(self, moment: int) -> None:
        super().__init__(2)
        self._left = moment
        self.happens: Callable[[], object] = lambda: None
        self.happened = False

    async def call(self, function: Callable[..., T], *args: object, timeout: float) -> T:  # noqa: ASYNC109
        self._pass_moment()
        try:
            return await super().call(function, *args, timeout=timeout)
        finally:
            self._pass_moment()

    def _pass_moment(self) -> None:
        self._left -= 1
        if self._left == -1:
            self.happened = True
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


def ends(scene: "Story") -> None:
    """Somebody takes the finalizer off, and the object is gone."""
    scene.cluster.stored.pop(KEY, None)
    scene.engine.vanished(KEY, "u1")


def ends_unseen(scene: "Story") -> None:
    """It is gone, and no watch has told so yet: what is stored of it is answered with 404."""
    scene.cluster.stored.pop(KEY, None)


def is_made_again(scene: "Story") -> None:
    """It is gone, and another of its name is there."""
    ends(scene)
    scene.show(body(uid="u3", resourceVersion="50"))


def is_made_again_unseen(scene: "Story") -> None:
    """Another of its name is there, and no watch showed the end of the first."""
    scene.show(body(uid="u3", resourceVersion="50"))


def ends_and_is_told_late(scene: "Story") -> None:
    """It is gone, and a list that was asked for before shows it still."""
    ends(scene)
    scene.engine.seen(KEY, body(resourceVersion="60"))


EVENTS = (ends, ends_unseen, is_made_again, is_made_again_unseen, ends_and_is_told_late)


class Story:
    """One object that meets an event at a moment of its reconcile, and another that is looked at after it."""

    def __init__(self, moment: int, event: Callable[["Story"], None], outcome: Report) -> None:
        self.cluster, self.threads = MemoryCluster(), Interrupted(moment)
        nothing: Any = None
        systems = Systems(self.cluster, self.threads, nothing, nothing, "")  # type: ignore[arg-type] # a cluster of ten lines
        self.registry = systems.registry
        self.queue: WorkQueue[Key] = WorkQueue(Backoff(first=0.01), room=Room(1, 1))
        outside = Outside(self.cluster, self.threads, Counts())  # type: ignore[arg-type] # the same
        self.engine = Engine(self.registry, self.queue, {INSTANCE.name: Remembering(systems, outcome)}, outside)
        self.threads.happens = lambda: event(self)

    def show(self, seen: dict[str, Any], key: Key = KEY) -> None:
        self.cluster.stored[key] = seen
        self.engine.seen(key, seen)

    async def run(self, metadata: dict[str, Any]) -> None:
        worker = asyncio.create_task(self.engine.work())
        self.show(body(**metadata))
        await until(lambda: len(self.queue) == 0)
        self.show(body(name="other", uid="u2"), OTHER)
        await until(lambda: "conditions" in self.cluster.stored[OTHER].get("status", {}))
        worker.cancel()
        await asyncio.wait({worker})
        self.threads.close()


def played(moment: int, event: Callable[[Story], None], metadata: dict[str, Any], outcome: Report) -> Story:
    async def run() -> Story:
        story = Story(moment, event, outcome)
        await asyncio.wait_for(story.run(metadata), 60)
        return story

    return asyncio.run(run())


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("outcome", [HOLDS, WAITS], ids=["holds", "waits"])
@pytest.mark.parametrize("metadata", [{}, DELETING], ids=["reconciled", "removed"])
def test_an_object_that_ends_before_or_after_any_await_of_its_reconcile_stays_away(
    metadata: dict[str, Any], outcome: Report, event: Callable[[Story], None]
) -> None:
    moments = 0
    while moments < MOMENTS and (story := played(moments, event, metadata, outcome)).threads.happened:
        if event is ends_unseen:
            story.engine.vanished(KEY, "u1")
        known = story.registry.get(KEY)
        assert (known.uid if known else None) in {None, "u3"}, moments
        if event in {is_made_again, is_made_again_unseen}:
            assert known is not None, moments
        assert story.registry.get(OTHER) is not None
        moments += 1

    assert moments >= 4


def test_an_object_that_does_not_end_is_still_there() -> None:
    story = played(1000, ends, {}, HOLDS)

    assert story.registry.get(KEY) is not None
    assert not story.threads.happened


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


def test_what_a_registry_was_shown_before_it_does_not_look_at_again() -> None:
    registry = Registry()
    registry.put(KEY, body(resourceVersion="7"))
    known = registry.get(KEY)

    again = registry.put(KEY, body(resourceVersion="7"))

    assert again is News.NOTHING
    assert registry.get(KEY) is known


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


def test_a_spec_is_read_anew_whenever_it_may_be_another() -> None:
    registry = Registry()

    def shown(name: str, **metadata: Any) -> str:
        seen = body(**metadata)
        registry.put(KEY, {**seen, "spec": {"connectionName": name}, "status": {"at": metadata["resourceVersion"]}})
        live = registry.get(KEY)
        assert live is not None
        assert isinstance(live.spec, CloudSQLInstance)
        assert live.spec.metadata.resource_version == metadata["resourceVersion"]
        return str(live.spec.connection)

    assert shown("acme:r:i", resourceVersion="1") == "acme:r:i"
    assert shown("acme:r:i", resourceVersion="2") == "acme:r:i"
    assert shown("acme:r:k", resourceVersion="4", generation=2) == "acme:r:k"
    assert shown("acme:r:l", resourceVersion="5", generation=2, uid="u2") == "acme:r:l"
    registry.put(KEY, {**body(resourceVersion="6", generation=3), "spec": {"connectionName": 7}})
    assert isinstance(registry.get(KEY).spec, InvalidObject)  # type: ignore[union-attr] # put above
    assert shown("acme:r:k", resourceVersion="7", generation=4) == "acme:r:k"
