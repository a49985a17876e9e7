"""Lanes under edits: who goes ahead of whom, and what edits and new objects without end cost the others."""

import asyncio
from collections.abc import Mapping
from itertools import pairwise

import pytest

from cloudsql_iam_operator.services.lanes.lane import Lane, PassResult
from cloudsql_iam_operator.services.waiting.pace import Pace
from cloudsql_iam_operator.services.waiting.ranks import Overtaken, Rank
from support.hurry import hurried
from unit.services.lanes.calls import PACE, Call, Said, World, played


def test_who_waits_for_an_object_that_is_edited_meanwhile_goes_ahead() -> None:
    async def story() -> None:
        world = World(seconds=0.2, at_most=1)
        calls = [Call(f"{number}", 1, Rank.FIRST, 450.0) for number in range(50)]
        waiting = [asyncio.create_task(call.make(world)) for call in calls]
        await asyncio.sleep(1.0)
        world.lane.press("49")
        await asyncio.gather(*waiting)

        assert sum(call.answered < calls[49].answered for call in calls) <= 6

    hurried(story())


def test_who_waits_for_a_pass_to_begin_makes_way_for_an_edit_and_the_next_pass_has_only_that() -> None:
    async def story() -> None:
        world = World(seconds=30.0)
        running = asyncio.create_task(Call("other", 1, Rank.FIRST, 450.0).make(world))
        await asyncio.sleep(PACE.longest + 1.0)
        early = asyncio.create_task(world.lane.submit("a", 1))
        await asyncio.sleep(1.0)
        began = asyncio.get_running_loop().time()

        world.lane.press("a")
        with pytest.raises(Overtaken):
            await early
        assert asyncio.get_running_loop().time() == began
        edited = await world.lane.submit("a", 2)
        await running

        assert (edited.want, [one.wants.get("a") for one in world.passes]) == (2, [None, 2])

    hurried(story())


def test_an_object_that_is_edited_all_the_time_is_looked_at_all_the_same() -> None:
    async def story() -> None:
        world = World(seconds=1.0)
        answered: list[Said] = []

        async def reconciles() -> None:
            for want in range(1000):
                try:
                    answered.append(await world.lane.submit("a", want))
                except Overtaken:
                    continue

        reconciling = asyncio.create_task(reconciles())
        for _ in range(300):
            await asyncio.sleep(0.1)
            world.lane.press("a")
        reconciling.cancel()

        assert len(answered) >= 10
        assert len(world.passes) >= 10

    hurried(story())


def test_edits_without_end_cost_one_pass_in_two_seconds_and_a_later_one_is_quick_again() -> None:
    async def story() -> tuple[int, float]:
        world = World(seconds=0.07)
        edits = [(0.1, Call("a", number, Rank.EDIT, 450.0, edited=0.05)) for number in range(600)]
        await played(world, edits, [], after=0.0)
        seconds, passes = asyncio.get_running_loop().time(), len(world.passes)
        assert passes <= 8 + seconds / 2.0 + 1

        await asyncio.sleep(30.0)
        lone = Call("b", 1, Rank.EDIT, 450.0)
        await lone.make(world)
        return passes, lone.answered - lone.came

    passes, quick = hurried(story())

    assert passes > 8
    assert quick <= 0.3 + 0.07 + 0.1


def test_edits_without_end_leave_a_lane_whose_passes_take_long_most_of_its_time() -> None:
    async def story() -> tuple[int, float, float]:
        world = World(seconds=0.8)
        edits = [(0.1, Call("a", number, Rank.EDIT, 450.0, edited=0.05)) for number in range(900)]
        await played(world, edits, [], after=0.0)
        seconds, passes = asyncio.get_running_loop().time(), len(world.passes)

        await asyncio.sleep(60.0)
        lone = Call("b", 1, Rank.EDIT, 450.0)
        await lone.make(world)
        return passes, seconds, lone.answered - lone.came

    passes, seconds, quick = hurried(story())

    assert 8 < passes <= 9 + seconds / 4.0 + 1
    assert quick <= 0.3 + 0.8 + 0.1


def test_a_handful_of_edits_in_a_row_are_each_quick() -> None:
    async def story() -> list[float]:
        world = World(seconds=0.07)
        calls = [Call("a", number, Rank.EDIT, 450.0) for number in range(8)]
        for call in calls:
            await call.make(world)
        return [call.answered - call.came for call in calls]

    assert max(hurried(story())) <= 0.3 + 0.07 + 0.1


