"""An object that vanishes, its finalizer taken off by somebody: what it caused is taken back, and its memory ends."""

from dataclasses import replace
from typing import Any

from cloudsql_iam_operator.api.names import GRANT, USER, Key
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.status import ConditionType, Finding
from cloudsql_iam_operator.services.runtime.registry import Live
from cloudsql_iam_operator.services.runtime.reports import Report
from unit.services.runtime.scene import HOLDS, Scene, Told, body, play, until

READS = Key(GRANT.name, "team", "reads")
GONE = READS._replace(uid="u1")
APPLIED = {"applied": [{"kind": "Database", "role": "x", "privileges": ["CONNECT"]}], "database": "orders"}
BLOCKED = Report((Finding(ConditionType.GRANTS_APPLIED, Reason.DELETION_BLOCKED, "not yet"),), {"applied": []}, 0.01)


def grant(status: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    found = body(name="reads", namespace="team", **metadata)
    return {**found, "kind": GRANT.name, "status": status or APPLIED}


def test_what_a_vanished_object_had_caused_is_taken_back_from_its_last_record() -> None:
    story = Told(replace(HOLDS, fields=APPLIED))

    async def act(scene: Scene) -> None:
        scene.show(grant(), READS)
        await until(lambda: story.asked == ["reconcile"])
        scene.engine.vanished(READS, "u1")
        await until(lambda: story.asked == ["reconcile", "remove"])
        await until(lambda: scene.registry.get(GONE) is None)

    scene = play(story, act)

    assert (story.seen[1].key, story.seen[1].deleting, story.seen[1].status["database"]) == (GONE, True, "orders")
    assert scene.registry.get(READS) is None
    assert READS in scene.forgotten


def test_taking_back_from_a_vanished_object_is_tried_until_it_is_done_and_remembers_how_far_it_came() -> None:
    story = Told(BLOCKED, BLOCKED, HOLDS)

    async def act(scene: Scene) -> None:
        scene.registry.put(READS, grant())
        scene.engine.vanished(READS, "u1")
        await until(lambda: scene.registry.get(GONE) is None)

    scene = play(story, act)

    assert story.asked == ["remove", "remove", "remove"]
    assert story.seen[1].status["applied"] == []
    assert scene.cluster.writes == 0


def test_an_object_that_was_released_leaves_no_ghost() -> None:
    story = Told(HOLDS)

    async def act(scene: Scene) -> None:
        scene.show(grant(deletionTimestamp="2026-01-02T00:00:00Z"), READS)
        await scene.engine.removed(READS, "u1")
        scene.engine.vanished(READS, "u1")

    scene = play(story, act)

    assert (story.asked, scene.registry.of_kind(GRANT.name)) == (["remove"], ())


def test_an_object_that_vanishes_while_it_is_reconciled_leaves_nothing_that_was_done_meanwhile() -> None:
    class Slow(Told):
        async def reconcile(self, live: Live) -> Report:
            scenes[0].cluster.stored.pop(READS)
            scenes[0].engine.vanished(READS, "u1")
            return replace(await super().reconcile(live), fields={**APPLIED, "database": "made meanwhile"})

    scenes: list[Scene] = []
    story = Slow(HOLDS)

    async def act(scene: Scene) -> None:
        scenes.append(scene)
        scene.show(grant(), READS)
        await until(lambda: "remove" in story.asked and scene.registry.get(GONE) is None)

    scene = play(story, act)

    assert "made meanwhile" in {live.status.get("database") for live in story.seen}
    assert scene.forgotten[-1] == READS


def test_an_object_whose_end_is_told_while_it_is_read_is_not_remembered_again() -> None:
    story = Told(HOLDS)

    async def act(scene: Scene) -> None:
        body_then = grant(deletionTimestamp="2026-01-02T00:00:00Z")

        def read(key: Key) -> dict[str, Any]:
            scene.engine.vanished(READS, "u1")
            return body_then

        scene.cluster.get = read  # type: ignore[method-assign] # the answer is older than the end
        scene.show(body_then, READS)
        scene.queue.add(READS)
        await until(lambda: scene.registry.get(READS) is None)
        await until(lambda: not scene.queue.under_way)

    scene = play(story, act)

    assert (story.asked, scene.registry.of_kind(GRANT.name)) == (["remove"], ())


def test_a_full_list_takes_a_departed_object_for_no_other_that_vanished() -> None:
    story = Told(BLOCKED)

    async def act(scene: Scene) -> None:
        scene.registry.put(READS, grant())
        await scene.engine.relist()
        await scene.engine.relist()
        await until(lambda: "remove" in story.asked)

    scene = play(story, act)

    assert [live.key for live in scene.registry.of_kind(GRANT.name)] == [GONE]


def test_a_user_that_departed_with_its_grant_is_woken_when_that_is_done() -> None:
    user = Key(USER.name, "team", "checkout")
    story = Told(HOLDS)

    async def act(scene: Scene) -> None:
        spec = {"instanceRef": {"name": "i"}, "database": "d", "grantees": [{"userRef": {"name": "checkout"}}]}
        scene.registry.put(READS, {**grant(), "spec": {**spec, "preset": "read", "schemas": ["app"]}})
        made = {**body(name="checkout", namespace="team", uid="u2"), "kind": USER.name, "status": {"created": True}}
        departed = scene.registry.depart(Live.of(user, made, scene.registry.get(READS).spec), made["status"])  # type: ignore[union-attr] # put above
        scene.engine.vanished(READS, "u1")
        await until(lambda: scene.registry.get(departed) is None and scene.registry.get(GONE) is None)

    play(story, act)

    assert {live.key.kind for live in story.seen} == {GRANT.name, USER.name}
