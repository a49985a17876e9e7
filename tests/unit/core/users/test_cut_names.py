"""The plan for users whose names Cloud SQL cuts: two accounts may have one."""

from dataclasses import replace

import pytest

from cloudsql_iam_operator.api.user import AdoptionPolicy
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.users.claims import UserClaim
from cloudsql_iam_operator.core.users.plan import CreateUser, DatabaseUser, DeleteUser, Ground, Ownership, plan_users
from cloudsql_iam_operator.core.users.principals import UserType
from unit.core.users.wants import NEWER, OLDER, WANT

CUT = "orders-checkout-web-shop-team1@acme-production-environment-01.i"
ACCOUNT = f"{CUT}am"
RIVAL = f"{CUT}ot.example.iam"
LONG = UserClaim(CUT, OLDER, "uid-1", "orders/checkout", f"serviceAccount:{ACCOUNT}.gserviceaccount.com")
OTHER = UserClaim(CUT, NEWER, "uid-2", "billing/checkout", f"serviceAccount:{RIVAL}.gserviceaccount.com")


def test_a_user_whose_name_is_cut_is_asked_for_by_its_whole_name() -> None:
    planned = plan_users({"a": replace(WANT, claim=LONG)}, Ground([]))

    assert planned.changes == {"a": CreateUser(CUT, UserType.SERVICE_ACCOUNT, frozenset(), asked=ACCOUNT)}
    assert planned.standing["a"].ownership is Ownership.CREATED


def test_a_user_of_ours_whose_name_is_cut_is_known_and_deleted_by_that_name() -> None:
    want = replace(WANT, claim=LONG, ownership=Ownership.CREATED)
    found = DatabaseUser(CUT, UserType.SERVICE_ACCOUNT)

    kept = plan_users({"a": want}, Ground([found]))
    left = plan_users({"a": replace(want, absent=True)}, Ground([found]))

    assert (kept.changes, kept.refusals) == ({}, {})
    assert left.changes == {"a": DeleteUser(CUT, UserType.SERVICE_ACCOUNT)}


def test_a_user_that_exists_is_never_taken_over_by_a_cut_name() -> None:
    want = replace(WANT, claim=LONG, adoption=AdoptionPolicy.IF_EXISTS, may_adopt=True)

    planned = plan_users({"a": want}, Ground([DatabaseUser(CUT, UserType.SERVICE_ACCOUNT)]))

    assert planned.refusals["a"].reason is Reason.EXTERNAL_RESOURCE_EXISTS
    assert f"may be another account's than serviceAccount:{ACCOUNT}" in planned.refusals["a"].message
    assert planned.changes == {}


def test_two_accounts_with_one_cut_name_are_both_refused() -> None:
    wants = {"a": replace(WANT, claim=LONG), "b": replace(WANT, claim=OTHER)}

    planned = plan_users(wants, Ground([]))

    assert planned.changes == {}
    assert {key: refusal.reason for key, refusal in planned.refusals.items()} == {
        "a": Reason.INVALID_SPEC,
        "b": Reason.INVALID_SPEC,
    }
    assert f"serviceAccount:{RIVAL}.gserviceaccount.com (billing/checkout)" in planned.refusals["a"].message
    assert f"serviceAccount:{ACCOUNT}.gserviceaccount.com (orders/checkout)" in planned.refusals["b"].message


@pytest.mark.parametrize("claims", [(OTHER,), (UserClaim(CUT, NEWER, "uid-2", "billing/checkout"),)])
def test_an_account_that_another_object_records_under_the_same_name_is_refused(claims: tuple[UserClaim, ...]) -> None:
    planned = plan_users({"a": replace(WANT, claim=LONG)}, Ground([], claims=claims))

    assert planned.refusals["a"].reason is Reason.INVALID_SPEC


def test_two_objects_for_one_account_with_a_cut_name_are_told_by_age() -> None:
    younger = replace(LONG, created=NEWER, uid="uid-2", title="billing/checkout")

    planned = plan_users({"a": replace(WANT, claim=LONG), "b": replace(WANT, claim=younger)}, Ground([]))

    assert list(planned.changes) == ["a"]
    assert planned.refusals["b"].reason is Reason.MANAGED_BY_OTHER


def test_a_user_is_deleted_and_not_handed_over_to_another_account_of_its_cut_name() -> None:
    leaving = replace(WANT, claim=LONG, absent=True, ownership=Ownership.CREATED)
    ground = Ground([DatabaseUser(CUT, UserType.SERVICE_ACCOUNT)], ours={ACCOUNT: Ownership.CREATED})

    planned = plan_users({"leaving": leaving, "staying": replace(WANT, claim=OTHER)}, ground)

    assert planned.changes == {"leaving": DeleteUser(CUT, UserType.SERVICE_ACCOUNT)}
    assert planned.refusals["staying"].reason is Reason.EXTERNAL_RESOURCE_EXISTS
