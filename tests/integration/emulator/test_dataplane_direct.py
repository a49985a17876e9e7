"""Port 5432: tokens and passwords over TLS that the client asks for."""

from collections.abc import Iterator

import psycopg
import pytest

from cloudsql_emulator.dataplane import InstanceSettings, LoginAttempt
from cloudsql_emulator.standalone import ALICE, CHECKOUT, StandaloneGround, StandaloneInstance, standalone_ground
from cloudsql_emulator.tunnel import AUTHENTICATION_OK


@pytest.fixture(scope="module")
def ground() -> Iterator[StandaloneGround]:
    with standalone_ground() as ground:
        yield ground


@pytest.fixture
def instance(ground: StandaloneGround) -> Iterator[StandaloneInstance]:
    with ground.instance() as instance:
        yield instance


def test_a_token_is_an_iam_users_password(instance: StandaloneInstance) -> None:
    with instance.connect("checkout@acme.iam", "checkout-token") as connection:
        row = connection.execute("SELECT session_user, current_database()").fetchone()

    assert row == ("checkout@acme.iam", "orders")
    assert instance.attempts == [LoginAttempt("checkout@acme.iam", "orders", CHECKOUT, 5432, "iam")]


def test_text_that_is_no_token_fails_a_service_account_in_cloud_sqls_words(instance: StandaloneInstance) -> None:
    said = instance.refusal("checkout@acme.iam", "guess")

    expected = 'FATAL:  Cloud SQL IAM service account authentication failed for user "checkout@acme.iam"'
    assert expected in said
    assert instance.attempts[-1].outcome == "refused"
    assert instance.attempts[-1].detail.endswith(
        "Request is missing required authentication credential. Expected OAuth 2 access token"
    )
    assert "guess" not in instance.attempts[-1].detail


def test_text_that_is_no_token_fails_a_user_in_cloud_sqls_words(instance: StandaloneInstance) -> None:
    said = instance.refusal("alice@example.com", "guess")

    assert 'FATAL:  Cloud SQL IAM user authentication failed for user "alice@example.com"' in said


def test_a_client_that_only_prefers_tls_is_told_twice(instance: StandaloneInstance) -> None:
    said = instance.refusal("checkout@acme.iam", "guess", sslmode="prefer")

    assert 'Cloud SQL IAM service account authentication failed for user "checkout@acme.iam"' in said
    assert 'pg_hba.conf rejects connection for host "127.0.0.1", user "checkout@acme.iam"' in said
    assert "SSL off" in said


def test_another_principals_token_is_refused(instance: StandaloneInstance) -> None:
    said = instance.refusal("checkout@acme.iam", "alice-token")

    assert "Cloud SQL IAM service account authentication failed" in said
    assert instance.attempts[-1].principal == ALICE
    assert instance.attempts[-1].detail.endswith("The caller does not have permission")


def test_a_token_without_a_login_scope_is_refused(instance: StandaloneInstance) -> None:
    said = instance.refusal("checkout@acme.iam", "checkout-admin-token")

    assert "Cloud SQL IAM service account authentication failed" in said


def test_a_principal_without_instances_login_is_refused(instance: StandaloneInstance) -> None:
    said = instance.refusal("reports@acme.iam", "reports-token")

    assert 'Cloud SQL IAM service account authentication failed for user "reports@acme.iam"' in said


def test_a_withdrawn_permission_acts_on_the_next_login_and_leaves_open_sessions(instance: StandaloneInstance) -> None:
    with instance.connect("checkout@acme.iam", "checkout-token") as connection:
        instance.google.allowed.discard(CHECKOUT)

        said = instance.refusal("checkout@acme.iam", "checkout-token")

        assert "IAM service account authentication failed" in said
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_builtin_user_signs_in_with_its_password(instance: StandaloneInstance) -> None:
    with instance.connect("bob", "bob-password") as connection:
        assert connection.execute("SELECT session_user").fetchone() == ("bob",)

    assert instance.attempts == [LoginAttempt("bob", "orders", None, 5432, "password")]


