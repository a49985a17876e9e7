"""Which accounts are the operator's own where an instance is, by e-mail address and by database user."""

import pytest

from cloudsql_iam_operator.api.instance import CloudSQLInstance
from cloudsql_iam_operator.api.names import INSTANCE, Key
from cloudsql_iam_operator.api.parsing.objects import parse
from cloudsql_iam_operator.core.access.own_accounts import own_accounts
from cloudsql_iam_operator.core.errors import Refused
from cloudsql_iam_operator.core.reasons import Reason

RUNS_AS = "operator@acme.iam.gserviceaccount.com"
LONG = "o" * 30 + "@" + "p" * 30 + ".iam.gserviceaccount.com"
"""PostgreSQL keeps 63 bytes of its database user's name, which another account's may be cut to as well."""


def instance(name: str, connection: str = "acme:eu:orders", impersonate: str = "") -> CloudSQLInstance:
    admin = {"impersonateServiceAccount": impersonate} if impersonate else {}
    metadata = {"name": name, "uid": "u", "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"}
    body = {"metadata": metadata, "spec": {"connectionName": connection, "admin": admin}}
    found = parse(Key(INSTANCE.name, "", name), body)
    assert isinstance(found, CloudSQLInstance)
    return found


ORDERS = instance("orders")
OTHERS: list[tuple[CloudSQLInstance, str]] = [
    (ORDERS, "operator@acme.iam"),
    (instance("again", impersonate="Admin@acme.iam.gserviceaccount.com"), "admin@acme.iam"),
    (instance("by-password"), "Postgres-Admin"),
    (instance("ledger", "acme:eu:ledger", "ledger-admin@acme.iam.gserviceaccount.com"), "ledger"),
    (instance("elsewhere", "other:eu:orders", "elsewhere@other.iam.gserviceaccount.com"), "elsewhere@other.iam"),
]


@pytest.mark.parametrize(
    ("email", "username", "why"),
    [
        (RUNS_AS, "operator@acme.iam", "the account that the operator runs as"),
        (RUNS_AS.upper(), "OPERATOR@ACME.IAM", "the account that the operator runs as"),
        ("admin@acme.iam.gserviceaccount.com", "admin@acme.iam", "acts as for CloudSQLInstance again"),
        ("ledger-admin@acme.iam.gserviceaccount.com", "ledger-admin@acme.iam", "acts as for CloudSQLInstance ledger"),
        ("someone@acme.com", "operator@acme.iam", "the account that the operator runs as"),
        ("someone@acme.com", "postgres-admin", "logs in as by CloudSQLInstance by-password"),
        ("someone@acme.com", f"{'o' * 30}@{'p' * 30}.i", "the account that the operator runs as"),
    ],
)
def test_what_the_operator_works_as_is_refused_by_either_name(email: str, username: str, why: str) -> None:
    own = own_accounts(ORDERS, (RUNS_AS, LONG), OTHERS)

    with pytest.raises(Refused) as caught:
        own.refuse(email, username)

    assert caught.value.reason is Reason.OPERATORS_OWN_ACCOUNT
    assert f"{email}, database user {username}, is " in caught.value.message
    assert why in caught.value.message


@pytest.mark.parametrize(
    ("email", "username"),
    [
        ("checkout@acme.iam.gserviceaccount.com", "checkout@acme.iam"),
        ("operator@other.iam.gserviceaccount.com", "operator@other.iam"),
        ("elsewhere@other.iam.gserviceaccount.com", "elsewhere@other.iam"),
        ("someone@acme.com", "ledger"),
        ("", ""),
    ],
)
def test_what_it_works_as_elsewhere_and_everybody_else_is_not(email: str, username: str) -> None:
    own = own_accounts(ORDERS, (RUNS_AS,), OTHERS)

    own.refuse(email, username)

    assert own.why(email, username) == ""


def test_where_nobody_knows_it_nothing_is_its_own() -> None:
    nobody = own_accounts(ORDERS, (), [(ORDERS, "")])

    assert (nobody.emails, nobody.usernames) == ({}, {})
