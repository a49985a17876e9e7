"""Service accounts of the emulated Google whose names PostgreSQL does not keep whole: their users and their logins."""

from collections.abc import Iterator

import psycopg
import pytest

from cloudsql_emulator.acme import ADMIN, CONNECTION_NAME, INSTANCE, PROJECT, acme
from cloudsql_emulator.clients import google_client
from cloudsql_emulator.emulator import Emulator
from integration.emulator.users import insert, refused, restore

KIND = "CLOUD_IAM_SERVICE_ACCOUNT"
RESOURCE = f"projects/{PROJECT}"
LOGIN_SCOPE = "https://www.googleapis.com/auth/sqlservice.login"
CUT = "orders-checkout-web-shop-team1@acme-production-environment-01.i"
WHOLE = "orders-checkout-web-shop-team1@acme-production-environment-01.iam"
RIVAL = "orders-checkout-web-shop-team1@acme-production-environment-01.iot.example.iam"
REFUSED = f'Cloud SQL IAM service account authentication failed for user "{CUT}"'


@pytest.fixture(scope="module")
def running() -> Iterator[Emulator]:
    with Emulator(acme()) as emulator:
        for name in (WHOLE, RIVAL):
            member = emulator.admin.add_principal("serviceAccount", f"{name}.gserviceaccount.com")
            emulator.admin.add_binding(RESOURCE, "roles/cloudsql.instanceUser", member)
        yield emulator


@pytest.fixture
def emulator(running: Emulator) -> Iterator[Emulator]:
    yield running
    running.admin.set_switch("cut_names", "own")
    restore(running)


def made(emulator: Emulator, name: str) -> None:
    insert(google_client(emulator, "sqladmin", "v1", ADMIN), name, KIND).execute()


def names(emulator: Emulator) -> list[str]:
    return [user["name"] for user in emulator.admin.users(PROJECT, INSTANCE) if user["type"] == KIND]


def logged_in(emulator: Emulator, user: str, account: str) -> str:
    """Who a direct session with the account's token is, or the refusal's first line."""
    token = emulator.admin.mint_token(f"serviceAccount:{account}.gserviceaccount.com", [LOGIN_SCOPE])
    host = emulator.instance_address(CONNECTION_NAME)
    try:
        with psycopg.connect(
            host=host, user=user, dbname="orders", password=token, sslmode="require", connect_timeout=60
        ) as connection:
            return str(connection.execute("SELECT session_user").fetchall()[0][0])
    except psycopg.OperationalError as error:
        return str(error).rpartition("FATAL:")[2].strip()


def test_a_user_with_a_long_name_is_made_with_the_first_63_bytes_of_it(emulator: Emulator) -> None:
    made(emulator, WHOLE)

    assert CUT in names(emulator)
    assert WHOLE not in names(emulator)


def test_its_account_logs_in_by_the_cut_name_and_no_other_does(emulator: Emulator) -> None:
    made(emulator, WHOLE)

    assert logged_in(emulator, CUT, WHOLE) == CUT
    assert logged_in(emulator, CUT, RIVAL) == REFUSED


def test_a_user_belongs_to_the_account_that_it_was_made_for_last_time(emulator: Emulator) -> None:
    made(emulator, WHOLE)
    google_client(emulator, "sqladmin", "v1", ADMIN).users().delete(
        project=PROJECT, instance=INSTANCE, name=CUT
    ).execute()

    made(emulator, RIVAL)

    assert logged_in(emulator, CUT, RIVAL) == CUT
    assert logged_in(emulator, CUT, WHOLE) == REFUSED


def test_cloud_sql_may_be_thought_to_tell_accounts_by_cut_names_only(emulator: Emulator) -> None:
    emulator.admin.set_switch("cut_names", "shared")
    made(emulator, WHOLE)

    assert logged_in(emulator, CUT, RIVAL) == CUT


def test_cloud_sql_may_be_thought_to_refuse_long_names(emulator: Emulator) -> None:
    emulator.admin.set_switch("cut_names", "refuse")

    request = insert(google_client(emulator, "sqladmin", "v1", ADMIN), WHOLE, KIND)

    assert "longer than 63 bytes" in refused(request)[2]


def test_the_cut_name_leads_to_no_account(emulator: Emulator) -> None:
    request = insert(google_client(emulator, "sqladmin", "v1", ADMIN), CUT, KIND)

    assert refused(request)[2].endswith(f"Provided {KIND}: {CUT}.gserviceaccount.com, does not exist.")
