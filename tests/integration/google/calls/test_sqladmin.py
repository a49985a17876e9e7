"""What the Cloud SQL Admin API's answers mean: the real client against prepared answers."""

from typing import Any

import google.oauth2.credentials
import pytest

from cloudsql_iam_operator.adapters.google.client import Caller
from cloudsql_iam_operator.adapters.google.credentials import Identity
from cloudsql_iam_operator.adapters.google.sqladmin import NewUser, SQLAdmin
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.instances import InstanceFacts
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.users.plan import DatabaseUser
from cloudsql_iam_operator.core.users.principals import UserType
from integration.google.calls.orders import CHECKOUT, DONE, ORDERS
from integration.google.stand_in import Google, failure_of, identity

INSTANCE = {
    "kind": "sql#instance",
    "name": "orders",
    "state": "RUNNABLE",
    "databaseVersion": "POSTGRES_16",
    "instanceType": "CLOUD_SQL_INSTANCE",
    "region": "europe-west1",
    "ipAddresses": [{"type": "PRIMARY", "ipAddress": "203.0.113.7"}],
    "settings": {
        "activationPolicy": "NEVER",
        "databaseFlags": [{"name": "cloudsql.iam_authentication", "value": "on"}],
        "ipConfiguration": {
            "sslMode": "ENCRYPTED_ONLY",
            "serverCaMode": "GOOGLE_MANAGED_CAS_CA",
            "pscConfig": {"pscEnabled": True},
        },
    },
    "dnsName": "a.sql.goog.",
    "dnsNames": [
        {"name": "b.sql.goog.", "connectionType": "PUBLIC", "dnsScope": "INSTANCE"},
        {"name": "c.sql.goog.", "connectionType": "PUBLIC", "dnsScope": "CLUSTER"},
    ],
}


def test_an_instance_is_read_into_facts(stand_in: Google, admin: SQLAdmin) -> None:
    stand_in.says(200, INSTANCE)

    facts = admin.instance(ORDERS)

    assert facts == InstanceFacts(
        state="RUNNABLE",
        stopped=True,
        database_version="POSTGRES_16",
        iam_authentication=True,
        instance_type="CLOUD_SQL_INSTANCE",
        region="europe-west1",
        addresses=frozenset({"PRIMARY"}),
        ssl_mode="ENCRYPTED_ONLY",
        hosts=(("PRIMARY", "203.0.113.7"),),
        server_ca_mode="GOOGLE_MANAGED_CAS_CA",
        dns_names=(("", "a.sql.goog"), ("PUBLIC", "b.sql.goog")),
        psc=True,
    )
    assert stand_in.asked == [("GET", "/v1/projects/acme-prod/instances/orders?alt=json", None)]
    assert stand_in.calls == [("sqladmin", "instances.get", 200)]
    assert stand_in.fences == 0


def test_users_are_listed_with_built_in_as_the_unsaid_type(stand_in: Google, admin: SQLAdmin) -> None:
    items = [
        {"name": "postgres"},
        {"name": "g@acme.com", "type": "CLOUD_IAM_GROUP", "iamStatus": "INACTIVE"},
        {"name": "new@acme.com", "type": "CLOUD_IAM_OF_TOMORROW"},
    ]
    stand_in.says(200, {"kind": "sql#usersList", "items": items})

    users = admin.users(ORDERS)

    assert users == (
        DatabaseUser("g@acme.com", UserType.GROUP, inactive=True),
        DatabaseUser("new@acme.com", UserType.UNKNOWN),
        DatabaseUser("postgres", UserType.BUILT_IN),
    )


def test_a_user_is_made_with_its_type_and_roles_and_its_operation_is_followed(
    stand_in: Google, admin: SQLAdmin
) -> None:
    stand_in.says(200, {**DONE, "status": "PENDING"})
    stand_in.says(200, {**DONE, "status": "RUNNING"})
    stand_in.says(200, DONE)

    admin.insert_user(ORDERS, NewUser("checkout@acme-prod.iam", UserType.SERVICE_ACCOUNT, frozenset({"b", "a"})))

    users = "/v1/projects/acme-prod/instances/orders/users?alt=json"
    body = {"name": "checkout@acme-prod.iam", "type": "CLOUD_IAM_SERVICE_ACCOUNT", "databaseRoles": ["a", "b"]}
    operation = ("GET", "/v1/projects/acme-prod/operations/op-1?alt=json", None)
    assert stand_in.asked == [("POST", users, body), operation, operation]
    assert stand_in.fences == 1


def test_a_universe_that_is_not_the_credentials_is_told_when_a_request_is_built(stand_in: Google) -> None:
    make: Any = google.oauth2.credentials.Credentials
    elsewhere = Identity(make(token="t0ken", universe_domain="example.goog"), "the operator's own identity")
    admin = SQLAdmin(stand_in.endpoints, Caller(elsewhere, stand_in.fence))

    failures = [failure_of(admin.users, ORDERS) for _ in range(2)]  # the second over what the first one made

    assert [failure.reason for failure in failures] == [Reason.CREDENTIALS_FAILED] * 2
    assert all("universe domain" in failure.message for failure in failures)
    assert stand_in.asked == []


