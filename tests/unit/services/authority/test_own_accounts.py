"""Users that are the operator's own account: none is let in, and of one that once was nothing is taken back."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import product
from typing import Any

import pytest

from cloudsql_iam_operator.api.names import USER, Key
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.runtime.reports import Report
from unit.services.authority.ground import ACCOUNT, USERNAME, Ground
from unit.services.authority.shared_user import World
from unit.services.authority.test_users import ENDS, STATES, State, play, reasons

UNKNOWN = NotYet(Reason.CREDENTIALS_FAILED, "no access token")
ROLES = {"roles/cloudsql.instanceUser", "roles/cloudsql.client"}
KEY = Key(USER.name, "orders", "checkout")
OPERATOR = "op@acme.iam.gserviceaccount.com"
ANOTHER = "other@acme.iam.gserviceaccount.com"
EVERY_END: dict[str, Any] = {"no end": None, **ENDS}


def held(ground: Ground) -> tuple[object, object]:
    return ground.bindings, ground.users


def told(report: Report) -> list[str]:
    return [finding.message for finding in report.findings if finding.reason is Reason.OPERATORS_OWN_ACCOUNT]


@pytest.mark.parametrize(("state", "end"), list(product(STATES, EVERY_END)))
def test_nothing_is_taken_from_the_operators_account_whatever_became_of_its_object(state: str, end: str) -> None:
    ground = Ground(works_as=("Checkout@ACME.iam.gserviceaccount.com",))
    before = held(Ground())

    _, report = play(STATES[state], EVERY_END[end], ground)

    assert held(ground) == before
    assert ground.taken_at == set()
    assert not STATES[state].deleting or report.holds


@pytest.mark.parametrize("state", [name for name, one in STATES.items() if one.deleting])
def test_a_deletion_says_what_stays(state: str) -> None:
    _, report = play(STATES[state], None, Ground(works_as=(ACCOUNT,)))

    assert [reason for reason, text in report.warnings if ACCOUNT in text and USERNAME in text] == ["UserLeft"]


@pytest.mark.parametrize("spec", [{}, {"mode": "Observe"}, {"expiresAt": "2026-01-02T00:00:00Z"}])
def test_it_is_refused_with_its_name_and_what_to_do(spec: dict[str, Any]) -> None:
    ground, report = play(State(spec), None, Ground(works_as=(ACCOUNT,)))

    (message,) = told(report)
    assert f"{ACCOUNT}, database user {USERNAME}, is the account that the operator runs as" in message
    assert "give the workload an account of its own" in message
    assert ground.calls.count("bind") == 0
    assert report.fields["created"]  # as recorded, for when the operator works as another one again


@pytest.mark.parametrize("end", EVERY_END)
def test_nothing_is_taken_as_long_as_nobody_knows_as_whom_the_operator_works(end: str) -> None:
    ground, report = play(STATES["as it was"], EVERY_END[end], Ground(works_as=UNKNOWN))

    assert held(ground) == held(Ground())
    assert reasons(report) == {"GoogleCredentialsFailed"}


async def worked_as(world: World, *accounts: str) -> None:
    """The operator is started anew with other credentials, and everything comes to rest."""
    world.google.works_as = accounts
    world.restart()
    await world.rest(KEY)


def told_by(story: Callable[[World], Awaitable[None]]) -> World:
    """A user that was made while the operator worked as itself, and what happens then."""
    world = World()

    async def played() -> None:
        world.rules("orders", "orders", allowAdoption=True)
        world.user("checkout", namespace="orders")
        await worked_as(world)
        assert stands(world)
        await story(world)

    try:
        asyncio.run(played())
    finally:
        world.close()
    return world


def stands(world: World) -> bool:
    return USERNAME in world.google.users and world.google.roles == ROLES


def test_a_user_that_became_the_operators_is_its_objects_again_when_the_operator_works_as_another() -> None:
    async def story(world: World) -> None:
        await worked_as(world, ACCOUNT)
        assert (world.ready(KEY)[:2], stands(world)) == (("False", "OperatorsOwnAccount"), True)
        await worked_as(world, OPERATOR)
        assert (world.ready(KEY)[0], stands(world)) == ("True", True)
        world.delete(KEY)
        await world.rest(KEY)

    world = told_by(story)

    assert (world.google.users, world.google.roles) == ({}, set())


def test_an_object_that_comes_to_mean_another_account_leaves_the_operators_as_it_is() -> None:
    async def story(world: World) -> None:
        await worked_as(world, ACCOUNT)
        world.accounts["orders", "checkout"] = ANOTHER
        await world.rest(KEY)
        assert world.ready(KEY)[0] == "True"
        world.delete(KEY)
        await world.rest(KEY)

    world = told_by(story)

    assert stands(world)
    assert set(world.google.users) == {USERNAME}


def test_two_objects_of_the_operators_account_may_both_be_deleted() -> None:
    async def story(world: World) -> None:
        other = world.user("again", namespace="orders", adoptionPolicy="IfExists")
        await world.rest(KEY, other)
        await worked_as(world, ACCOUNT)
        for key in (KEY, other):
            world.delete(key)
        await world.rest(KEY, other)
        assert not {KEY, other} & world.bodies.keys()

    assert stands(told_by(story))
