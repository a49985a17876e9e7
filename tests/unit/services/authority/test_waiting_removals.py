"""What waits for a person's consent, and a process that is started anew and hears of the objects a few at a time."""

import asyncio

from cloudsql_iam_operator.api.names import Key
from unit.services.authority.shared_user import World

CROWD = 12
"""More than may lose a role unasked."""


def bound(world: World) -> int:
    """How many members hold both roles."""
    members = [set(binding["members"]) for binding in world.google.policy["bindings"]]
    return len(set.intersection(*members)) if len(members) == 2 else 0


def waiting(world: World, keys: list[Key]) -> list[str]:
    """Why the bindings of each are not as they should be."""
    told = ({c["type"]: c["reason"] for c in world.status(key)["conditions"]} for key in keys)
    return [reasons.get("IAMBound", "") for reasons in told]


def test_what_waits_for_consent_outlives_the_process_that_stopped_it() -> None:
    world = World()

    async def story() -> None:
        world.rules("orders", "orders")
        names = [f"user{number:02}" for number in range(CROWD)]
        world.accounts |= {("orders", name): f"{name}@acme.iam.gserviceaccount.com" for name in names}
        keys = [world.user(name, namespace="orders") for name in names]
        await world.rest(*keys)
        assert bound(world) == CROWD

        world.rules("orders", "billing")
        await world.rest(*keys)
        assert (bound(world), waiting(world, keys)) == (CROWD, ["RemovalThresholdExceeded"] * CROWD)

        world.restart()
        for first in range(0, CROWD, 4):
            await world.rest(*keys[first : first + 4])
        assert (bound(world), waiting(world, keys)) == (CROWD, ["RemovalThresholdExceeded"] * CROWD)

        world.delete(keys[0])
        await world.rest(*keys)
        assert bound(world) == CROWD - 1

    try:
        asyncio.run(story())
    finally:
        world.close()
