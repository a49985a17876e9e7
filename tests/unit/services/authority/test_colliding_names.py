"""Two principals whose database users would have one name: the first has it, and that goes before the other comes.

The table is which two x what happens to the older x in what order they are reconciled then x whether the process was
started anew before.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest

from cloudsql_iam_operator.api.names import Key
from unit.services.authority.shared_user import World

POOLS = "principal://iam.googleapis.com/locations/global/workforcePools"
PERSON: dict[str, Any] = {"user": "ann@acme.com"}
PAIRS: Mapping[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "person and workforce": (PERSON, {"workforceIdentity": f"{POOLS}/staff/subject/ann@acme.com"}),
    "workforce and person": ({"workforceIdentity": f"{POOLS}/staff/subject/ann@acme.com"}, PERSON),
    "two pools": (
        {"workforceIdentity": f"{POOLS}/staff/subject/ann@acme.com"},
        {"workforceIdentity": f"{POOLS}/guests/subject/ann@acme.com"},
    ),
    "small and capital letters": (
        {"workforceIdentity": f"{POOLS}/staff/subject/ann@acme.com"},
        {"workforceIdentity": f"{POOLS}/staff/subject/Ann@acme.com"},
    ),
}
LET_IN = {"users": ["*@acme.com"], "workforceIdentities": [f"{POOLS}/staff/subject/*", f"{POOLS}/guests/subject/*"]}


def deleted(world: World, key: Key) -> None:
    world.delete(key)


def withdrawn(world: World, key: Key) -> None:
    world.rules("orders", "billing", principals=LET_IN)


HAPPENINGS: Mapping[str, Callable[[World, Key], None]] = {one.__name__: one for one in (deleted, withdrawn)}


@dataclass(frozen=True)
class Row:
    pair: str
    happening: str
    first: str
    restarted: bool

    def __str__(self) -> str:
        return f"{self.pair}-{self.happening}-{self.first} first{'-restarted' * self.restarted}"


ROWS = [Row(*one) for one in product(PAIRS, HAPPENINGS, ("older", "younger"), (False, True))]


@dataclass(frozen=True)
class Outcome:
    """How the younger stood, who was bound, and what was written to users, before and after."""

    before: tuple[str, set[str]]
    after: tuple[str, set[str]]
    written: list[str]
    left: tuple[set[str], set[str]]


def members(world: World) -> set[str]:
    return {member for binding in world.google.policy["bindings"] for member in binding["members"]}


async def played(row: Row) -> Outcome:
    world, (older, younger) = World(), PAIRS[row.pair]
    try:
        world.rules("orders", "orders", "billing", principals=LET_IN)
        keys = {
            "older": world.user("old", namespace="orders", age=2, principal=older),
            "younger": world.user("young", namespace="billing", age=1, principal=younger),
        }
        order = [keys[row.first], *(key for name, key in keys.items() if name != row.first)]
        await world.rest(keys["older"], keys["younger"])
        before = world.ready(keys["younger"])[1], members(world)
        if row.restarted:
            world.restart()
        since = len(world.google.written)
        HAPPENINGS[row.happening](world, keys["older"])
        await world.rest(*order)
        await world.rest(*order)
        after = world.ready(keys["younger"])[1], members(world)
        written = [one for one in world.google.written[since:] if one != "set"]
        world.delete(keys["younger"])
        await world.rest(*order)
        return Outcome(before, after, written, (set(world.google.users), members(world)))
    finally:
        world.close()


@pytest.fixture(scope="module")
def outcomes() -> Mapping[Row, Outcome]:
    async def all_of_them() -> dict[Row, Outcome]:
        return dict(zip(ROWS, await asyncio.gather(*map(played, ROWS)), strict=True))

    return asyncio.run(all_of_them())


def member(principal: Mapping[str, str]) -> str:
    ((kind, text),) = principal.items()
    return text if kind == "workforceIdentity" else f"{kind}:{text}"


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_nobody_comes_to_have_the_database_user_of_another_of_its_name(
    outcomes: Mapping[Row, Outcome], row: Row
) -> None:
    older, younger = map(member, PAIRS[row.pair])
    outcome = outcomes[row]

    assert outcome.before == ("UsernameCollision", {older})
    assert outcome.written == ["delete", "insert"]
    assert outcome.after == ("Succeeded", {younger})
    assert outcome.left == (set(), set())


async def let_in_later(pair: str) -> tuple[tuple[str, str], set[str], list[str]]:
    """How both stand, who is bound and what was written, when the older is let in after the younger has the user."""
    world, (older, younger) = World(), PAIRS[pair]
    try:
        world.rules("orders", "billing", principals=LET_IN)
        old = world.user("old", namespace="orders", age=2, principal=older)
        young = world.user("young", namespace="billing", age=1, principal=younger)
        await world.rest(old, young)
        assert (world.ready(old)[1], world.ready(young)[1]) == ("NamespaceNotAllowed", "Succeeded")
        since = len(world.google.written)
        world.rules("orders", "orders", "billing", principals=LET_IN)
        await world.rest(old, young)
        await world.rest(young, old)
        return (world.ready(old)[1], world.ready(young)[1]), members(world), world.google.written[since:]
    finally:
        world.close()


@pytest.mark.parametrize("pair", PAIRS)
def test_who_has_the_user_keeps_it_when_an_older_object_is_let_in_later(pair: str) -> None:
    ready, bound, written = asyncio.run(let_in_later(pair))

    assert ready == ("UsernameCollision", "Succeeded")
    assert bound == {member(PAIRS[pair][1])}
    assert written == []


async def revoked_only(pair: str) -> tuple[str, set[str], dict[str, Any]]:
    """How the younger stands once the older has gone and left the database user."""
    world, (older, younger) = World(), PAIRS[pair]
    try:
        world.rules("orders", "orders", "billing", principals=LET_IN)
        old = world.user("old", namespace="orders", age=2, principal=older, deletionPolicy="RevokeOnly")
        young = world.user("young", namespace="billing", age=1, principal=younger)
        await world.rest(old, young)
        world.delete(old)
        await world.rest(old, young)
        await world.rest(old, young)
        return world.ready(young)[1], members(world), dict(world.status(young))
    finally:
        world.close()


@pytest.mark.parametrize("pair", PAIRS)
def test_a_user_that_is_left_without_access_is_nobodys(pair: str) -> None:
    ready, bound, status = asyncio.run(revoked_only(pair))

    same_type = pair in {"two pools", "small and capital letters"}
    assert ready == ("ExternalResourceExists" if same_type else "UserTypeMismatch")
    assert (bound, status["created"], status["adopted"]) == (set(), False, False)
