"""One principal declared in two clusters: who has the user, and what happens when one of them goes."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from cloudsql_iam_operator.core.users.principals import UserType
from unit.services.authority.ground import USERNAME
from unit.services.authority.shared_user import Google, World


def in_two_clusters(story: Callable[[World, World], Coroutine[Any, Any, None]]) -> Google:
    """Play with the operators of two clusters on one project; what it is like then."""
    google = Google()
    worlds = [World(google, name) for name in ("blue", "green")]
    try:
        asyncio.run(story(*worlds))
    finally:
        for world in worlds:
            world.close()
    return google


def test_of_two_clusters_the_second_is_told_of_the_first_and_has_the_user_once_that_has_gone() -> None:
    async def story(blue: World, green: World) -> None:
        blue.rules("orders", "orders")
        green.rules("orders", "billing")
        first = blue.user("first", namespace="orders")
        second = green.user("second", namespace="billing")
        await blue.rest(first)
        await green.rest(second)
        assert green.ready(second)[:2] == ("False", "ManagedByOther")
        assert "cluster blue" in green.ready(second)[2]
        green.delete(second)
        await green.rest(second)
        assert blue.google.roles
        third = green.user("third", namespace="billing")
        await green.rest(third)
        blue.delete(first)
        await blue.rest(first)
        await green.rest(third)
        assert (green.ready(third)[1], green.status(third)["created"]) == ("Succeeded", True)

    google = in_two_clusters(story)

    assert google.users == {USERNAME: UserType.SERVICE_ACCOUNT}


def test_a_user_that_two_clusters_use_outlives_the_first_without_a_moment_in_which_nobody_can_log_in() -> None:
    async def story(blue: World, green: World) -> None:
        blue.rules("orders", "orders")
        green.rules("orders", "billing", allowAdoption=True)
        first = blue.user("first", namespace="orders")
        second = green.user("second", namespace="billing", adoptionPolicy="IfExists")
        await blue.rest(first)
        await green.rest(second)
        assert green.ready(second)[1] == "Succeeded"
        since = len(blue.google.written)
        blue.delete(first)
        await blue.rest(first)
        await green.rest(second)
        assert first not in blue.bodies
        assert all(blue.google.access[since:])

    google = in_two_clusters(story)

    assert google.users == {USERNAME: UserType.SERVICE_ACCOUNT}
    assert len(google.roles) == 2


def test_an_old_hands_user_is_not_taken_for_another_clusters() -> None:
    async def story(blue: World, green: World) -> None:
        blue.google.users[USERNAME] = UserType.SERVICE_ACCOUNT
        blue.rules("orders", "orders")
        first = blue.user("first", namespace="orders")
        await blue.rest(first)
        assert blue.ready(first)[1] == "ExternalResourceExists"

    assert in_two_clusters(story).roles == set()
