"""Logins to the emulated instance as policies, groups, users and settings allow them; tokens come as passwords."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from google.cloud.sql.connector import Connector, RefreshStrategy
from google.oauth2 import service_account

from cloudsql_emulator.acme import (
    ADMIN,
    ALICE,
    CHECKOUT,
    CHECKOUT_EMAIL,
    CHECKOUT_NAME,
    CONNECTION_NAME,
    INSTANCE,
    PROJECT,
    TEAM_EMAIL,
    acme,
)
from cloudsql_emulator.clients import google_client
from cloudsql_emulator.emulator import Emulator

PLACE = {"project": PROJECT, "instance": INSTANCE}
RESOURCE = f"projects/{PROJECT}"
LOGIN_ROLE = "roles/cloudsql.instanceUser"
LOGIN_SCOPE = "https://www.googleapis.com/auth/sqlservice.login"
ALICE_NAME = "alice@acme.example"


@pytest.fixture(scope="module")
def running() -> Iterator[Emulator]:
    with Emulator(acme()) as emulator:
        yield emulator


@pytest.fixture
def emulator(running: Emulator) -> Iterator[Emulator]:
    policy = running.admin.policy(RESOURCE)
    insert(running, CHECKOUT_NAME, "CLOUD_IAM_SERVICE_ACCOUNT")
    yield running
    running.admin.set_policy(RESOURCE, policy)
    running.admin.start_instance(PROJECT, INSTANCE)
    running.admin.set_settings(PROJECT, INSTANCE, {"connectorEnforcement": "NOT_REQUIRED"})


def insert(emulator: Emulator, name: str, kind: str) -> None:
    google_client(emulator, "sqladmin", "v1", ADMIN).users().insert(
        **PLACE, body={"name": name, "type": kind}
    ).execute()


def logged_in(emulator: Emulator, user: str, member: str) -> str:
    """Who a direct session is, or the refusal's first line."""
    try:
        with psycopg.connect(
            host=emulator.instance_address(CONNECTION_NAME),
            user=user,
            dbname="orders",
            password=emulator.admin.mint_token(member, [LOGIN_SCOPE]),
            sslmode="require",
            connect_timeout=60,
        ) as connection:
            row = connection.execute("SELECT session_user").fetchone()
    except psycopg.OperationalError as error:
        return str(error).rpartition("FATAL:")[2].strip()
    assert row is not None
    return str(row[0])


REFUSED = f'Cloud SQL IAM service account authentication failed for user "{CHECKOUT_NAME}"'


def test_a_login_takes_the_permission(emulator: Emulator) -> None:
    before = logged_in(emulator, CHECKOUT_NAME, CHECKOUT)

    emulator.admin.add_binding(RESOURCE, LOGIN_ROLE, CHECKOUT)

    assert before == REFUSED
    assert logged_in(emulator, CHECKOUT_NAME, CHECKOUT) == CHECKOUT_NAME


def test_nobody_logs_in_as_somebody_else(emulator: Emulator) -> None:
    emulator.admin.add_binding(RESOURCE, LOGIN_ROLE, CHECKOUT)
    emulator.admin.add_binding(RESOURCE, LOGIN_ROLE, ALICE)

    assert logged_in(emulator, CHECKOUT_NAME, ALICE) == REFUSED


def test_a_revocation_acts_after_its_propagation(emulator: Emulator) -> None:
    emulator.admin.add_binding(RESOURCE, LOGIN_ROLE, CHECKOUT)
    emulator.admin.set_propagation(revocations=420)

    emulator.admin.remove_member(RESOURCE, CHECKOUT)

    at_once = logged_in(emulator, CHECKOUT_NAME, CHECKOUT)
    emulator.admin.advance_clock(421)
    later = logged_in(emulator, CHECKOUT_NAME, CHECKOUT)
    emulator.admin.set_propagation()
    assert (at_once, later) == (CHECKOUT_NAME, REFUSED)


def test_a_condition_on_another_instance_lets_nobody_in(emulator: Emulator) -> None:
    condition = {"title": "other", "expression": "resource.name == 'projects/acme-prod/instances/billing'"}

    emulator.admin.add_binding(RESOURCE, LOGIN_ROLE, CHECKOUT, condition)

    assert logged_in(emulator, CHECKOUT_NAME, CHECKOUT) == REFUSED


