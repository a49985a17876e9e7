"""What users.* of the emulated Admin API refuse, in Google's words, through Google's own client."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from googleapiclient.errors import HttpError

from cloudsql_emulator.acme import (
    ADMIN,
    ALICE,
    CHECKOUT_NAME,
    INSTANCE,
    PROJECT,
    acme,
)
from cloudsql_emulator.clients import google_client
from cloudsql_emulator.emulator import Emulator
from e2e.waiting import eventually
from integration.emulator.users import PLACE, insert, refused, restore


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
    emulator.admin.set_switch("iam_roles_delay", 600.0)

    emulator.admin.set_flag(PROJECT, INSTANCE, "cloudsql.iam_authentication", "on")
    at_once = refused(insert(sql, "alice@acme.example", "CLOUD_IAM_USER"))
    emulator.admin.advance_clock(600)

    def made() -> bool:
        with contextlib.suppress(HttpError):
            return bool(insert(sql, "alice@acme.example", "CLOUD_IAM_USER").execute())
        return False

    eventually(made, "the user is made")
    emulator.admin.set_switch("iam_roles_delay", 0.0)
    assert at_once[2].endswith('role "cloudsqliamuser" does not exist.')


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
