"""users.* and operations of the emulated Admin API, through Google's own client."""

from collections.abc import Iterator
from typing import Any

import pytest

from cloudsql_emulator.acme import (
    ADMIN,
    CHECKOUT_NAME,
    INSTANCE,
    OPERATOR,
    PROJECT,
    TEAM_EMAIL,
    acme,
)
from cloudsql_emulator.clients import google_client
from cloudsql_emulator.emulator import Emulator
from e2e.waiting import eventually
from integration.emulator.users import CHECKOUT_USER, PLACE, insert, refused, restore, superuser


@pytest.fixture(scope="module")
def running() -> Iterator[Emulator]:
    with Emulator(acme()) as emulator:
        yield emulator


@pytest.fixture
def emulator(running: Emulator) -> Iterator[Emulator]:
    yield running
    restore(running)


@pytest.fixture(params=["v1", "v1beta4"])
def sql(emulator: Emulator, request: pytest.FixtureRequest) -> Any:
    return google_client(emulator, "sqladmin", request.param, ADMIN)


def test_an_inserted_iam_user_is_listed_with_its_type(sql: Any) -> None:
    operation = sql.users().insert(**PLACE, body=CHECKOUT_USER).execute()

    listed = {user["name"]: user for user in sql.users().list(**PLACE).execute()["items"]}
    assert (operation["status"], operation["operationType"]) == ("DONE", "CREATE_USER")
    assert listed[CHECKOUT_NAME]["type"] == "CLOUD_IAM_SERVICE_ACCOUNT"
    assert listed[CHECKOUT_NAME]["host"] == ""
    assert len(listed[CHECKOUT_NAME]["etag"]) == 64
    assert "type" not in listed["postgres"]
    assert "databaseRoles" not in listed[CHECKOUT_NAME]


def test_an_inserted_user_is_a_role_in_postgresql(emulator: Emulator, sql: Any) -> None:
    sql.users().insert(**PLACE, body={**CHECKOUT_USER, "databaseRoles": ["app_ro"]}).execute()

    (found,) = [user for user in emulator.admin.users(PROJECT, INSTANCE) if user["name"] == CHECKOUT_NAME]
    assert found["roles"] == ["app_ro"]


def test_a_user_is_found_by_its_encoded_name(sql: Any) -> None:
    sql.users().insert(**PLACE, body=CHECKOUT_USER).execute()

    assert sql.users().get(**PLACE, name=CHECKOUT_NAME).execute()["name"] == CHECKOUT_NAME


def test_inserting_twice_is_no_error(sql: Any) -> None:
    sql.users().insert(**PLACE, body=CHECKOUT_USER).execute()

    assert sql.users().insert(**PLACE, body=CHECKOUT_USER).execute()["status"] == "DONE"


def test_an_iam_user_is_not_made_over_a_builtin_one(sql: Any) -> None:
    sql.users().insert(**PLACE, body={"name": CHECKOUT_NAME, "password": "builtin-password"}).execute()

    code, reason, _ = refused(sql.users().insert(**PLACE, body=CHECKOUT_USER))

    assert (code, reason) == (400, "invalid")


def test_a_deleted_user_is_gone_from_postgresql_too(emulator: Emulator, sql: Any) -> None:
    sql.users().insert(**PLACE, body=CHECKOUT_USER).execute()

    sql.users().delete(**PLACE, name=CHECKOUT_NAME).execute()

    assert CHECKOUT_NAME not in {user["name"] for user in emulator.admin.users(PROJECT, INSTANCE)}


def test_a_role_dropped_by_sql_is_no_user_any_more(emulator: Emulator, sql: Any) -> None:
    sql.users().insert(**PLACE, body=CHECKOUT_USER).execute()
    with superuser(emulator) as connection:
        connection.execute('DROP ROLE "checkout@acme-prod.iam"')

    assert CHECKOUT_NAME not in {user["name"] for user in sql.users().list(**PLACE).execute()["items"]}


def test_deleting_a_user_with_privileges_names_the_databases(emulator: Emulator, sql: Any) -> None:
    sql.users().insert(**PLACE, body=CHECKOUT_USER).execute()
    with superuser(emulator) as connection:
        connection.execute('GRANT SELECT ON app.items TO "checkout@acme-prod.iam"')

    code, reason, message = refused(sql.users().delete(**PLACE, name=CHECKOUT_NAME))

    with superuser(emulator) as connection:
        connection.execute('REVOKE SELECT ON app.items FROM "checkout@acme-prod.iam"')
    assert (code, reason) == (400, "invalid")
    assert message == (
        'Invalid request: failed to delete user checkout@acme-prod.iam: . role "checkout@acme-prod.iam" cannot be '
        "dropped because some objects depend on it Details: 1 object in database orders."
    )


def test_roles_in_the_query_are_added_and_roles_in_the_body_ignored(emulator: Emulator, sql: Any) -> None:
    sql.users().insert(**PLACE, body=CHECKOUT_USER).execute()

    body = {"name": CHECKOUT_NAME, "databaseRoles": ["app_owner"]}
    sql.users().update(**PLACE, name=CHECKOUT_NAME, databaseRoles=["app_ro"], body=body).execute()

    (found,) = [user for user in emulator.admin.users(PROJECT, INSTANCE) if user["name"] == CHECKOUT_NAME]
    assert found["roles"] == ["app_ro"]