def test_a_builtin_user_is_refused_with_a_wrong_password_and_with_a_token(instance: StandaloneInstance) -> None:
    for password in ("wrong", "checkout-token"):
        said = instance.refusal("bob", password)

        assert 'password authentication failed for user "bob"' in said


@pytest.mark.parametrize("user", ["nobody", "nobody@example.com", "checkout@acme.iam.gserviceaccount.com"])
def test_an_absent_user_fails_as_if_its_password_were_wrong(instance: StandaloneInstance, user: str) -> None:
    said = instance.refusal(user, "checkout-token")

    assert f'password authentication failed for user "{user}"' in said


def test_a_builtin_user_that_is_given_an_iam_users_role_loses_its_password_until_it_is_taken_back(
    instance: StandaloneInstance,
) -> None:
    with instance.superuser() as superuser:
        superuser.execute('GRANT "checkout@acme.iam" TO bob')
        said = instance.refusal("bob", "bob-password")
        superuser.execute('REVOKE "checkout@acme.iam" FROM bob')

    assert 'Cloud SQL IAM service account authentication failed for user "bob"' in said
    instance.connect("bob", "bob-password").close()


def test_google_s_own_account_is_closed_to_customers(instance: StandaloneInstance) -> None:
    said = instance.refusal("cloudsqladmin", "x")

    assert (
        'pg_hba.conf rejects connection for host "127.0.0.1", user "cloudsqladmin", database "orders", SSL on' in said
    )


def test_iam_users_need_tls_and_builtin_users_do_not(instance: StandaloneInstance) -> None:
    said = instance.refusal("checkout@acme.iam", "checkout-token", sslmode="disable")

    assert 'user "checkout@acme.iam", database "orders", SSL off' in said
    with instance.connect("bob", "bob-password", sslmode="disable") as connection:
        assert connection.execute("SELECT session_user").fetchone() == ("bob",)


def test_encrypted_only_refuses_plain_connections(instance: StandaloneInstance) -> None:
    instance.google.in_force = InstanceSettings(ssl_mode="ENCRYPTED_ONLY")

    said = instance.refusal("bob", "bob-password", sslmode="disable")

    assert 'pg_hba.conf rejects connection for host "127.0.0.1", user "bob", database "orders", SSL off' in said
    instance.connect("bob", "bob-password").close()


def test_trusted_client_certificate_required_refuses_direct_connections_without_one(
    instance: StandaloneInstance,
) -> None:
    instance.google.in_force = InstanceSettings(ssl_mode="TRUSTED_CLIENT_CERTIFICATE_REQUIRED")

    said = instance.refusal("checkout@acme.iam", "checkout-token")

    assert "connection requires a valid client certificate" in said
    with instance.tunnel(CHECKOUT) as tunnel:
        assert tunnel.log_in("checkout@acme.iam", "orders") == AUTHENTICATION_OK


def test_connector_enforcement_refuses_direct_connections_and_lets_connectors_in(instance: StandaloneInstance) -> None:
    instance.google.in_force = InstanceSettings(connector_enforcement="REQUIRED")

    said = instance.refusal("checkout@acme.iam", "checkout-token")

    assert "pg_hba.conf rejects connection" in said
    with instance.tunnel(CHECKOUT) as tunnel:
        assert tunnel.log_in("checkout@acme.iam", "orders") == AUTHENTICATION_OK


def test_iam_users_are_locked_out_while_the_flag_is_off(instance: StandaloneInstance) -> None:
    instance.google.in_force = InstanceSettings(iam_authentication=False)

    said = instance.refusal("checkout@acme.iam", "checkout-token")

    assert 'password authentication failed for user "checkout@acme.iam"' in said
    instance.connect("bob", "bob-password").close()


def test_a_stopped_instance_hangs_up(instance: StandaloneInstance) -> None:
    instance.google.in_force = InstanceSettings(running=False)

    with pytest.raises(psycopg.OperationalError):
        instance.connect("bob", "bob-password")

    assert instance.attempts == []
