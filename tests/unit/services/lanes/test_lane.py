"""Lanes: who is answered by which pass, whatever comes when, and what a lane does by itself."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudsql_iam_operator.services.waiting.ranks import Overtaken, Rank
from support.hurry import hurried
from unit.services.lanes.calls import PACE, Broken, Call, Pass, Said, World, played

_CALLS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.01, 0.2, 1.0, 4.0, 40.0, 200.0]),
        st.builds(
            Call,
            st.sampled_from("abcde"),
            st.sampled_from([1, 1, 1, 2]),
            st.sampled_from(Rank),
            st.sampled_from([0.0, 150.0, 450.0]),
            pause=st.sampled_from([0.0, 1.0, 7.0]),
            edited=st.sampled_from([None, None, 0.1, 1.0]),
        ),
    ),
    min_size=1,
    max_size=15,
)
_DRIFT = st.lists(st.tuples(st.floats(0.0, 900.0), st.sampled_from("abcde")), max_size=4)
_WORLD = st.tuples(
    st.sampled_from([0.07, 3.0, 20.0]),
    st.frozensets(st.sampled_from("abcde"), max_size=2),
    st.frozensets(st.integers(0, 8), max_size=3),
    st.sampled_from([1, 2, 1000]),
    st.booleans(),
)


@settings(max_examples=250)
@given(_CALLS, _DRIFT, _WORLD)
def test_every_want_is_answered_in_time_by_a_pass_that_saw_it_and_no_pass_is_without_cause(
    calls: list[tuple[float, Call]],
    drift: list[tuple[float, str]],
    told: tuple[float, frozenset[str], frozenset[int], int, bool],
) -> None:
    seconds, slow, breaks, at_most, pairs = told
    made: list[Call] = []

    async def story() -> World:
        world = World(seconds, slow, breaks, at_most, pairs=pairs)
        made.extend(await played(world, calls, drift))
        return world

    world = hurried(story())

    for call in made:
        _check_answer(call, world)
        _check_wait(call, world)
    for number, one in enumerate(world.passes):
        _check_cause(world.passes[:number], one, made)
        _check_few(world.passes[:number], one, made)


def _check_answer(call: Call, world: World) -> None:
    """Answered by a pass that saw the want and began late enough, and by the first of those."""
    if isinstance(call.answer, Broken):
        assert any(one.failed and one.began >= call.came and one.ended == call.answered for one in world.passes)
        return
    assert isinstance(call.answer, Said)
    by = world.passes[call.answer.number]
    assert (call.answer.want, by.wants.get(call.key)) == (call.want, call.want)
    assert not by.failed
    assert call.came - call.max_age <= by.began <= call.answered
    fit = [one for one in world.passes if call.came < one.began and one.ended < call.answered]
    mine = [one for one in fit if call.key in one.wants.keys() - one.left]
    mine = [one for one in mine if not (one.failed and call.rank is Rank.CHECK)]  # it may have been for others
    assert not mine, "a pass went by that had the want"


_LONGEST = {Rank.EDIT: 0.3, Rank.FIRST: 20.0, Rank.CHECK: 60.0}
"""Seconds that anybody waits for company, once no pass runs."""
_ENDLESS = 2.0
"""The same for an edit once many passes went by lately."""


def _check_wait(call: Call, world: World) -> None:
    """Whoever waits has a pass that begins soon after it came or the pass before ended; a check one over all."""
    for_it = [one for one in world.passes if one.whole or call.rank is not Rank.CHECK]
    free = max([call.came, *(one.ended for one in world.passes if one.began < call.came)])
    began = min([call.answered, *(one.began for one in for_it if one.began >= call.came)])
    lately = sum(call.came - 16.0 <= one.began < call.came for one in world.passes)
    longest = max(_LONGEST[call.rank], _ENDLESS if lately >= 8 else 0.0)
    assert began <= free + longest + 0.01


def _check_cause(earlier: list[Pass], one: Pass, made: list[Call]) -> None:
    """Somebody waited, somebody was left, or what was known of all had become old."""
    before = earlier[-1] if earlier else None
    waited = any(call.came <= one.began and call.answered > one.began for call in made)
    left = before is not None and bool(before.left)
    ages = [call.max_age for call in made if call.max_age and call.began <= one.began]
    # after a failure of a look that nobody asked for, the next comes sooner
    pause = 30.0 if before is not None and before.failed else min(ages, default=float("inf")) * 2 / 3
    looks = [each.ended for each in earlier if each.whole or each.failed]
    old = bool(looks) and one.began - looks[-1] >= pause - 0.001
    assert waited or left or old


def _check_few(earlier: list[Pass], one: Pass, made: list[Call]) -> None:
    """A pass for a few comes only while one over all that went well is young, for somebody who does more than check."""
    if one.whole:
        return
    looks = [each for each in earlier if each.whole or each.failed]
    ages = [call.max_age for call in made if call.max_age and call.began <= one.began]
    assert not looks[-1].failed
    assert one.began - looks[-1].ended < max(ages) * 2 / 3
    pressing = [call for call in made if call.rank is not Rank.CHECK or call.edited is not None]
    assert any(call.began <= one.began < call.answered for call in pressing)
    assert not earlier[-1].left


def test_an_edit_is_for_itself_alone_though_checks_wait_which_then_are_looked_at_together() -> None:
    async def story() -> World:
        world = World(seconds=0.1, pairs=True)
        firsts = [Call(key, 1, Rank.FIRST, 450.0) for key in "ace"]
        await asyncio.gather(*(call.make(world) for call in firsts))
        checks = [Call(key, 1, Rank.CHECK, 0.0) for key in "ac"]
        waiting = asyncio.gather(*(call.make(world) for call in checks))
        await asyncio.sleep(0)
        await Call("e", 2, Rank.EDIT, 0.0).make(world)
        await waiting
        return world

    first, edit, check = hurried(story()).passes

    assert first.whole
    assert edit.wants == {"e": 2}
    assert check.wants == {"a": 1, "c": 1, "e": 2}


def test_edits_wait_for_one_pass_at_most_whatever_else_comes() -> None:
    async def story() -> float:
        world = World(seconds=0.2)
        others = [Call("abcde"[n % 5], n, Rank.FIRST, 450.0) for n in range(200)]
        edit = Call("edit", 1, Rank.EDIT, 450.0)
        stream = asyncio.create_task(played(world, [(0.1, call) for call in others], []))
        await asyncio.sleep(5.03)
        await edit.make(world)
        await stream
        return edit.answered - edit.came

    assert hurried(story()) <= 0.3 + 0.2 + 0.2 + 0.1


def test_a_wave_of_new_wants_costs_few_passes_and_each_is_answered() -> None:
    async def story() -> int:
        world = World(seconds=0.5)
        calls = [(0.1, Call(f"{n}", 1, Rank.FIRST, 450.0)) for n in range(600)]
        made = await played(world, calls, [], after=0.0)
        assert all(isinstance(call.answer, Said) for call in made)
        return len(world.passes)

    assert hurried(story()) <= 6


def test_a_wave_that_trickles_in_is_gathered_as_long_as_others_are_on_their_way() -> None:
    async def story() -> tuple[int, float]:
        world = World(seconds=0.2, under_way=40)
        calls = [Call(f"{n}", 1, Rank.FIRST, 450.0) for n in range(40)]
        await played(world, [(0.5, call) for call in calls], [], after=0.0)
        return len(world.passes), max(call.answered - call.came for call in calls)

    passes, longest = hurried(story())

    assert passes <= 4
    assert longest <= 20.0


def test_a_new_want_waits_for_nobody_when_no_other_is_on_its_way() -> None:
    async def story() -> float:
        world = World(seconds=0.2, under_way=1)
        call = Call("alone", 1, Rank.FIRST, 450.0)
        await call.make(world)
        return call.answered - call.came

    assert hurried(story()) <= 0.3 + 0.2 + 0.1


def test_who_waits_for_company_goes_on_as_soon_as_none_is_on_its_way_any_more() -> None:
    async def story() -> float:
        world = World(seconds=0.2, under_way=2)
        call = Call("waits", 1, Rank.FIRST, 450.0)
        making = asyncio.create_task(call.make(world))
        await asyncio.sleep(0.5)
        assert not world.passes
        world.under_way = 1
        await making
        return call.answered - call.came

    assert hurried(story()) <= 0.5 + 0.25 + 0.2 + 0.1


def test_periodic_checks_cost_one_pass_an_interval_for_all() -> None:
    async def story() -> list[float]:
        world = World(seconds=0.5)
        keys = [f"{n}" for n in range(100)]
        await played(world, [(0.0, Call(key, 1, Rank.FIRST, 450.0)) for key in keys], [], after=0.0)
        for _ in range(10):  # each object comes once an interval of 300 s
            await played(world, [(3.0, Call(key, 1, Rank.CHECK, 450.0)) for key in keys], [], after=0.0)
        return [one.began for one in world.passes]

    began = hurried(story())

    assert len(began) <= 1 + 11
    assert max(later - earlier for earlier, later in pairwise(began)) <= 300.0 + 30.0


def test_a_lane_looks_by_itself_and_tells_of_what_it_found_once() -> None:
    async def story() -> None:
        world = World(seconds=0.5)
        await played(world, [(0.0, Call("a", 1, Rank.FIRST, 450.0)), (0.0, Call("b", 1, Rank.FIRST, 450.0))], [], 350.0)
        assert (len(world.passes), world.told) == (2, [])

        world.stands["a"] = 7
        await asyncio.sleep(300.0)
        assert (len(world.passes), world.told, world.stands["a"]) == (3, ["a"], 1)

        first, second = Call("a", 1, Rank.FIRST, 450.0), Call("a", 1, Rank.CHECK, 450.0)
        await first.make(world)
        assert first.answer == Said(2, 1, changed=True)
        assert len(world.passes) == 3
        await second.make(world)
        assert second.answer == Said(2, 1, changed=False)

    hurried(story())


def test_a_member_is_answered_before_the_slow_ones_of_its_pass() -> None:
    async def story() -> None:
        world = World(seconds=0.5, slow=frozenset({"slow"}))
        slow, quick = Call("slow", 1, Rank.FIRST, 450.0), Call("quick", 1, Rank.EDIT, 450.0)
        await played(world, [(0.0, slow), (0.0, quick)], [], after=0.0)

        assert quick.answered - quick.came < 1.0
        assert slow.answered - slow.came > 30.0
        assert len(world.passes) == 1

    hurried(story())


def test_a_member_that_comes_while_a_pass_runs_that_had_its_want_is_answered_by_that_one() -> None:
    async def story() -> None:
        world = World(seconds=10.0)
        await played(world, [(0.0, Call("a", 1, Rank.FIRST, 450.0))], [], after=0.0)
        news, again = Call("b", 1, Rank.FIRST, 450.0), Call("a", 1, Rank.CHECK, 450.0)
        await played(world, [(0.0, news), (5.0, again)], [], after=0.0)

        assert again.answered <= news.answered
        assert len(world.passes) == 2

    hurried(story())


def test_what_is_forgotten_is_not_wanted_and_not_looked_at() -> None:
    async def story() -> None:
        world = World(seconds=0.5)
        await played(world, [(0.0, Call("a", 1, Rank.FIRST, 450.0))], [], after=0.0)
        world.lane.forget("a")
        await asyncio.sleep(2000.0)

        assert len(world.passes) == 1
        assert not world.lane.wants("a")

    hurried(story())


def test_who_waits_for_what_is_forgotten_meanwhile_is_let_go_unless_a_pass_has_it() -> None:
    async def story() -> None:
        world = World(seconds=30.0)
        seen = asyncio.create_task(world.lane.submit("seen", 1))
        await asyncio.sleep(PACE.longest + 1.0)
        early = asyncio.create_task(world.lane.submit("early", 1))
        await asyncio.sleep(1.0)
        world.lane.forget("seen")
        world.lane.forget("early")

        with pytest.raises(Overtaken):
            await early
        assert (await seen).want == 1
        assert [set(one.wants) for one in world.passes] == [{"seen"}]

    hurried(story())