def test_revoking_existing_roles_takes_those_of_sql_too(emulator: Emulator, sql: Any) -> None:
    sql.users().insert(**PLACE, body=CHECKOUT_USER).execute()
    with superuser(emulator) as connection:
        connection.execute('GRANT app_owner TO "checkout@acme-prod.iam"')

    sql.users().update(
        **PLACE, name=CHECKOUT_NAME, databaseRoles=["app_ro"], revokeExistingRoles=True, body={"name": CHECKOUT_NAME}
    ).execute()

    (found,) = [user for user in emulator.admin.users(PROJECT, INSTANCE) if user["name"] == CHECKOUT_NAME]
    assert found["roles"] == ["app_ro"]


def test_an_operation_runs_for_its_time_and_others_are_refused(emulator: Emulator, sql: Any) -> None:
    emulator.admin.set_pace(pending=300, running=300)

    operation = sql.users().insert(**PLACE, body=CHECKOUT_USER).execute()
    second = refused(insert(sql, "alice@acme.example", "CLOUD_IAM_USER"))
    emulator.admin.advance_clock(600)
    ask = sql.operations().get(project=PROJECT, operation=operation["name"])
    eventually(lambda: ask.execute()["status"] == "DONE", "the operation has ended")

    assert second == (
        409,
        "operationInProgress",
        "Operation failed because another operation was already in progress.",
    )
    assert CHECKOUT_NAME in {user["name"] for user in emulator.admin.users(PROJECT, INSTANCE)}


def test_an_operation_can_end_with_an_error(emulator: Emulator, sql: Any) -> None:
    emulator.admin.set_pace(failures=1)

    operation = sql.users().insert(**PLACE, body=CHECKOUT_USER).execute()

    assert operation["status"] == "DONE"
    assert operation["error"]["errors"][0]["code"] == "INTERNAL_ERROR"
    assert CHECKOUT_NAME not in {user["name"] for user in emulator.admin.users(PROJECT, INSTANCE)}


def test_operations_are_listed_newest_first(sql: Any) -> None:
    sql.users().insert(**PLACE, body=CHECKOUT_USER).execute()
    sql.users().delete(**PLACE, name=CHECKOUT_NAME).execute()

    listed = sql.operations().list(project=PROJECT, instance=INSTANCE).execute()["items"]

    assert [each["operationType"] for each in listed[:2]] == ["DELETE_USER", "CREATE_USER"]


def test_a_group_whose_account_was_deleted_stays_inactive(emulator: Emulator, sql: Any) -> None:
    emulator.admin.add_principal("group", "short-lived@acme.example")
    insert(sql, "short-lived@acme.example", "CLOUD_IAM_GROUP").execute()
    before = sql.users().get(**PLACE, name="short-lived@acme.example").execute()["iamStatus"]

    emulator.admin.delete_principal("group:short-lived@acme.example")
    emulator.admin.add_principal("group", "short-lived@acme.example")

    after = sql.users().get(**PLACE, name="short-lived@acme.example").execute()["iamStatus"]
    assert (before, after) == ("ACTIVE", "INACTIVE")


def test_a_group_can_be_switched_off(emulator: Emulator, sql: Any) -> None:
    emulator.admin.set_switch("group_authentication", False)

    answer = refused(insert(sql, TEAM_EMAIL, "CLOUD_IAM_GROUP"))

    emulator.admin.set_switch("group_authentication", True)
    assert answer[2] == "Invalid request: IAM Group Authentication is disabled."


def test_the_journal_holds_no_password(emulator: Emulator, sql: Any) -> None:
    begin = emulator.admin.position()

    sql.users().insert(**PLACE, body={"name": "bob", "password": "hunter2"}).execute()

    (entry,) = emulator.admin.writes(since=begin)
    assert entry.caller == ADMIN
    assert entry.method == "sql.users.insert"
    assert entry.permissions == ("cloudsql.users.create",)
    assert entry.summary["password"] == "…"


@pytest.mark.parametrize(
    ("method", "permission"),
    [
        ("list", "cloudsql.users.list"),
        ("insert", "cloudsql.users.create"),
        ("update", "cloudsql.users.update"),
        ("delete", "cloudsql.users.delete"),
    ],
)
def test_each_method_takes_its_permission(emulator: Emulator, method: str, permission: str) -> None:
    role = "projects/acme-prod/roles/cloudsqlIamOperator"
    every = {"cloudsql.users.list", "cloudsql.users.create", "cloudsql.users.update", "cloudsql.users.delete"}
    users = google_client(emulator, "sqladmin", "v1", OPERATOR).users()
    requests = {
        "list": users.list(**PLACE),
        "insert": users.insert(**PLACE, body=CHECKOUT_USER),
        "update": users.update(**PLACE, name=CHECKOUT_NAME, databaseRoles=["app_ro"], body={}),
        "delete": users.delete(**PLACE, name=CHECKOUT_NAME),
    }

    emulator.admin.define_role(role, sorted(every - {permission}))

    assert refused(requests[method])[0] == 403
