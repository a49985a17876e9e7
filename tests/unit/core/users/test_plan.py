"""The plan for database users: who is made, given roles, deleted, and who is refused."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from cloudsql_iam_operator.api.instance import ConnectionName
from cloudsql_iam_operator.api.user import AdoptionPolicy
from cloudsql_iam_operator.core.errors import Failure
from cloudsql_iam_operator.core.instances import (
    InstanceFacts,
    require_engine,
    require_iam_authentication,
    require_running,
)
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

NAME = "checkout@acme-prod.iam"
OLDER = datetime(2026, 1, 1, tzinfo=UTC)
NEWER = datetime(2026, 2, 1, tzinfo=UTC)
WANT = UserWant(UserClaim(NAME, OLDER, "uid-1", "orders/checkout"), UserType.SERVICE_ACCOUNT)
FOUND = DatabaseUser(NAME, UserType.SERVICE_ACCOUNT)
CUT = "orders-checkout-web-shop-team1@acme-production-environment-01.i"
ACCOUNT = f"{CUT}am"
RIVAL = f"{CUT}ot.example.iam"
LONG = UserClaim(CUT, OLDER, "uid-1", "orders/checkout", f"serviceAccount:{ACCOUNT}.gserviceaccount.com")
OTHER = UserClaim(CUT, NEWER, "uid-2", "billing/checkout", f"serviceAccount:{RIVAL}.gserviceaccount.com")
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


ORDERS = ConnectionName("acme-prod", "europe-west1", "orders")
RUNNING = InstanceFacts(
    state="RUNNABLE",
    stopped=False,
    database_version="POSTGRES_16",
    iam_authentication=True,
    instance_type="CLOUD_SQL_INSTANCE",
    region="europe-west1",
    addresses=frozenset({"PRIMARY"}),
)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (replace(RUNNING, region="us-east1"), Reason.INVALID_SPEC),
        (replace(RUNNING, instance_type="READ_REPLICA_INSTANCE"), Reason.UNSUPPORTED_ENGINE),
        (replace(RUNNING, database_version="MYSQL_8_0"), Reason.UNSUPPORTED_ENGINE),
        (replace(RUNNING, stopped=True), Reason.INSTANCE_STOPPED),
        (replace(RUNNING, state="MAINTENANCE"), Reason.INSTANCE_NOT_READY),
        (replace(RUNNING, iam_authentication=False), Reason.IAM_AUTHENTICATION_DISABLED),
        (RUNNING, None),
    ],
)
def test_an_instance_must_be_a_running_postgresql_primary_with_iam_logins(
    facts: InstanceFacts, reason: Reason | None
) -> None:
    met: list[Reason] = []
    for require in (require_engine, require_running, require_iam_authentication):
        try:
            require(ORDERS, facts)
        except Failure as failure:
            met.append(failure.reason)

    assert met == ([reason] if reason else [])
