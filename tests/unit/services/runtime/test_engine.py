"""The engine: when a story is told, what is stored and said of it, and what a failure does."""

import asyncio
from dataclasses import replace

from cloudsql_iam_operator.api.names import FINALIZER
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.status import ConditionType, Finding
from cloudsql_iam_operator.services.runtime.reports import Report
from unit.services.runtime.scene import HOLDS, KEY, Scene, Told, body, play, until


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
    assert scene.cluster.notices == ["DriftCorrected"]


def test_that_a_new_object_waits_for_what_goes_on_by_itself_is_in_its_status_and_no_event() -> None:
    waits = Report((Finding(ConditionType.READY, Reason.USER_NOT_READY, "user a is not ready"),))
    story = Told(waits, HOLDS, waits)

    async def act(scene: Scene) -> None:
        scene.show(body())
        await until(lambda: scene.cluster.writes >= 1)
        scene.queue.add(KEY)
        await until(lambda: scene.cluster.writes >= 2)
        scene.queue.add(KEY)
        await until(lambda: len(scene.cluster.notices) == 2)

    scene = play(story, act)

    assert scene.cluster.notices == ["Succeeded", "UserNotReady"]


def test_a_new_object_that_waits_for_what_wakes_it_costs_no_write_until_there_is_something_to_say() -> None:
    waits = Report((Finding(ConditionType.READY, Reason.USER_NOT_READY, "user a is not ready"),), passing=True)
    story = Told(waits, waits, HOLDS, waits)

    async def act(scene: Scene) -> None:
        scene.show(body())
        await until(lambda: len(scene.counts.seen) == 2)  # its backoff, too, has it looked at again
        assert scene.cluster.writes == 0
        await until(lambda: scene.cluster.writes == 1)
        scene.queue.add(KEY)
        await until(lambda: scene.cluster.writes == 2)

    scene = play(story, act)

    assert scene.counts.seen[:3] == ["UserNotReady", "UserNotReady", "Succeeded"]
    assert scene.cluster.notices == ["Succeeded", "UserNotReady"]


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
        await scene.engine.removed(KEY, "u1")

    scene = play(story, act)

    assert (scene.cluster.writes, scene.cluster.notices) == (0, ["GivenUp"])


def test_nothing_is_done_before_the_finalizer_stands() -> None:
    story = Told(HOLDS)

    async def act(scene: Scene) -> None:
        scene.cluster.refusals = 2
        scene.show(body(finalizers=["example.com/other"]))
        await until(lambda: scene.cluster.writes == 1)

    scene = play(story, act)

    assert story.asked == ["reconcile"]
    assert story.seen[0].held
    assert scene.cluster.finalized == [("u1", ("example.com/other", FINALIZER))]
    assert scene.cluster.refusals == 0


def test_an_object_that_goes_and_never_was_held_is_left_alone() -> None:
    story = Told(HOLDS)

    async def act(scene: Scene) -> None:
        scene.show(body(deletionTimestamp="2026-01-02T00:00:00Z", finalizers=["example.com/other"]))
        scene.queue.add(KEY)
        await until(lambda: not scene.queue.under_way)

    scene = play(story, act)

    assert (story.asked, scene.cluster.finalized) == ([], [])


def test_a_finalizer_that_cannot_be_taken_off_is_tried_again_and_nothing_else_is() -> None:
    story = Told(HOLDS)

    async def act(scene: Scene) -> None:
        scene.cluster.refusals = 3
        scene.show(body(deletionTimestamp="2026-01-02T00:00:00Z"))
        await scene.engine.removed(KEY, "u1")

    scene = play(story, act)

    assert (story.asked, scene.cluster.refusals, scene.cluster.stored) == (["remove"], 0, {})
    assert scene.registry.get(KEY) is None


def test_an_object_that_others_hold_too_is_let_go_of_once() -> None:
    story = Told(HOLDS)

    async def act(scene: Scene) -> None:
        scene.show(body(deletionTimestamp="2026-01-02T00:00:00Z", finalizers=[FINALIZER, "example.com/other"]))
        await scene.engine.removed(KEY, "u1")
        scene.engine.seen(KEY, scene.cluster.stored[KEY])
        scene.queue.add(KEY)
        await until(lambda: not scene.queue.under_way)
        scene.engine.vanished(KEY, "u1")
        await until(lambda: not scene.queue.under_way)

    scene = play(story, act)

    assert (story.asked, scene.cluster.finalized) == (["remove"], [("u1", ("example.com/other",))])
    assert scene.registry.of_kind(KEY.kind) == ()


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
        await scene.engine.removed(KEY, "u1")

    scene = play(story, act)

    assert story.asked == ["remove", "remove"]
    assert scene.cluster.reasons == ["InUse"]
    assert scene.cluster.stored == {}


def test_a_deletion_that_has_ended_is_not_carried_out_again_while_the_finalizer_goes() -> None:
    story = Told(HOLDS)

    async def act(scene: Scene) -> None:
        scene.show(body(deletionTimestamp="2026-01-02T00:00:00Z"))
        await scene.engine.removed(KEY, "u1")
        scene.queue.add(KEY)
        await until(lambda: not scene.queue.under_way)

    play(story, act)

    assert story.asked == ["remove"]


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
