"""Connections to an instance: by IAM through Google's connector, and with a password over verified TLS."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Self

import pytest

from cloudsql_emulator.certificates import InstanceCertificates
from cloudsql_emulator.connector_api import CheckoutCredentials, connector_api
from cloudsql_emulator.login import TokenPrincipal
from cloudsql_emulator.standalone import StandaloneInstance, standalone_ground
from cloudsql_iam_operator.adapters.google.credentials import Identity
from cloudsql_iam_operator.adapters.postgres.connect import Connect, Connectors, PasswordLogin, by_password
from cloudsql_iam_operator.adapters.postgres.database import Access
from cloudsql_iam_operator.api.instance import ConnectionName, IPType
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.grants.decided.counts import Observed
from cloudsql_iam_operator.core.instances import InstanceFacts
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.lanes.database_pass import run_pass
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer
from support.granting.wording import key, on_database, table, want

ORDERS = ConnectionName("acme", "europe-west1", "orders")
CHECKOUT = "checkout@acme.iam"
NUMBERS = itertools.count()
DNS_NAME = "orders.acme.europe-west1.sql.goog"


class RenewedCredentials(CheckoutCredentials):
    """The same with tokens that are about to expire: each renewal makes another, and those before no good."""

    def __init__(self, tokens: dict[str, TokenPrincipal]) -> None:
        self.tokens = tokens
        super().__init__()

    def with_scopes(self, scopes: object, default_scopes: object = None) -> Self:
        return type(self)(self.tokens)

    def refresh(self, request: object) -> None:
        super().refresh(request)
        for token in renewed(self.tokens):
            del self.tokens[token]
        self.token = f"renewed-{next(NUMBERS)}"
        self.tokens[self.token] = self.tokens["checkout-token"]
        self.expiry = datetime.now(UTC).replace(tzinfo=None) + timedelta(minutes=3)


def renewed(tokens: dict[str, TokenPrincipal]) -> list[str]:
    """The tokens of renewed credentials that are still good."""
    return [token for token in tokens if token.startswith("renewed-")]


@dataclass(frozen=True, slots=True)
class Ways:
    instance: StandaloneInstance
    connectors: Connectors

    def iam(self, user: str = CHECKOUT, ip_type: IPType = IPType.PUBLIC, name: ConnectionName = ORDERS) -> Connect:
        return self.connectors.iam(Identity(CheckoutCredentials(), "checkout"), name, user, ip_type)

    def password(
        self, password: str, authority: InstanceCertificates | None = None, *, server_name: str = ""
    ) -> Connect:
        trusted = authority or self.instance.certificates
        address = self.instance.plane.address
        login = PasswordLogin(address, "bob", password, trusted.server_ca_pem, server_name=server_name)
        return by_password(ORDERS, login)


@pytest.fixture(scope="module")
def ways() -> Iterator[Ways]:
    with standalone_ground() as ground, ground.instance(DNS_NAME) as instance, connector_api(instance) as url:
        connectors = Connectors(url)
        try:
            yield Ways(instance, connectors)
        finally:
            connectors.close()


def failure(connect: Connect, database: str = "orders") -> NotYet:
    with pytest.raises(NotYet) as caught:
        connect(database)
    return caught.value


def test_a_pass_runs_over_the_connector_as_cloudsqlsuperuser(ways: Ways) -> None:
    ways.instance.loop.run(ways.instance.server.grant_roles(CHECKOUT, ["cloudsqlsuperuser"]))
    with ways.instance.superuser() as superuser:
        superuser.execute("create role app_owner; grant app_owner to cloudsqlsuperuser; create role x")
        superuser.execute("create schema app authorization app_owner; create table app.orders ()")
        superuser.execute("alter table app.orders owner to app_owner")
    access = Access(ways.iam(), "cloudsqlsuperuser", ("app_owner",), lambda: None, str(ORDERS))

    answer = run_pass(access, "orders", {key("a"): want(on_database("CONNECT"), table("SELECT"))}, {}, None).answers

    granted = answer[key("a")]
    assert isinstance(granted, GrantAnswer)
    assert granted.problems == ()
    assert granted.observed == Observed(desired=2, held=2)
    assert granted.executed == (
        'GRANT CONNECT ON DATABASE "orders" TO "x"',
        'GRANT SELECT ON TABLE "app"."orders" TO "x"',
    )


def test_a_session_goes_on_when_its_token_is_no_good_any_more_and_the_next_one_has_a_fresh_one(ways: Ways) -> None:
    tokens = ways.instance.google.tokens
    identity = Identity(RenewedCredentials(tokens), "renewed")
    connect = ways.connectors.iam(identity, ORDERS, CHECKOUT, IPType.PUBLIC)

    with connect("orders") as first:
        former = renewed(tokens)
        with connect("orders") as second:
            latest = renewed(tokens)
            users = [session.execute("select session_user").fetchone() for session in (first, second)]

    assert users == [(CHECKOUT,), (CHECKOUT,)]
    assert (len(former), len(latest)) == (1, 1)
    assert former != latest


def test_a_password_works_over_verified_tls(ways: Ways) -> None:
    with ways.password("bob-password")("orders") as connection:
        row = connection.execute("select session_user").fetchone()

    assert row == ("bob",)


def test_sessions_of_either_way_start_with_our_own_settings(ways: Ways) -> None:
    with ways.instance.superuser() as superuser:
        superuser.execute(
            "alter database orders set search_path = evil; alter database orders set statement_timeout = 7"
        )
    told = "select current_setting('search_path'), current_setting('statement_timeout')"

    for connect in (ways.iam(), ways.password("bob-password")):
        with connect("orders") as connection:
            assert connection.execute(told).fetchone() == ("pg_catalog, pg_temp", "0")


def test_a_missing_database_is_told_by_name_on_either_way(ways: Ways) -> None:
    found = [failure(connect, "nowhere") for connect in (ways.iam(), ways.password("bob-password"))]

    assert [str(one) for one in found] == [
        "DatabaseNotFound: database 'nowhere' does not exist on acme:europe-west1:orders: create it"
    ] * 2


def test_a_failed_iam_login_says_the_same_at_every_try(ways: Ways) -> None:
    first, second = (failure(ways.iam("alice@example.com")) for _ in range(2))

    assert first.reason is Reason.DATABASE_LOGIN_FAILED
    assert 'Cloud SQL IAM user authentication failed for user "alice@example.com"' in first.message
    assert first.message == second.message


def test_a_wrong_password_is_a_failed_login_that_does_not_show_it(ways: Ways) -> None:
    found = failure(ways.password("hunter2"))

    assert found.reason is Reason.DATABASE_LOGIN_FAILED
    assert "hunter2" not in found.message
    assert "hunter2" not in repr(PasswordLogin("h", "u", "hunter2", "ca"))


def test_a_server_that_another_authority_signed_is_not_talked_to(ways: Ways) -> None:
    found = failure(ways.password("bob-password", InstanceCertificates("acme", "impostor")))

    assert found.reason is Reason.DATABASE_UNREACHABLE
    assert "certificate verify failed" in found.message


def test_under_an_authority_of_many_only_the_instances_own_name_is_talked_to(ways: Ways) -> None:
    ways.password("bob-password", server_name=DNS_NAME)("orders").close()
    found = failure(ways.password("bob-password", server_name="other.acme.europe-west1.sql.goog"))

    assert found.reason is Reason.DATABASE_UNREACHABLE
    assert "does not match host name" in found.message


@pytest.mark.parametrize("mode", ["GOOGLE_MANAGED_CAS_CA", "CUSTOMER_MANAGED_CAS_CA", "SOME_CA_OF_TOMORROW"])
def test_an_authority_of_many_without_a_name_to_verify_is_not_trusted(mode: str) -> None:
    names = (("", "any.goog"), ("PRIVATE_SERVICES_ACCESS", DNS_NAME))
    facts = InstanceFacts("RUNNABLE", False, "POSTGRES_17", True, "CLOUD_SQL_INSTANCE", "europe-west1", frozenset())

    assert facts.server_name("PUBLIC") == ""
    assert replace(facts, dns_names=names).server_name("PUBLIC") == ""
    assert replace(facts, server_ca_mode=mode, dns_names=names).server_name("PUBLIC") == "any.goog"
    assert replace(facts, server_ca_mode=mode, dns_names=names).server_name("PRIVATE_SERVICES_ACCESS") == DNS_NAME
    with pytest.raises(NotYet) as caught:
        replace(facts, server_ca_mode=mode).server_name("PUBLIC")
    assert caught.value.reason is Reason.DATABASE_UNREACHABLE


def test_an_instance_without_the_address_that_is_asked_for_cannot_be_reached(ways: Ways) -> None:
    found = failure(ways.iam(ip_type=IPType.PSC))

    assert found.reason is Reason.DATABASE_UNREACHABLE
    assert "PSC" in found.message


def test_an_instance_that_google_does_not_know_cannot_be_reached(ways: Ways) -> None:
    found = failure(ways.iam(name=ConnectionName("acme", "europe-west1", "nope")))

    assert found.reason is Reason.DATABASE_UNREACHABLE
    assert "404" in found.message