def test_roles_are_granted_in_the_query_and_nothing_is_revoked(stand_in: Google, admin: SQLAdmin) -> None:
    stand_in.says(200, DONE)

    admin.grant_roles(ORDERS, "checkout@acme-prod.iam", ["b", "a"])

    query = "name=checkout%40acme-prod.iam&databaseRoles=a&databaseRoles=b&alt=json"
    asked = ("PUT", f"/v1/projects/acme-prod/instances/orders/users?{query}", {"name": "checkout@acme-prod.iam"})
    assert stand_in.asked == [asked]


@pytest.mark.parametrize(
    ("flag", "reason"), [("on", Reason.INSTANCE_NOT_READY), ("off", Reason.IAM_AUTHENTICATION_DISABLED)]
)
def test_a_flag_that_is_off_is_told_from_one_that_was_just_set(
    stand_in: Google, admin: SQLAdmin, flag: str, reason: Reason
) -> None:
    stand_in.refuses(400, 'Invalid request: failed to create user "x": role "cloudsqliamuser" does not exist.')
    flags = [{"name": "cloudsql.iam_authentication", "value": flag}]
    place = {"kind": "sql#instance", "name": "orders", "region": "europe-west1", "state": "RUNNABLE"}
    stand_in.says(200, {**place, "databaseVersion": "POSTGRES_16", "settings": {"databaseFlags": flags}})

    failure = failure_of(admin.insert_user, ORDERS, CHECKOUT)

    assert failure.reason is reason


def test_a_user_with_dependents_is_not_deleted_and_they_are_told(stand_in: Google, admin: SQLAdmin) -> None:
    stand_in.refuses(
        400,
        'Invalid request: failed to delete user x: . role "x" cannot be dropped because some objects depend on it '
        "Details: 1 object in database A\n6 objects in database B.",
    )
    stand_in.says(200, {"kind": "sql#usersList", "items": [{"name": "x"}]})

    failure = failure_of(admin.delete_user, ORDERS, "x")

    assert failure.reason is Reason.OWNS_OBJECTS
    assert "1 object in database A 6 objects in database B" in failure.message


def test_deleting_an_absent_user_succeeds_whatever_google_answers(stand_in: Google, admin: SQLAdmin) -> None:
    stand_in.refuses(404, "no such user", "notFound")
    stand_in.says(200, {"kind": "sql#usersList", "items": [{"name": "postgres"}]})

    admin.delete_user(ORDERS, "x")

    assert [method for method, _, _ in stand_in.asked] == ["DELETE", "GET"]


def test_the_quota_answer_is_read_behind_its_details_and_says_when_to_come_back(
    stand_in: Google, admin: SQLAdmin
) -> None:
    error = {
        "code": 429,
        "message": "Quota exceeded for quota metric 'Queries'",
        "status": "RESOURCE_EXHAUSTED",
        "errors": [{"reason": "rateLimitExceeded"}],
        "details": [{"reason": "RATE_LIMIT_EXCEEDED"}],
    }
    stand_in.says(429, {"error": error}, Retry_After="17")

    failure = failure_of(admin.users, ORDERS)

    assert isinstance(failure, NotYet)
    assert (failure.reason, failure.retry_after) == (Reason.QUOTA_EXCEEDED, 17.0)


def test_quota_told_as_403_is_quota(stand_in: Google, admin: SQLAdmin) -> None:
    stand_in.refuses(403, "Rate Limit Exceeded", "rateLimitExceeded")

    assert failure_of(admin.users, ORDERS).reason is Reason.QUOTA_EXCEEDED


@pytest.mark.parametrize("content", [b"<html>502</html>", b"", b"[]", b'{"error": "text"}'])
def test_an_answer_that_is_no_json_of_googles_is_survived(stand_in: Google, admin: SQLAdmin, content: bytes) -> None:
    stand_in.says(502, content)

    assert failure_of(admin.users, ORDERS).reason is Reason.GOOGLE_UNREACHABLE


def test_no_answer_at_all_is_waited_out(stand_in: Google, admin: SQLAdmin) -> None:
    stand_in.stop()

    failure = failure_of(admin.users, ORDERS)

    assert (failure.reason, type(failure)) == (Reason.GOOGLE_UNREACHABLE, NotYet)
    assert stand_in.calls[-1] == ("sqladmin", "users.list", 0)


def test_a_fence_that_is_down_stops_a_write_before_it_is_sent(stand_in: Google) -> None:
    class Lost(Exception):
        pass

    def fence() -> None:
        raise Lost

    admin = SQLAdmin(stand_in.endpoints, Caller(identity(), fence))
    stand_in.says(200, {"kind": "sql#usersList"})

    with pytest.raises(Lost):
        admin.insert_user(ORDERS, CHECKOUT)

    assert stand_in.asked == []
    assert admin.users(ORDERS) == ()
