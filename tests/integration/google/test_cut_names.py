"""The lane of users on the emulated Google, for accounts whose names PostgreSQL does not keep whole."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from cloudsql_emulator.emulator import Emulator
from cloudsql_iam_operator.adapters.google.sqladmin import NewUser, SQLAdmin
from cloudsql_iam_operator.api.user import AdoptionPolicy
from cloudsql_iam_operator.core.errors import Refused
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.users.claims import UserClaim
from cloudsql_iam_operator.core.users.plan import CreateUser, DatabaseUser, DeleteUser, Ownership, UserWant
from cloudsql_iam_operator.core.users.principals import UserType
from integration.google.ground import CREATED, ORDERS, Ground, Lanes, emulated, key

CUT = "orders-checkout-web-shop-team1@acme-production-environment-01.i"
WHOLE = "orders-checkout-web-shop-team1@acme-production-environment-01.iam"
RIVAL = "orders-checkout-web-shop-team1@acme-production-environment-01.iot.example.iam"
MADE = DatabaseUser(CUT, UserType.SERVICE_ACCOUNT)


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with emulated() as running:
        for name in (WHOLE, RIVAL):
            running.admin.add_principal("serviceAccount", f"{name}.gserviceaccount.com")
        yield running


@pytest.fixture
def ground(emulator: Emulator) -> Iterator[Ground]:
    told = Ground.of_operator(emulator)
    yield told
    told.sqladmin.delete_user(ORDERS, CUT)


def want(name: str, **fields: Any) -> UserWant:
    """What the object of that name wants for the account of the whole name."""
    account = WHOLE if name == "whole" else RIVAL
    member = f"serviceAccount:{account}.gserviceaccount.com"
    claim = UserClaim(CUT, CREATED, f"uid-{name}", str(key(name)), member)
    return replace(UserWant(claim, UserType.SERVICE_ACCOUNT), **fields)


def listed(admin: SQLAdmin) -> list[DatabaseUser]:
    return [user for user in admin.users(ORDERS) if user.type is not UserType.BUILT_IN]


def test_a_user_is_made_found_made_again_and_deleted_by_its_cut_name(ground: Ground) -> None:
    async def story(lanes: Lanes) -> None:
        first = await lanes.users.settle(key("whole"), want("whole"))
        again = await lanes.users.settle(key("whole"), want("whole"))
        ground.sqladmin.delete_user(ORDERS, CUT)
        restored = await lanes.users.settle(key("whole"), want("whole"))
        present = listed(ground.sqladmin)
        gone = await lanes.users.remove(key("whole"), want("whole"))

        assert (first.change, again.change) == (CreateUser(CUT, MADE.type, frozenset(), WHOLE), None)
        assert again.standing.ownership is Ownership.CREATED
        assert restored.change == first.change
        assert present == [MADE]
        assert gone.change == DeleteUser(CUT, MADE.type)
        assert listed(ground.sqladmin) == []

    ground.run(story)


def test_two_accounts_with_one_cut_name_are_refused_and_no_user_changes_hands(ground: Ground) -> None:
    async def story(lanes: Lanes) -> None:
        await lanes.users.settle(key("whole"), want("whole"))
        with pytest.raises(Refused, match=f"serviceAccount:{WHOLE}") as newcomer:
            await lanes.users.settle(key("rival"), want("rival"))
        with pytest.raises(Refused, match=f"serviceAccount:{RIVAL}") as holder:
            await lanes.users.settle(key("whole"), want("whole", ownership=Ownership.CREATED))

        assert {newcomer.value.reason, holder.value.reason} == {Reason.INVALID_SPEC}
        assert listed(ground.sqladmin) == [MADE]

    ground.run(story)


def test_a_user_that_an_account_leaves_behind_is_not_given_to_another_of_its_cut_name(ground: Ground) -> None:
    async def story(lanes: Lanes) -> None:
        await lanes.users.settle(key("whole"), want("whole"))
        lanes.users.forget(key("whole"))
        with pytest.raises(Refused) as caught:
            await lanes.users.settle(key("rival"), want("rival"))

        assert caught.value.reason is Reason.EXTERNAL_RESOURCE_EXISTS

    ground.run(story)


def test_a_user_that_somebody_else_made_is_not_adopted_by_its_cut_name(ground: Ground) -> None:
    ground.sqladmin.insert_user(ORDERS, NewUser(RIVAL, UserType.SERVICE_ACCOUNT))

    async def story(lanes: Lanes) -> None:
        with pytest.raises(Refused) as caught:
            await lanes.users.settle(key("whole"), want("whole", adoption=AdoptionPolicy.IF_EXISTS, may_adopt=True))

        assert caught.value.reason is Reason.EXTERNAL_RESOURCE_EXISTS

    ground.run(story)
