"""The engine where objects follow each other under one name, and what is told of them comes late."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cloudsql_iam_operator.api.names import FINALIZER
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.status import ConditionType, Finding
from cloudsql_iam_operator.services.runtime.reports import Report
from unit.services.runtime.scene import HOLDS, KEY, Scene, Told, body, play, until

DELETING = {"deletionTimestamp": "2026-01-02T00:00:00Z"}


@asynccontextmanager
async def list_under_way(scene: Scene) -> AsyncIterator[None]:
    """A full list that shows what there is now, and is answered at the end."""
    listed, go_on = threading.Event(), threading.Event()

    def after_list() -> None:
        listed.set()
        assert go_on.wait(60)

    scene.cluster.after_list = after_list
    relist = asyncio.create_task(scene.engine.relist())
    assert await asyncio.to_thread(listed.wait, 60)
    yield
    go_on.set()
    await relist


def test_an_object_made_again_is_not_released_by_what_was_done_for_the_last_of_its_name() -> None:
    story = Told(HOLDS)

    async def act(scene: Scene) -> None:
        scene.show(body(**DELETING))
        await scene.engine.removed(KEY, "u1")  # and no watch tells that it is gone
        story.reports[:] = [Report((Finding(ConditionType.READY, Reason.IN_USE, "named by others"),)), HOLDS]
        scene.show(body(uid="u2", resourceVersion="6", **DELETING))
        await scene.engine.removed(KEY, "u2")

    play(story, act)

    assert story.asked == ["remove", "remove", "remove"]


def test_the_late_end_of_an_object_does_not_forget_the_next_of_its_name() -> None:
    story = Told(HOLDS)

    async def act(scene: Scene) -> None:
        scene.show(body())
        scene.show(body(uid="u2", resourceVersion="6"))
        scene.engine.vanished(KEY, "u1")
        await until(lambda: scene.cluster.writes == 1)

    known = play(story, act).registry.get(KEY)

    assert known is not None
    assert known.uid == "u2"


def test_a_deletion_does_not_take_the_finalizer_off_the_next_object_of_the_name() -> None:
    story = Told(HOLDS)

    async def act(scene: Scene) -> None:
        scene.engine.seen(KEY, body(**DELETING))
        scene.cluster.stored[KEY] = body(uid="u2", resourceVersion="6")
        await scene.engine.removed(KEY, "u1")
        scene.engine.seen(KEY, scene.cluster.stored[KEY])
        await until(lambda: scene.cluster.writes == 1)

    scene = play(story, act)

    assert story.asked == ["remove", "reconcile"]
    assert scene.cluster.stored[KEY]["metadata"]["finalizers"] == [FINALIZER]


def test_a_deletion_ends_when_the_object_is_gone_without_us() -> None:
    story = Told(HOLDS)

    async def act(scene: Scene) -> None:
        scene.engine.seen(KEY, body(**DELETING))
        await scene.engine.removed(KEY, "u1")
        await scene.engine.removed(KEY, "u1")

    scene = play(story, act)

    assert story.asked == ["remove"]
    assert scene.registry.get(KEY) is None


def test_a_full_list_from_before_an_objects_end_does_not_bring_it_back() -> None:
    story = Told(HOLDS)

    async def act(scene: Scene) -> None:
        scene.show(body())
        await until(lambda: scene.cluster.writes == 1)
        async with list_under_way(scene):
            scene.engine.vanished(KEY, "u1")

    assert play(story, act).registry.get(KEY) is None


def test_a_full_list_from_before_an_objects_making_does_not_forget_it() -> None:
    story = Told(HOLDS)

    async def act(scene: Scene) -> None:
        async with list_under_way(scene):
            scene.show(body())

    assert play(story, act).registry.get(KEY) is not None


def test_an_object_that_ended_does_not_come_back_by_whatever_shows_it_late() -> None:
    story = Told(HOLDS)

    async def act(scene: Scene) -> None:
        scene.show(body())
        scene.engine.vanished(KEY, "u1")
        scene.engine.seen(KEY, body(resourceVersion="4", **DELETING))

    assert play(story, act).registry.get(KEY) is None
