"""Killed before and after a call to the outside, and started again: nothing is lost, left over, doubled or given away.

Google's requests, exchanges with PostgreSQL and writes to the API server are counted together. A few blows are tried;
CHAOS=all tries every call of every act, as `make test-chaos` does, and CHAOS="before 7,after 12" these two.
"""

import itertools
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chaos.fate import Blow
from chaos.ground import Ground, ground
from chaos.story import ACTS, Act, Stage, end

SAMPLE = (Blow(2, "after"), Blow(12, "before"))
"""One telling of the story each: it is struck so in every act that has so many calls."""


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    assert "CHAIN_DIR" in os.environ, "run this under `python -m controlplane.sandbox -- …`, as make does"
    with ground(Path(tempfile.mkdtemp(prefix="chaos-", dir=os.environ["CHAIN_DIR"]))) as told:
        stage = Stage(told)
        stage.build()
        told.start()
        yield stage


def blows(asked: str) -> Iterator[Blow]:
    """Those to be tried: a few, those that are named, or all, which end with the story."""
    if asked == "all":
        for call in itertools.count(1):
            yield Blow(call, "before")
            yield Blow(call, "after")
    named = [one.split() for one in asked.split(",") if one]
    yield from (Blow(int(call), "before" if when == "before" else "after") for when, call in named)
    if not named:
        yield from SAMPLE


def test_whenever_the_operator_is_killed_its_restart_ends_as_if_it_had_not_been(stage: Stage) -> None:
    policy, found = stage.ground.policy_text(), stage.ground.access()
    alive = set(ACTS)
    struck = dict.fromkeys(ACTS, 0)
    asked = os.environ.get("CHAOS", "")

    for blow in blows(asked):
        fell = {act for act in ACTS if told(stage, act, blow if act in alive else None)}
        end(stage)
        assert stage.ground.policy_text() == policy, f"struck {blow}"
        assert stage.ground.access() == found, f"struck {blow}"
        print(f"struck {blow} in {', '.join(str(act) for act in ACTS if act in fell) or 'no act'}", flush=True)
        alive = {act for act in alive if act in fell or blow.when == "before"}
        struck = {act: count + (act in fell) for act, count in struck.items()}
        if not alive:
            break

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