def test_a_group_members_user_is_made_at_the_first_login(emulator: Emulator) -> None:
    insert(emulator, TEAM_EMAIL, "CLOUD_IAM_GROUP")
    emulator.admin.add_binding(RESOURCE, LOGIN_ROLE, f"group:{TEAM_EMAIL}")

    name = logged_in(emulator, ALICE_NAME, ALICE)

    (alice,) = [user for user in emulator.admin.users(PROJECT, INSTANCE) if user["name"] == ALICE_NAME]
    assert name == ALICE_NAME
    assert (alice["type"], alice["roles"]) == ("CLOUD_IAM_GROUP_USER", [TEAM_EMAIL])


def test_a_group_members_user_goes_with_the_group(emulator: Emulator) -> None:
    insert(emulator, TEAM_EMAIL, "CLOUD_IAM_GROUP")
    emulator.admin.add_binding(RESOURCE, LOGIN_ROLE, f"group:{TEAM_EMAIL}")
    logged_in(emulator, ALICE_NAME, ALICE)

    google_client(emulator, "sqladmin", "v1", ADMIN).users().delete(**PLACE, name=TEAM_EMAIL).execute()

    assert ALICE_NAME not in {user["name"] for user in emulator.admin.users(PROJECT, INSTANCE)}


def test_a_stopped_instance_lets_nobody_in(emulator: Emulator) -> None:
    emulator.admin.add_binding(RESOURCE, LOGIN_ROLE, CHECKOUT)
    emulator.admin.stop_instance(PROJECT, INSTANCE)

    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(host=emulator.instance_address(CONNECTION_NAME), user=CHECKOUT_NAME, connect_timeout=60)


def test_connector_enforcement_refuses_direct_sessions(emulator: Emulator) -> None:
    emulator.admin.add_binding(RESOURCE, LOGIN_ROLE, CHECKOUT)
    emulator.admin.set_settings(PROJECT, INSTANCE, {"connectorEnforcement": "REQUIRED"})

    assert "pg_hba.conf rejects connection" in logged_in(emulator, CHECKOUT_NAME, CHECKOUT)


def test_logins_are_in_the_journal(emulator: Emulator) -> None:
    begin = emulator.admin.position()

    logged_in(emulator, CHECKOUT_NAME, CHECKOUT)

    (login,) = emulator.admin.journal(since=begin, kind="login")
    assert (login.caller, login.status, login.summary["user"]) == (CHECKOUT, 401, CHECKOUT_NAME)
    assert login.detail.endswith("The caller does not have permission")


def test_googles_own_connector_logs_in_with_a_key_file(emulator: Emulator) -> None:
    emulator.admin.add_binding(RESOURCE, LOGIN_ROLE, CHECKOUT)
    emulator.admin.add_binding(RESOURCE, "roles/cloudsql.client", CHECKOUT)
    make: Any = service_account.Credentials.from_service_account_info

    with (
        Connector(
            sqladmin_api_endpoint=emulator.api_url,
            credentials=make(emulator.admin.new_key(CHECKOUT_EMAIL)),
            refresh_strategy=RefreshStrategy.LAZY,
        ) as connector,
        connector.connect(
            CONNECTION_NAME, "psycopg", user=CHECKOUT_NAME, db="orders", enable_iam_auth=True
        ) as connection,
    ):
        row = connection.execute("SELECT session_user").fetchone()

    assert row == (CHECKOUT_NAME,)


def test_a_connector_without_the_client_role_is_refused_by_the_api(emulator: Emulator) -> None:
    emulator.admin.add_binding(RESOURCE, LOGIN_ROLE, CHECKOUT)
    make: Any = service_account.Credentials.from_service_account_info
    begin = emulator.admin.position()

    with (
        Connector(
            sqladmin_api_endpoint=emulator.api_url,
            credentials=make(emulator.admin.new_key(CHECKOUT_EMAIL)),
            refresh_strategy=RefreshStrategy.LAZY,
        ) as connector,
        pytest.raises(Exception, match="403"),
    ):
        connector.connect(CONNECTION_NAME, "psycopg", user=CHECKOUT_NAME, db="orders", enable_iam_auth=True)

    refused = [entry for entry in emulator.admin.journal(since=begin, kind="api") if entry.status == 403]
    assert {entry.permissions for entry in refused} == {("cloudsql.instances.connect",)}
