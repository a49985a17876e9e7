"""Killed before and after a call to the outside, and started again: nothing is lost, left over, doubled or given away.

Google's requests, exchanges with PostgreSQL and writes to the API server are counted together. One telling of the story
is tried, struck once in each act; CHAOS=all tries every call of every act, CHAOS="all 2/3" every third beginning with
the second, as `make test-chaos` does side by side, and CHAOS="before 7,after 12" these two.
"""

import itertools
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chaos.fate import Blow
from chaos.ground import Ground, ground
from chaos.stage import Stage
from chaos.story import ACTS, Act, end

Blows = Mapping[Act, Blow]
"""Where the acts of one telling are struck."""


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    assert "CHAIN_DIR" in os.environ, "run this under `python -m controlplane.sandbox -- …`, as make does"
    with ground(Path(tempfile.mkdtemp(prefix="chaos-", dir=os.environ["CHAIN_DIR"]))) as told:
        stage = Stage(told)
        stage.build()
        told.start()
        yield stage


def tellings(asked: str) -> Iterator[Blows]:
    """Those to be tried: one, those that are named, or all, which end with the story."""
    if not asked:
        yield {act: act.sample for act in ACTS}
    elif asked.startswith("all"):
        part, _, parts = asked.removeprefix("all").strip().partition("/")
        for call in itertools.count(int(part or 1), int(parts or 1)):
            yield dict.fromkeys(ACTS, Blow(call, "before"))
            yield dict.fromkeys(ACTS, Blow(call, "after"))
    else:
        for when, number in (one.split() for one in asked.split(",")):
            yield dict.fromkeys(ACTS, Blow(int(number), "before" if when == "before" else "after"))


def test_whenever_the_operator_is_killed_its_restart_ends_as_if_it_had_not_been(stage: Stage) -> None:
    policy, found = stage.ground.policy_text(), stage.ground.access()
    alive = set(ACTS)
    struck = dict.fromkeys(ACTS, 0)
    asked = os.environ.get("CHAOS", "")

    for blows in tellings(asked):
        fell = {act for act in ACTS if told(stage, act, blows[act] if act in alive else None)}
        end(stage)
        assert stage.ground.policy_text() == policy, f"struck {blows}"
        assert stage.ground.access() == found, f"struck {blows}"
        assert stage.ground.bugs() == [], f"struck {blows}"
        print(", ".join(f"{act} struck {blows[act]}" for act in ACTS if act in fell) or "no act struck", flush=True)
        alive = {act for act in alive if act in fell or blows[act].when == "before"}
        struck = {act: count + (act in fell) for act, count in struck.items()}
        if not alive:
            break

    print("blows in all:", ", ".join(f"{act} {count}" for act, count in struck.items()), flush=True)
    assert asked or all(struck.values()), f"an act was never struck: {struck}"


def told(stage: Stage, act: Act, blow: Blow | None) -> bool:
    """Play one act, struck once or not at all; whether the blow fell before the act was over."""
    try:
        return _play(stage, act, blow)
    except AssertionError as error:
        calls = stage.ground.fate.calls
        where = f"{act}, struck {blow}; its calls: {calls}"
        raise AssertionError(f"{where}\n{error}\n{stage.ground.log()}") from error


def _play(stage: Stage, act: Act, blow: Blow | None) -> bool:
    ground = stage.ground
    ground.start()
    act.prepare(stage)
    with ThreadPoolExecutor(1) as apart:
        ground.fate.arm(ground.pid, blow)
        at_its_death = apart.submit(_revived, ground)
        try:
            act.declare(stage)
            act.settled(stage)
        finally:
            ground.fate.disarm()
    _judge(act, at_its_death.result())
    stage.has(act.access)
    return ground.fate.struck


def _revived(ground: Ground) -> Counter[str] | None:
    """Start the operator anew if it is killed; what access there was when it was dead."""
    if not ground.fate.await_blow():
        return None
    ground.quiet()
    access = ground.access()
    ground.start()
    return access


def _judge(act: Act, access: Counter[str] | None) -> None:
    """No more than was declared before or is declared now, and no less than what is declared all along."""
    if access is None:
        return
    assert set(access) <= act.prepared | act.access, f"too much: {set(access) - act.prepared - act.access}"
    assert set(access) >= act.prepared & act.access, f"missing: {act.prepared & act.access - set(access)}"
    assert set(access.values()) <= {1}, access
