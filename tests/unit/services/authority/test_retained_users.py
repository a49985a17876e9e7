"""What was withdrawn from one object and is retained, while another declares the same principal or nobody does."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from cloudsql_iam_operator.api.names import Key
from unit.services.authority.ground import USERNAME
from unit.services.authority.shared_user import World

NAMESPACES = ("orders", "billing")


def play(story: Callable[[World], Coroutine[Any, Any, None]]) -> None:
    """Play one story in a world of its own."""
    world = World()
    try:
        asyncio.run(story(world))
    finally:
        world.close()


async def retained_beside(world: World) -> tuple[Key, Key]:
    """The older object's rule is withdrawn and what it has is retained; the younger has taken the user over."""
    world.withdrawal = "Retain"
    world.rules("orders", *NAMESPACES)
    old, young = world.user("old", namespace="orders", age=2), world.user("young", namespace="billing", age=1)
    await world.rest(old, young)
    world.rules("orders", "billing")
    await world.rest(old, young)
    assert (world.ready(old)[0], world.status(old)["retained"], world.ready(young)[1]) == ("False", True, "Succeeded")
    return old, young


def test_who_is_let_in_again_takes_back_what_was_retained_without_a_moment_in_which_nobody_can_log_in() -> None:
    async def story(world: World) -> None:
        old, young = await retained_beside(world)
        since = len(world.google.written)
        world.rules("orders", *NAMESPACES)
        await world.rest(old, young)
        assert (world.ready(old)[1], world.ready(young)[1]) == ("Succeeded", "ManagedByOther")
        assert "retained" not in world.status(old)
        assert all(world.google.access[since:])

    play(story)


def test_what_is_retained_outlives_who_took_it_over_and_goes_with_its_own_object() -> None:
    async def story(world: World) -> None:
        old, young = await retained_beside(world)
        world.delete(young)
        await world.rest(young, old)
        assert young not in world.bodies
        assert (set(world.google.users), len(world.google.roles)) == ({USERNAME}, 2)
        assert [what for key, what in world.events if key == young and what == "Deleted"] == []
        world.delete(old)
        await world.rest(old)
        assert (world.google.users, world.google.roles) == ({}, set())

    play(story)


def test_what_is_retained_and_taken_away_by_hand_is_not_made_again() -> None:
    async def story(world: World) -> None:
        world.withdrawal = "Retain"
        world.rules("orders", "orders")
        old = world.user("old", namespace="orders", age=2)
        await world.rest(old)
        world.rules("orders")
        await world.rest(old)
        assert (set(world.google.users), len(world.google.roles)) == ({USERNAME}, 2)
        world.google.users.clear()
        world.google.policy = {"etag": "x", "bindings": []}
        world.rules("orders", "billing")
        other = world.user("other", namespace="billing", age=1)
        world.accounts["billing", "other"] = "other@acme.iam.gserviceaccount.com"
        await world.rest(old, other)
        assert world.ready(other)[1] == "Succeeded"
        assert (set(world.google.users), world.google.roles) == ({"other@acme.iam"}, set())

    play(story)
