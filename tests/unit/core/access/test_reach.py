"""How far a rule reaches: no further than it says, whatever else the instance or its other rules say."""

from datetime import UTC, datetime
from typing import Any

import pytest

from cloudsql_iam_operator.api.instance import AccessRule, CloudSQLInstance
from cloudsql_iam_operator.api.names import GRANT, INSTANCE, Key
from cloudsql_iam_operator.api.parsing.objects import parse
from cloudsql_iam_operator.core.access.requests import declared_request, recorded_request
from cloudsql_iam_operator.core.access.rules import Lifetime, allow_grant
from cloudsql_iam_operator.core.access.tenants import Tenant
from cloudsql_iam_operator.core.errors import Refused
from cloudsql_iam_operator.core.grants.desired.entries import entries_of
from cloudsql_iam_operator.core.grants.desired.ledger import ledger_of
from cloudsql_iam_operator.core.grants.desired.record import GrantRecord
from cloudsql_iam_operator.core.reasons import Reason

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)
META = {"uid": "u", "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"}
RULE: dict[str, Any] = {
    "name": "team",
    "namespaces": {"names": ["team"]},
    "databases": ["orders"],
    "schemas": ["app"],
    "databaseRoles": ["*"],
    "privileges": ["CONNECT", "CREATE", "SELECT", "USAGE", "ALL"],
}
WORK = {"database": {"setRole": "granter", "ownerRoles": ["app_owner", "vault_owner"]}}


def instance(*rules: dict[str, Any]) -> CloudSQLInstance:
    spec = {"connectionName": "acme:eu:orders", "admin": WORK, "access": [{**RULE, **rule} for rule in rules]}
    found = parse(Key(INSTANCE.name, "", "orders"), {"metadata": {"name": "orders", **META}, "spec": spec})
    assert isinstance(found, CloudSQLInstance)
    return found


def reason(spec: dict[str, Any], *rules: dict[str, Any]) -> set[Reason | None]:
    """Why a grant is refused, as it is declared and as it would be judged by its record; None where it is not."""
    told = {"instanceRef": {"name": "orders"}, "database": "orders", "grantees": [{"userRef": {"name": "checkout"}}]}
    body = {"metadata": {"name": "g", "namespace": "team", **META}, "spec": {**told, **spec}}
    grant: Any = parse(Key(GRANT.name, "team", "g"), body)
    where, tenant = instance(*(rules or ({},))), Tenant("team", {})
    roles = {one: "checkout@acme.iam" if one.name == "checkout" else one.name for one in grant.grantees}
    ledger = ledger_of(entries_of(grant, roles))
    record = GrantRecord("acme:eu:orders", "orders", "orders", ledger, {"checkout@acme.iam": "checkout"})
    requests = [
        declared_request(grant, where, tenant, Lifetime(None, NOW)),
        recorded_request(record, record.ledger, where, tenant, NOW),
    ]
    return {_refusal(where.access, request) for request in requests}


def _refusal(rules: tuple[AccessRule, ...], request: Any) -> Reason | None:
    try:
        allow_grant(rules, request)
    except Refused as refused:
        return refused.reason
    return None


@pytest.mark.parametrize("privilege", ["CREATE", "ALL"])
def test_create_in_a_named_schema_is_no_create_on_the_database(privilege: str) -> None:
    on_database = {"grants": [{"kind": "Database", "privileges": [privilege]}]}
    in_schema = {"grants": [{"kind": "Schema", "schemas": ["app"], "privileges": [privilege]}]}

    assert reason(on_database) == {Reason.PRIVILEGE_NOT_ALLOWED}
    assert reason(on_database, {"schemas": ["app", "*"]}) == {None}
    assert reason(on_database, {"schemas": []}) == {None}
    assert reason(in_schema) == {None}
    assert reason({"grants": [{"kind": "Database", "privileges": ["CONNECT"]}]}) == {None}


@pytest.mark.parametrize("role", ["admin@acme.iam", "ann@acme.com", "granter", "app_owner", "vault_owner"])
def test_no_glob_reaches_a_login_or_a_role_that_the_operator_works_as(role: str) -> None:
    membership, grantee = {"memberships": [{"role": role}]}, {"grantees": [{"role": role}], "preset": "read"}
    grantee["schemas"] = ["app"]

    for spec in (membership, grantee):
        assert reason(spec) == {Reason.ROLE_NOT_ALLOWED}
        assert reason(spec, {"databaseRoles": ["*", role[:-1] + "?"]}) == {Reason.ROLE_NOT_ALLOWED}
        assert reason(spec, {"databaseRoles": [role]}) == {None}


def test_an_ordinary_role_is_reached_by_a_glob() -> None:
    assert reason({"memberships": [{"role": "app_ro"}]}, {"databaseRoles": ["app_*"]}) == {None}


def test_what_another_rule_lists_does_not_count_for_mine() -> None:
    theirs = {"name": "theirs", "namespaces": {"names": ["theirs"]}, "databaseRoles": ["pg_monitor", "app_owner"]}

    for role in ("pg_monitor", "app_owner"):
        assert reason({"memberships": [{"role": role}]}, {"databaseRoles": ["*"]}, theirs) == {Reason.ROLE_NOT_ALLOWED}


def test_future_owners_are_only_those_that_the_rule_names_in_full() -> None:
    future = {"schema": "app", "kind": "Table", "privileges": ["SELECT"]}
    named = {"future": [{**future, "owners": ["vault_owner"]}]}

    assert reason({"future": [future]}) == {None}
    assert reason(named) == {Reason.ROLE_NOT_ALLOWED}
    assert reason(named, {"databaseRoles": ["vault_*"]}) == {Reason.ROLE_NOT_ALLOWED}
    assert reason(named, {"databaseRoles": ["vault_owner"]}) == {None}


def test_a_grant_option_on_record_needs_the_rule_to_allow_it_still() -> None:
    tables = {"kind": "Table", "schema": "app", "names": ["*"], "privileges": ["SELECT"]}
    spec = {"grants": [{**tables, "grantOption": True}]}
    admin = {"memberships": [{"role": "app_ro", "admin": True}]}

    for one in (spec, admin):
        assert reason(one) == {Reason.PRIVILEGE_NOT_ALLOWED}
        assert reason(one, {"allowGrantOption": True}) == {None}
