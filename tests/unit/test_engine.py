"""The engine over a registry, a queue and a cluster of ten lines."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from cloudsql_iam_operator.api.names import FINALIZER, INSTANCE, Key
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.status import ConditionType, Finding
from cloudsql_iam_operator.services.engine import Engine, Outside
from cloudsql_iam_operator.services.registry import Live, Registry
from cloudsql_iam_operator.services.reports import Report
from cloudsql_iam_operator.services.threads import Threads
from cloudsql_iam_operator.services.workqueue import Backoff, WorkQueue

KEY = Key(INSTANCE.name, "", "orders-prod")
HOLDS = Report((Finding(ConditionType.ADMIN_REACHABLE, Reason.SUCCEEDED, "it answers"),), {"state": "RUNNABLE"}, 60.0)


def body(**metadata: Any) -> dict[str, Any]:
    return {
        "kind": INSTANCE.name,
        "metadata": {
            "name": "orders-prod",
            "uid": "u1",
            "generation": 1,
            "resourceVersion": "5",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "finalizers": [FINALIZER],
            **metadata,
        },
        "spec": {"connectionName": "acme:r:i"},
    }


class MemoryCluster:
    def __init__(self) -> None:
        self.stored: dict[Key, dict[str, Any]] = {}
        self.writes = 0
        self.notices: list[str] = []

    def get(self, key: Key) -> dict[str, Any] | None:
        return self.stored.get(key)

    def list(self, kind: Any) -> list[dict[str, Any]]:
        return [found for key, found in self.stored.items() if key.kind == kind.name]

    def apply_status(self, key: Key, uid: str, status: dict[str, Any]) -> dict[str, Any]:
        self.writes += 1
        before = self.stored[key]
        version = str(int(before["metadata"]["resourceVersion"]) + 1)
        self.stored[key] = {**before, "metadata": {**before["metadata"], "resourceVersion": version}, "status": status}
        return self.stored[key]

    def post(self, notice: Any) -> None:
        self.notices.append(notice.reason)


class Told:
    """A story that tells prepared reports, and how often it was asked what."""

    def __init__(self, *reports: Report | Exception) -> None:
        self.reports = list(reports)
        self.asked: list[str] = []

    async def reconcile(self, live: Live) -> Report:
        return self._next("reconcile")

    async def remove(self, live: Live) -> Report:
        return self._next("remove")

    def _next(self, what: str) -> Report:
        self.asked.append(what)
        report = self.reports.pop(0) if len(self.reports) > 1 else self.reports[0]
        if isinstance(report, Exception):
            raise report
        return report


class Counts:
    def __init__(self) -> None:
        self.seen: list[str] = []

        self.changes: list[tuple[str, str]] = []

    def reconciled(self, kind: str, reason: str, seconds: float) -> None:
        self.seen.append(reason)

    def changed(self, kind: str, change: str) -> None:
        self.changes.append((kind, change))


class Scene:
    def __init__(self, story: Told) -> None:
        self.cluster = MemoryCluster()
        self.counts = Counts()
        self.registry = Registry()
        self.queue: WorkQueue[Key] = WorkQueue(Backoff(first=0.01))
        outside = Outside(self.cluster, Threads(2), self.counts)  # type: ignore[arg-type] # the ten lines above
        self.engine = Engine(self.registry, self.queue, {INSTANCE.name: story}, outside)

    def show(self, seen: dict[str, Any]) -> None:
        self.cluster.stored[KEY] = seen
        self.engine.seen(KEY, seen)


def play(story: Told, act: Callable[[Scene], Awaitable[None]]) -> Scene:
    async def run() -> Scene:
        scene = Scene(story)
        worker = asyncio.create_task(scene.engine.work())
        await asyncio.wait_for(act(scene), 60)
        worker.cancel()
        return scene

    return asyncio.run(run())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


def test_a_status_is_written_once_and_not_again_while_nothing_changes() -> None:
    story = Told(HOLDS)

    async def act(scene: Scene) -> None:
        scene.show(body())
        await until(lambda: scene.cluster.writes == 1)
        scene.queue.add(KEY)
        await until(lambda: len(scene.counts.seen) == 2)

    scene = play(story, act)

    assert scene.cluster.writes == 1
    assert scene.cluster.stored[KEY]["status"]["conditions"][0]["reason"] == "Succeeded"
    assert scene.cluster.notices == ["Succeeded"]


def test_what_was_changed_is_counted_and_told_once() -> None:
    corrected = replace(HOLDS, changes=(("DriftCorrected", "created database user a"),))
    story = Told(corrected, HOLDS)

    async def act(scene: Scene) -> None:
        scene.show(body())
        await until(lambda: scene.cluster.writes == 1)
        scene.queue.add(KEY)
        await until(lambda: len(scene.counts.seen) == 2)

    scene = play(story, act)

    assert scene.counts.changes == [("CloudSQLInstance", "DriftCorrected")]
    assert scene.cluster.notices == ["DriftCorrected", "Succeeded"]


def test_a_change_without_words_is_counted_and_no_event() -> None:
    story = Told(replace(HOLDS, changes=(("DriftCorrected", ""),)))

    async def act(scene: Scene) -> None:
        scene.show(body())
        await until(lambda: len(scene.counts.seen) == 1)

    scene = play(story, act)

    assert scene.counts.changes == [("CloudSQLInstance", "DriftCorrected")]
    assert scene.cluster.notices == ["Succeeded"]


def test_a_warning_is_told_of_an_object_that_goes_too() -> None:
    story = Told(replace(HOLDS, changes=(("Revoked", "revoked it"),), warnings=(("GivenUp", "left in force"),)))

    async def act(scene: Scene) -> None:
        scene.show(body(deletionTimestamp="2026-01-02T00:00:00Z"))
        await scene.engine.removed(KEY)

    scene = play(story, act)

    assert (scene.cluster.writes, scene.cluster.notices) == (0, ["GivenUp"])


def test_nothing_is_done_before_the_finalizer_stands() -> None:
    story = Told(HOLDS)

    async def act(scene: Scene) -> None:
        scene.show(body(finalizers=[]))
        await until(lambda: len(scene.queue) == 0)
        scene.show(body(resourceVersion="6"))
        await until(lambda: scene.cluster.writes == 1)

    play(story, act)

    assert story.asked == ["reconcile"]


def test_the_write_of_our_own_status_starts_no_second_look() -> None:
    story = Told(HOLDS)

    async def act(scene: Scene) -> None:
        scene.show(body())
        await until(lambda: scene.cluster.writes == 1)
        scene.engine.seen(KEY, scene.cluster.stored[KEY])
        await asyncio.sleep(0)

    scene = play(story, act)

    assert story.asked == ["reconcile"]
    assert len(scene.queue) == 0


def test_a_deletion_ends_when_the_story_has_nothing_left_to_take_back() -> None:
    waits = Report((Finding(ConditionType.READY, Reason.IN_USE, "named by others"),))
    story = Told(waits, HOLDS)

    async def act(scene: Scene) -> None:
        scene.show(body(deletionTimestamp="2026-01-02T00:00:00Z"))
        await scene.engine.removed(KEY)

    scene = play(story, act)

    assert story.asked == ["remove", "remove"]
    assert scene.cluster.stored[KEY]["status"]["conditions"][0]["reason"] == "InUse"


def test_a_failing_story_is_tried_again_and_a_bug_in_it_stops_nobody() -> None:
    story = Told(NotYet(Reason.PROGRESSING_WITH_RETRY, "the API server answered 500"), ValueError("a bug"), HOLDS)

    async def act(scene: Scene) -> None:
        scene.show(body())
        await until(lambda: len(story.asked) == 3)

    play(story, act)

    assert story.asked == ["reconcile"] * 3


def test_a_bug_is_told_in_the_status_which_keeps_all_else_it_tells() -> None:
    story = Told(HOLDS, ValueError("a bug in which a secret may stand"))

    async def act(scene: Scene) -> None:
        scene.show(body())
        await until(lambda: scene.cluster.writes == 1)
        scene.queue.add(KEY)
        await until(lambda: scene.cluster.writes == 2)

    status = play(story, act).cluster.stored[KEY]["status"]

    assert (status["state"], status["observedGeneration"]) == ("RUNNABLE", 1)
    ready = status["conditions"][0]
    assert (ready["status"], ready["reason"]) == ("False", "InternalError")
    assert ready["message"] == "unexpected ValueError, which is a bug: the operator's log tells more"


def test_an_object_that_a_full_list_does_not_show_is_forgotten() -> None:
    story = Told(HOLDS)

    async def act(scene: Scene) -> None:
        scene.show(body())
        await until(lambda: scene.cluster.writes == 1)
        scene.cluster.stored.clear()
        await scene.engine.relist()

    scene = play(story, act)

    assert scene.registry.get(KEY) is None
    assert scene.registry.listed
