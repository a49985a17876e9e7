"""users.* and operations of the emulated Admin API, through Google's own client."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from googleapiclient.errors import HttpError

from cloudsql_emulator.acme import (
    ADMIN,
    ALICE,
    CHECKOUT_NAME,
    CONNECTION_NAME,
    INSTANCE,
    OPERATOR,
    PROJECT,
    TEAM_EMAIL,
    acme,
)
from cloudsql_emulator.clients import error_of, google_client
from cloudsql_emulator.emulator import Emulator

PLACE = {"project": PROJECT, "instance": INSTANCE}
CHECKOUT_USER = {"name": CHECKOUT_NAME, "type": "CLOUD_IAM_SERVICE_ACCOUNT"}


@pytest.fixture(scope="module")
def running() -> Iterator[Emulator]:
    with Emulator(acme()) as emulator:
        yield emulator


@pytest.fixture
def emulator(running: Emulator) -> Iterator[Emulator]:
    yield running
    running.admin.set_pace()
    running.admin.start_instance(PROJECT, INSTANCE)
    admin = google_client(running, "sqladmin", "v1", ADMIN)
    for user in running.admin.users(PROJECT, INSTANCE):
        if user["name"] not in {"postgres", "sql-operator@acme-prod.iam"}:
            admin.users().delete(**PLACE, name=user["name"]).execute()


@pytest.fixture(params=["v1", "v1beta4"])
def sql(emulator: Emulator, request: pytest.FixtureRequest) -> Any:
    return google_client(emulator, "sqladmin", request.param, ADMIN)


def superuser(emulator: Emulator) -> psycopg.Connection:
    return psycopg.connect(emulator.superuser_dsn(CONNECTION_NAME, "orders"), autocommit=True)


def refused(request: Any) -> tuple[int, str, str]:
    with pytest.raises(HttpError) as caught:
        request.execute()
    told = error_of(caught.value)
    return told["code"], told["errors"][0]["reason"], told["message"]


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


def insert(sql: Any, name: str, kind: str, **more: object) -> Any:
    return sql.users().insert(**PLACE, body={"name": name, "type": kind, **more})


def test_an_absent_service_account_is_refused(sql: Any) -> None:
    assert refused(insert(sql, "nobody@acme-prod.iam", "CLOUD_IAM_SERVICE_ACCOUNT")) == (
        400,
        "invalid",
        "Invalid request: Provided CLOUD_IAM_SERVICE_ACCOUNT: nobody@acme-prod.iam.gserviceaccount.com, "
        "does not exist.",
    )


def test_an_absent_group_is_refused(sql: Any) -> None:
    assert refused(insert(sql, "nobody@acme.example", "CLOUD_IAM_GROUP")) == (
        400,
        "invalid",
        "Invalid request: Provided CLOUD_IAM_GROUP: nobody@acme.example , does not exist.",
    )


def test_a_service_account_is_refused_by_its_full_address(sql: Any) -> None:
    assert refused(insert(sql, "checkout@acme-prod.iam.gserviceaccount.com", "CLOUD_IAM_SERVICE_ACCOUNT")) == (
        400,
        "invalid",
        "Invalid request: Database username for Cloud IAM service account should be created without "
        '".gserviceaccount.com" suffix.',
    )


def test_an_iam_user_with_a_password_is_refused(sql: Any) -> None:
    assert refused(insert(sql, CHECKOUT_NAME, "CLOUD_IAM_SERVICE_ACCOUNT", password="x")) == (
        400,
        "invalid",
        "Invalid request: For IAM users, password or hostname should not be specified.",
    )


def test_without_the_iam_roles_an_iam_user_is_refused(emulator: Emulator, sql: Any) -> None:
    emulator.admin.set_flag(PROJECT, INSTANCE, "cloudsql.iam_authentication", "off")
    emulator.admin.drop_iam_system_roles(PROJECT, INSTANCE)

    answer = refused(insert(sql, "alice@acme.example", "CLOUD_IAM_USER"))

    emulator.admin.set_flag(PROJECT, INSTANCE, "cloudsql.iam_authentication", "on")
    assert answer == (
        400,
        "invalid",
        'Invalid request: failed to create user "alice@acme.example": role "cloudsqliamuser" does not exist.',
    )


def test_the_iam_roles_come_a_little_after_the_flag(emulator: Emulator, sql: Any) -> None:
    emulator.admin.set_flag(PROJECT, INSTANCE, "cloudsql.iam_authentication", "off")
    emulator.admin.drop_iam_system_roles(PROJECT, INSTANCE)
    emulator.admin.set_switch("iam_roles_delay", 0.5)

    emulator.admin.set_flag(PROJECT, INSTANCE, "cloudsql.iam_authentication", "on")
    at_once = refused(insert(sql, "alice@acme.example", "CLOUD_IAM_USER"))
    deadline = time.monotonic() + 60
    made = None
    while made is None and time.monotonic() < deadline:
        time.sleep(0.05)
        with contextlib.suppress(HttpError):
            made = insert(sql, "alice@acme.example", "CLOUD_IAM_USER").execute()

    emulator.admin.set_switch("iam_roles_delay", 0.0)
    assert at_once[2].endswith('role "cloudsqliamuser" does not exist.')
    assert made is not None


@pytest.mark.parametrize(("answer", "code"), [("notFound", 404), ("invalid", 400)])
def test_deleting_an_absent_user_is_refused_as_the_switch_says(
    emulator: Emulator, sql: Any, answer: str, code: int
) -> None:
    emulator.admin.set_switch("absent_user", answer)

    told = refused(sql.users().delete(**PLACE, name="nobody"))

    emulator.admin.set_switch("absent_user", "notFound")
    assert told[0] == code


def test_a_missing_database_role_leaves_no_user_behind(emulator: Emulator, sql: Any) -> None:
    code, _, message = refused(insert(sql, CHECKOUT_NAME, "CLOUD_IAM_SERVICE_ACCOUNT", databaseRoles=["nope"]))

    assert code == 400
    assert 'role "nope" does not exist' in message
    assert CHECKOUT_NAME not in {user["name"] for user in emulator.admin.users(PROJECT, INSTANCE)}


def test_a_stopped_instance_refuses_users(emulator: Emulator, sql: Any) -> None:
    emulator.admin.stop_instance(PROJECT, INSTANCE)

    assert refused(sql.users().list(**PLACE)) == (
        400,
        "invalid",
        "Invalid request: Invalid request since instance is not running.",
    )
    facts = sql.instances().get(**PLACE).execute()
    assert (facts["state"], facts["settings"]["activationPolicy"]) == ("RUNNABLE", "NEVER")


def test_an_absent_instance_is_told_to_those_who_may_know(sql: Any) -> None:
    assert refused(sql.users().list(project=PROJECT, instance="nope")) == (
        404,
        "instanceDoesNotExist",
        "The Cloud SQL instance does not exist.",
    )


@pytest.mark.parametrize(("project", "member"), [(PROJECT, ALICE), ("nope", ADMIN)])
def test_no_permission_and_no_project_look_the_same(emulator: Emulator, project: str, member: str) -> None:
    sql = google_client(emulator, "sqladmin", "v1", member)

    assert refused(sql.users().list(project=project, instance=INSTANCE)) == (
        403,
        "notAuthorized",
        "The client is not authorized to make this request.",
    )


def test_a_login_token_cannot_call_the_admin_api(emulator: Emulator) -> None:
    scopes = ["https://www.googleapis.com/auth/sqlservice.login"]
    sql = google_client(emulator, "sqladmin", "v1", ADMIN, scopes)

    code, reason, message = refused(sql.users().list(**PLACE))

    assert (code, reason) == (403, "insufficientPermissions")
    assert message == "Request had insufficient authentication scopes."


def test_an_operation_runs_for_its_time_and_others_are_refused(emulator: Emulator, sql: Any) -> None:
    emulator.admin.set_pace(pending=0.1, running=0.4)

    operation = sql.users().insert(**PLACE, body=CHECKOUT_USER).execute()
    second = refused(insert(sql, "alice@acme.example", "CLOUD_IAM_USER"))
    deadline = time.monotonic() + 60
    while operation["status"] != "DONE" and time.monotonic() < deadline:
        time.sleep(0.02)
        operation = sql.operations().get(project=PROJECT, operation=operation["name"]).execute()

    assert second == (
        409,
        "operationInProgress",
        "Operation failed because another operation was already in progress.",
    )
    assert operation["status"] == "DONE"
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
