"""What is reconciled first: after a restart, and of what depends on something that changed."""

import asyncio
from typing import Any

import pytest

from cloudsql_iam_operator.api.names import INSTANCE, Key
from cloudsql_iam_operator.services.waiting.ranks import Overtaken, Rank
from unit.services.runtime.scene import HOLDS, Scene, Told, body, play, until

READY = {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True", "reason": "Succeeded"}]}
FAILED = {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "False", "reason": "InUse"}]}


def shown(name: str, status: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {**body(name=name, uid=f"uid-{name}", **metadata), "status": status}


RESTART = [
    ("as-declared", shown("as-declared", READY), Rank.CHECK),
    ("not-as-declared", shown("not-as-declared", FAILED), Rank.FIRST),
    ("never-seen", shown("never-seen", {"observedGeneration": -1}), Rank.FIRST),
    ("edited-meanwhile", shown("edited-meanwhile", READY, generation=2), Rank.EDIT),
    ("deleted-meanwhile", shown("deleted-meanwhile", READY, deletionTimestamp="2026-01-02T00:00:00Z"), Rank.EDIT),
]


def test_a_restart_reconciles_edits_first_then_what_is_unfinished_and_believes_the_rest() -> None:
    async def story() -> list[tuple[str, Rank]]:
        scene = Scene(Told(HOLDS))
        scene.cluster.stored = {Key(INSTANCE.name, "", name): stored for name, stored, _ in RESTART}
        await scene.engine.relist()
        return [(key.name, rank) for key, rank in [await scene.queue.take() for _ in RESTART]]

    taken = asyncio.run(asyncio.wait_for(story(), 60))

    assert [rank for _, rank in taken] == sorted(rank for _, _, rank in RESTART)
    assert sorted(taken) == sorted((name, rank) for name, _, rank in RESTART)


@pytest.mark.parametrize(
    ("change", "rank"),
    [({"generation": 2}, Rank.EDIT), ({"deletionTimestamp": "2026-01-02T00:00:00Z"}, Rank.EDIT)],
    ids=["edited", "deleted"],
)
def test_an_edit_of_what_is_as_declared_is_pressing_and_lets_what_waits_for_it_go_ahead(
    change: dict[str, Any], rank: Rank
) -> None:
    key = Key(INSTANCE.name, "", "a")
    pressed: list[Key] = []

    async def story() -> tuple[Key, Rank]:
        scene = Scene(Told(HOLDS))
        scene.engine.press = pressed.append
        scene.engine.seen(key, shown("a", READY))
        await scene.queue.take()
        scene.queue.done(key)
        scene.engine.seen(key, shown("a", READY, resourceVersion="6", **change))
        return await scene.queue.take()

    assert asyncio.run(asyncio.wait_for(story(), 60)) == (key, rank)
    assert pressed == [key]


def test_a_new_object_is_no_edit_before_it_has_our_finalizer_nor_after() -> None:
    key = Key(INSTANCE.name, "", "a")

    async def story() -> list[tuple[Key, Rank]]:
        scene = Scene(Told(HOLDS))
        scene.engine.seen(key, shown("a", {}, finalizers=[]))
        before = await scene.queue.take()
        scene.queue.done(key)
        scene.engine.seen(key, shown("a", {}, resourceVersion="6"))
        return [before, await scene.queue.take()]

    assert asyncio.run(asyncio.wait_for(story(), 60)) == [(key, Rank.FIRST), (key, Rank.FIRST)]


def test_a_reconcile_that_an_edit_overtook_begins_anew_without_a_pause_or_a_word_in_the_status() -> None:
    key = Key(INSTANCE.name, "", "a")
    told = Told(Overtaken(), HOLDS)

    async def act(scene: Scene) -> None:
        scene.show(shown("a", {}), key)
        await until(lambda: told.asked == ["reconcile", "reconcile"])
        await until(lambda: bool(scene.counts.seen))

    scene = play(told, act)

    assert scene.cluster.writes == 1
    assert scene.counts.seen == ["Succeeded"]
