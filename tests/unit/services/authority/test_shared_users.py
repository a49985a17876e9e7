"""One principal declared twice: who owns the user, what the other is told, and what happens when one of them goes.

The table is where the two are declared x what happens to which of them x in what order they are reconciled then x
whether the process was started anew before.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest

from cloudsql_iam_operator.api.names import USER, Key
from cloudsql_iam_operator.core.users.principals import UserType
from unit.services.authority.ground import USERNAME
from unit.services.authority.shared_user import World

PLACES: Mapping[str, tuple[tuple[str, str], tuple[str, str]]] = {
    "one namespace": (("orders", "orders"), ("orders", "orders")),
    "two namespaces": (("orders", "orders"), ("billing", "orders")),
    "one namespace, two instances": (("orders", "orders"), ("orders", "again")),
    "two namespaces, two instances": (("orders", "orders"), ("billing", "again")),
}
"""Namespace and CloudSQLInstance of the older and of the younger; the instances have one connection."""

INSTANCES = ("orders", "again")
NAMESPACES = ("orders", "billing")


def deleted(world: World, key: Key, place: tuple[str, str]) -> None:
    world.delete(key)


def abandoned(world: World, key: Key, place: tuple[str, str]) -> None:
    world.show(key, {**world.bodies[key]["spec"], "deletionPolicy": "Abandon"})
    world.delete(key)


def moved(world: World, key: Key, place: tuple[str, str]) -> None:
    world.accounts[key.namespace, key.name] = "other@acme.iam.gserviceaccount.com"


def withdrawn(world: World, key: Key, place: tuple[str, str]) -> None:
    left = [namespace for namespace in NAMESPACES if namespace != place[0]]
    world.rules(place[1], *left)


def retained(world: World, key: Key, place: tuple[str, str]) -> None:
    world.withdrawal = "Retain"
    withdrawn(world, key, place)


def namespace_gone(world: World, key: Key, place: tuple[str, str]) -> None:
    world.namespaces.remove(place[0])
    if key in world.bodies:
        world.delete(key)


def end_declared(world: World, key: Key, place: tuple[str, str]) -> None:
    world.show(key, {**world.bodies[key]["spec"], "expiresAt": "2026-01-01T00:00:00Z"})


def ended(world: World, key: Key, place: tuple[str, str]) -> None:
    end_declared(world, key, place)
    world.apply_status(key, "", {**world.status(key), "expiresAt": "2026-01-01T00:00:00Z"})


ENDS = {
    end.__name__: end for end in (deleted, abandoned, moved, withdrawn, retained, namespace_gone, end_declared, ended)
}


@dataclass(frozen=True)
class Row:
    where: str
    end: str
    who: str
    first: str
    restarted: bool

    @property
    def possible(self) -> bool:
        """Whether only one of the two ends so: they may share what ends."""
        older, younger = PLACES[self.where]
        if self.end in {"withdrawn", "retained"}:
            return older != younger
        return self.end != "namespace_gone" or older[0] != younger[0]

    def __str__(self) -> str:
        return f"{self.where}-{self.who}-{self.end}-{self.first} first-{'restarted' * self.restarted}"


ROWS = [
    row
    for row in (Row(*one) for one in product(PLACES, ENDS, ("older", "younger"), ("older", "younger"), (False, True)))
    if row.possible
]


@dataclass(frozen=True)
class Outcome:
    """How a row went: Ready of both before, whether the principal could log in after each write then, and the end."""

    before: Mapping[str, tuple[str, str, str]]
    access: list[bool]
    written: list[str]
    ready: tuple[str, str, str]
    status: Mapping[str, Any]
    left: tuple[set[str], set[str]]


async def played(row: Row) -> Outcome:
    world, (older, younger) = World(), PLACES[row.where]
    try:
        for instance in INSTANCES:
            world.rules(instance, *NAMESPACES)
        keys = {
            "younger": world.user("young", namespace=younger[0], instance=younger[1], age=1),
            "older": world.user("old", namespace=older[0], instance=older[1], age=2),
        }
        await world.rest(keys["older"], keys["younger"])
        before = {who: world.ready(key) for who, key in keys.items()}
        if row.restarted:
            world.restart()
        since = len(world.google.written)

        who = keys[row.who]
        ENDS[row.end](world, who, dict(zip(("older", "younger"), (older, younger), strict=True))[row.who])
        order = [keys[row.first], *(key for name, key in keys.items() if name != row.first)]
        await world.rest(*order)

        stays = keys["younger" if row.who == "older" else "older"]
        access, written, ready = world.google.access[since:], world.google.written[since:], world.ready(stays)
        status = world.status(stays)
        for key in keys.values():
            if key in world.bodies:
                world.accounts[key.namespace, key.name] = "checkout@acme.iam.gserviceaccount.com"
                world.delete(key)
        await world.rest(*order)
        left = (set(world.google.users), world.google.roles)
        return Outcome(before, access, written, ready, status, left)
    finally:
        world.close()


@pytest.fixture(scope="module")
def outcomes() -> Mapping[Row, Outcome]:
    """All rows, played at once: each waits for its lanes most of the time."""

    async def all_of_them() -> dict[Row, Outcome]:
        told = await asyncio.gather(*(played(row) for row in ROWS))
        return dict(zip(ROWS, told, strict=True))

    return asyncio.run(all_of_them())


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_other_has_the_user_without_a_moment_in_which_nobody_can_log_in(
    outcomes: Mapping[Row, Outcome], row: Row
) -> None:
    outcome = outcomes[row]

    assert outcome.ready[:2] == ("True", "Succeeded")
    assert all(outcome.access)
    assert "delete" not in outcome.written
    assert outcome.status["created"] is True
    assert outcome.left == (set(), set())


@pytest.mark.parametrize("where", PLACES)
def test_the_older_owns_and_the_other_is_told_by_whom_unless_it_may_not_see_that(
    outcomes: Mapping[Row, Outcome], where: str
) -> None:
    before = outcomes[Row(where, "deleted", "older", "older", restarted=False)].before

    assert before["older"][:2] == ("True", "Succeeded")
    assert before["younger"][:2] == ("False", "ManagedByOther")
    message = before["younger"][2]
    assert USERNAME in message
    assert ("CloudSQLIAMUser orders/old " in message) is where.startswith("one namespace")
    assert ("of another namespace" in message) is where.startswith("two namespaces")


ADOPTIONS = (
    ("Never", True, "ExternalResourceExists"),
    ("IfExists", False, "ExternalResourceExists"),
    ("IfExists", True, "Succeeded"),
)


async def adopted(world: World, policy: str, *, allowed: bool) -> None:
    """The older object adopted a user that was there before it, and goes."""
    world.google.users[USERNAME] = UserType.SERVICE_ACCOUNT
    world.rules("orders", *NAMESPACES, allowAdoption=True)
    world.rules("again", *NAMESPACES, allowAdoption=allowed)
    old = world.user("old", namespace="orders", age=2, adoptionPolicy="IfExists")
    young = world.user("young", namespace="billing", instance="again", age=1, adoptionPolicy=policy)
    await world.rest(old, young)
    assert (world.status(old)["adopted"], world.ready(young)[1]) == (True, "ManagedByOther")
    world.delete(old)
    await world.rest(old, young)


def test_an_adopted_user_is_taken_over_by_who_may_adopt_it_and_by_nobody_else() -> None:
    worlds = [World() for _ in ADOPTIONS]

    async def stories() -> None:
        told = zip(worlds, ADOPTIONS, strict=True)
        await asyncio.gather(*(adopted(world, policy, allowed=allowed) for world, (policy, allowed, _) in told))

    asyncio.run(stories())

    for world, (_, _, reason) in zip(worlds, ADOPTIONS, strict=True):
        world.close()
        assert world.ready(Key(USER.name, "billing", "young"))[1] == reason
        assert world.google.users == {USERNAME: UserType.SERVICE_ACCOUNT}
        assert len(world.google.roles) == (2 if reason == "Succeeded" else 0)


Change = Callable[[World, Key], None]


def suspended(world: World, key: Key) -> None:
    world.show(key, {**world.bodies[key]["spec"], "suspend": True})


def observing(world: World, key: Key) -> None:
    world.show(key, {**world.bodies[key]["spec"], "mode": "Observe"})


def unreadable(world: World, key: Key) -> None:
    world.show(key, {"instanceRef": {"name": "orders"}, "principal": {}})


def not_let_in(world: World, key: Key) -> None:
    world.rules("orders", "orders")


CHANGES: tuple[Change, ...] = (suspended, observing, unreadable, not_let_in)


async def left_alone(world: World, change: Change) -> None:
    """The younger object is brought into a state, and the older goes."""
    world.rules("orders", *NAMESPACES)
    old = world.user("old", namespace="orders", age=2)
    young = world.user("young", namespace="billing", age=1)
    await world.rest(old, young)
    change(world, young)
    await world.rest(old, young)
    world.delete(old)
    await world.rest(old, young)


def test_who_cannot_take_over_neither_holds_the_user_nor_leaves_it_to_nobody() -> None:
    worlds = [World() for _ in CHANGES]

    async def stories() -> None:
        await asyncio.gather(*map(left_alone, worlds, CHANGES))

    asyncio.run(stories())

    for world in worlds:
        world.close()
        assert (world.google.users, world.google.roles) == ({}, set())


def test_an_older_object_that_comes_later_takes_over_without_a_moment_in_which_nobody_can_log_in() -> None:
    async def story(world: World) -> tuple[str, str, int]:
        world.rules("orders", *NAMESPACES)
        young = world.user("young", namespace="billing", age=1)
        await world.rest(young)
        since = len(world.google.written)
        old = world.user("old", namespace="orders", age=2)
        await world.rest(young, old)
        assert world.google.written.count("insert") == 1
        return world.ready(old)[1], world.ready(young)[1], since

    world = World()
    try:
        older, younger, since = asyncio.run(story(world))
    finally:
        world.close()

    assert (older, younger) == ("Succeeded", "ManagedByOther")
    assert all(world.google.access[since:])
    assert world.google.users == {USERNAME: UserType.SERVICE_ACCOUNT}
