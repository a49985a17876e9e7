"""The plan for database users: who is made, given roles, deleted, and who is refused."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from cloudsql_iam_operator.api.user import AdoptionPolicy
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.users.claims import UserClaim
from cloudsql_iam_operator.core.users.plan import (
    CreateUser,
    DatabaseUser,
    DeleteUser,
    GrantRoles,
    Ground,
    Ownership,
    UserStanding,
    UserWant,
    plan_users,
)
from cloudsql_iam_operator.core.users.principals import UserType
from unit.core.users.wants import NAME, NEWER, OLDER, WANT

FOUND = DatabaseUser(NAME, UserType.SERVICE_ACCOUNT)
POSTGRES = DatabaseUser("postgres", UserType.BUILT_IN)


def test_a_missing_user_is_created_with_its_roles() -> None:
    want = replace(WANT, roles=frozenset({"app_ro"}))

    planned = plan_users({"a": want}, Ground([POSTGRES]))

    assert planned.changes == {"a": CreateUser(NAME, UserType.SERVICE_ACCOUNT, frozenset({"app_ro"}))}
    assert planned.standing == {"a": UserStanding(True, Ownership.CREATED, frozenset({"app_ro"}))}
    assert str(planned.changes["a"]) == "create user checkout@acme-prod.iam (CLOUD_IAM_SERVICE_ACCOUNT) with app_ro"


def test_a_user_of_ours_that_is_there_needs_no_change() -> None:
    want = replace(WANT, ownership=Ownership.CREATED, roles=frozenset({"a"}), granted=frozenset({"a"}))

    planned = plan_users({"a": want}, Ground([FOUND]))

    assert (planned.changes, planned.refusals) == ({}, {})


def test_roles_that_nobody_adds_to_are_kept_in_the_set_that_they_came_in() -> None:
    given = frozenset({"a"})
    want = replace(WANT, ownership=Ownership.CREATED, roles=given)

    missing, there = (plan_users({"a": want}, Ground(users)).standing["a"] for users in ([POSTGRES], [FOUND]))

    assert missing.granted is given
    assert there.granted is given


def test_only_roles_that_are_missing_are_granted() -> None:
    want = replace(WANT, ownership=Ownership.CREATED, roles=frozenset({"a", "b"}), granted=frozenset({"a", "old"}))

    planned = plan_users({"a": want}, Ground([FOUND]))

    assert planned.changes == {"a": GrantRoles(NAME, UserType.SERVICE_ACCOUNT, frozenset({"b"}))}
    assert planned.standing["a"].granted == {"a", "b", "old"}


@pytest.mark.parametrize(
    ("adoption", "may_adopt", "reason"),
    [
        (AdoptionPolicy.NEVER, True, Reason.EXTERNAL_RESOURCE_EXISTS),
        (AdoptionPolicy.IF_EXISTS, False, Reason.EXTERNAL_RESOURCE_EXISTS),
        (AdoptionPolicy.IF_EXISTS, True, None),
        (AdoptionPolicy.REQUIRED, True, None),
    ],
)
def test_a_user_that_exists_is_taken_over_only_by_consent(
    adoption: AdoptionPolicy, may_adopt: bool, reason: Reason | None
) -> None:
    planned = plan_users({"a": replace(WANT, adoption=adoption, may_adopt=may_adopt)}, Ground([FOUND]))

    if reason is None:
        assert planned.standing["a"].ownership is Ownership.ADOPTED
    else:
        assert planned.refusals["a"].reason is reason
    assert planned.changes == {}


def test_required_adoption_waits_for_the_user() -> None:
    planned = plan_users({"a": replace(WANT, adoption=AdoptionPolicy.REQUIRED, may_adopt=True)}, Ground([]))

    assert planned.refusals["a"].reason is Reason.ADOPTION_TARGET_MISSING


@pytest.mark.parametrize("existing", [one for one in UserType if one is not UserType.SERVICE_ACCOUNT])
def test_a_user_of_another_type_is_never_written_over(existing: UserType) -> None:
    want = replace(WANT, adoption=AdoptionPolicy.IF_EXISTS, may_adopt=True)

    planned = plan_users({"a": want}, Ground([DatabaseUser(NAME, existing)]))

    assert planned.refusals["a"].reason is Reason.USER_TYPE_MISMATCH
    assert planned.changes == {}


def test_a_group_that_google_no_longer_has_is_told() -> None:
    want = replace(WANT, type=UserType.GROUP, ownership=Ownership.CREATED)

    planned = plan_users({"a": want}, Ground([DatabaseUser(NAME, UserType.GROUP, inactive=True)]))

    assert planned.refusals["a"].reason is Reason.PRINCIPAL_NOT_FOUND


POOL = "principal://iam.googleapis.com/locations/global/workforcePools"


@pytest.mark.parametrize(
    ("older", "younger"),
    [
        ("user:ann@acme.com", f"{POOL}/staff/subject/ann@acme.com"),
        (f"{POOL}/staff/subject/ann@acme.com", f"{POOL}/guests/subject/ann@acme.com"),
        (f"{POOL}/staff/subject/Ann@acme.com", f"{POOL}/staff/subject/ann@acme.com"),
        (f"{POOL}/staff/subject/ann@acme.com", "group:ann@acme.com"),
    ],
)
def test_of_two_principals_with_one_username_the_younger_gets_nothing(older: str, younger: str) -> None:
    first = replace(WANT, claim=UserClaim(older.rpartition("/")[2].removeprefix("user:"), OLDER, "uid-1", "a/a", older))
    second = replace(WANT, claim=UserClaim("ann@acme.com", NEWER, "uid-2", "b/b", younger))

    planned = plan_users({"first": first, "second": second}, Ground([]))

    assert planned.refusals["second"].reason is Reason.USERNAME_COLLISION
    assert younger in planned.refusals["second"].message
    assert "a/a (uid uid-1)" in planned.refusals["second"].message
    assert set(planned.changes) == {"first"}


def test_of_two_objects_with_one_username_the_older_wins() -> None:
    younger = replace(WANT, claim=UserClaim(NAME, NEWER, "uid-2", "billing/checkout"))

    planned = plan_users({"young": younger, "old": WANT}, Ground([]))

    assert list(planned.changes) == ["old"]
    assert planned.refusals["young"].reason is Reason.MANAGED_BY_OTHER
    assert "orders/checkout (uid uid-1)" in planned.refusals["young"].message


def test_of_the_same_age_the_first_by_name_wins() -> None:
    other = replace(WANT, claim=UserClaim(NAME, OLDER, "uid-0", "zebra/checkout"))

    planned = plan_users({"z": other, "o": WANT}, Ground([]))

    assert list(planned.refusals) == ["z"]


def test_an_older_object_that_was_not_heard_yet_keeps_its_claim() -> None:
    claim = UserClaim(NAME, datetime(2025, 1, 1, tzinfo=UTC), "uid-0", "billing/checkout")

    planned = plan_users({"a": WANT}, Ground([FOUND], claims=[claim]))

    assert planned.refusals["a"].reason is Reason.MANAGED_BY_OTHER


@pytest.mark.parametrize(
    ("ownership", "delete_adopted", "deleted"),
    [
        (Ownership.CREATED, False, True),
        (Ownership.ADOPTED, False, False),
        (Ownership.ADOPTED, True, True),
        (Ownership.NONE, True, False),
    ],
)
def test_only_a_user_of_ours_is_deleted(ownership: Ownership, delete_adopted: bool, deleted: bool) -> None:
    want = replace(WANT, absent=True, ownership=ownership, delete_adopted=delete_adopted)

    planned = plan_users({"a": want}, Ground([FOUND]))

    assert planned.changes == ({"a": DeleteUser(NAME, UserType.SERVICE_ACCOUNT)} if deleted else {})
    assert planned.standing["a"].present is not deleted


def test_a_user_that_another_object_claims_is_not_deleted_but_handed_over() -> None:
    leaving = replace(WANT, absent=True, ownership=Ownership.CREATED)
    staying = replace(WANT, claim=UserClaim(NAME, NEWER, "uid-2", "billing/checkout"))

    planned = plan_users({"leaving": leaving, "staying": staying}, Ground([FOUND]))

    assert planned.changes == {}
    assert planned.standing["staying"].ownership is Ownership.CREATED


def test_a_user_that_was_replaced_by_another_type_counts_as_gone() -> None:
    want = replace(WANT, absent=True, ownership=Ownership.CREATED)

    planned = plan_users({"a": want}, Ground([DatabaseUser(NAME, UserType.BUILT_IN)]))

    assert planned.changes == {}
    assert planned.standing["a"].present is False


def test_what_this_process_made_is_known_before_any_status_says_so() -> None:
    ground = Ground([FOUND], ours={NAME: Ownership.CREATED}, granted={NAME: frozenset({"app_ro"})})

    planned = plan_users({"a": replace(WANT, roles=frozenset({"app_ro"}))}, ground)

    assert (planned.changes, planned.refusals) == ({}, {})


def test_users_of_others_are_left_alone() -> None:
    nobody: dict[str, UserWant] = {}

    planned = plan_users(nobody, Ground([FOUND, POSTGRES, DatabaseUser("ann@acme.com", UserType.GROUP_USER)]))

    assert planned.changes == {}