def test_new_objects_without_end_cost_one_pass_in_two_seconds_and_hold_up_no_edit() -> None:
    async def story() -> tuple[float, float]:
        world = World(seconds=0.07)
        calls = [(0.4, Call(f"{number}", 1, Rank.FIRST, 450.0)) for number in range(300)]
        stream = asyncio.create_task(played(world, calls, [], after=0.0))
        await asyncio.sleep(100.0)
        edit = Call("edit", 1, Rank.EDIT, 450.0)
        await edit.make(world)
        await stream
        return len(world.passes) / asyncio.get_running_loop().time(), edit.answered - edit.came

    often, quick = hurried(story())

    assert often <= 0.6
    assert quick <= 0.3 + 2 * 0.07 + 0.1


def test_a_want_that_its_pass_amended_is_what_the_next_one_sees_for_who_asked_the_same_meanwhile() -> None:
    seen: list[str] = []
    began, go_on = asyncio.Event(), asyncio.Event()

    async def story() -> list[str]:
        async def run(wants: Mapping[str, str]) -> PassResult[str, str]:
            seen.append(wants["a"])
            began.set()
            await go_on.wait()
            lane.amend("a", "recorded")
            return PassResult({"a": f"{len(seen)}"}, clean=False)

        lane: Lane[str, str, str] = Lane(run, Pace(quiet=0.001, longest=0.01, edit=0.001, wave=0.001, endless=0.001))
        first = asyncio.create_task(lane.submit("a", "new"))
        await began.wait()
        meanwhile = asyncio.create_task(lane.submit("a", "".join(["n", "ew"])))
        await asyncio.sleep(0)
        go_on.set()
        answers = [await first, await meanwhile]
        return [*answers, await lane.submit("a", "recorded", max_age=60.0)]

    answers = asyncio.run(asyncio.wait_for(story(), 60))

    assert seen[:2] == ["new", "recorded"]
    assert answers[:2] == ["1", "2"]


def test_a_newer_want_stands_when_the_pass_amends_the_one_it_saw() -> None:
    seen: list[str] = []
    began, go_on = asyncio.Event(), asyncio.Event()

    async def story() -> None:
        async def run(wants: Mapping[str, str]) -> PassResult[str, str]:
            seen.append(wants["a"])
            began.set()
            await go_on.wait()
            if wants["a"] == "new":
                lane.amend("a", "recorded")
            return PassResult({"a": "done"}, clean=False)

        lane: Lane[str, str, str] = Lane(run, Pace(quiet=0.001, longest=0.01, edit=0.001, wave=0.001, endless=0.001))
        first = asyncio.create_task(lane.submit("a", "new"))
        await began.wait()
        meanwhile = asyncio.create_task(lane.submit("a", "edited"))
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(first, meanwhile)

    asyncio.run(asyncio.wait_for(story(), 60))

    assert seen == ["new", "edited"]


def test_edits_without_end_do_not_put_off_the_looks_at_everything() -> None:
    async def story() -> World:
        world = World(seconds=0.07, pairs=True)
        await asyncio.gather(*(Call(name, 1, Rank.FIRST, 450.0).make(world) for name in "abcdefgh"))
        edits = [(0.5, Call("a", number, Rank.EDIT, 450.0)) for number in range(2, 2000)]
        await played(world, edits, [(500.0, "h")], after=0.0)
        return world

    world = hurried(story())

    whole = [one.began for one in world.passes if one.whole]
    few = [one for one in world.passes if not one.whole]
    assert len(few) > 20 * len(whole)
    assert all(one.wants.keys() == {"a", "b"} for one in few)
    assert len(whole) >= 3
    assert max(later - sooner for sooner, later in pairwise(whole)) <= 300.0 + 0.07 + 6.0
    assert world.stands["h"] == 1
    assert world.told == ["h"]


def test_a_pass_for_a_few_makes_no_answer_of_others_younger() -> None:
    async def story() -> World:
        world = World(seconds=0.07, pairs=True)
        await asyncio.gather(*(Call(name, 1, Rank.FIRST, 450.0).make(world) for name in "abcdefgh"))
        await asyncio.sleep(200.0)
        await Call("a", 2, Rank.EDIT, 450.0).make(world)
        demanding = Call("h", 1, Rank.EDIT, 150.0)
        await demanding.make(world)
        assert isinstance(demanding.answer, Said)
        assert demanding.answer.number == 2
        return world

    assert [one.whole for one in hurried(story()).passes] == [True, False, True]


def test_after_a_failure_everything_is_looked_at() -> None:
    async def story() -> World:
        world = World(seconds=0.07, pairs=True, breaks=frozenset({1}))
        await asyncio.gather(*(Call(name, 1, Rank.FIRST, 450.0).make(world) for name in "abcdefgh"))
        for number in (2, 3, 4):
            await Call("a", number, Rank.EDIT, 450.0).make(world)
        return world

    assert [(one.whole, one.failed) for one in hurried(story()).passes] == [
        (True, False),
        (False, True),
        (True, False),
        (False, False),
    ]
