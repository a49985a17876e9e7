"""The allow rules of an instance, evaluated: empty is nobody, and one rule must allow all of a request."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cloudsql_iam_operator.api.instance import (
    AccessRule,
    AccountProof,
    LabelRequirement,
    NamespaceMatch,
    PrincipalMatch,
)
from cloudsql_iam_operator.api.user import (
    AdoptionPolicy,
    Group,
    KubernetesServiceAccount,
    ServiceAccount,
    User,
    WorkforceIdentity,
)
from cloudsql_iam_operator.core.access.powers import Power
from cloudsql_iam_operator.core.access.rules import (
    Allowed,
    GrantRequest,
    Lifetime,
    UserRequest,
    allow_grant,
    allow_user,
)
from cloudsql_iam_operator.core.access.tenants import Tenant
from cloudsql_iam_operator.core.errors import Refused
from cloudsql_iam_operator.core.reasons import Reason

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)
RULE = AccessRule(
    name="orders-team",
    namespaces=NamespaceMatch(("orders",), None),
    principals=PrincipalMatch(
        AccountProof.VERIFIED, ("*@acme-orders.iam.gserviceaccount.com",), ("orders-*@acme.com",), ()
    ),
    databases=("orders", "orders_*"),
    schemas=("app",),
    database_roles=("app_ro", "pg_monitor"),
    privileges=("CONNECT", "USAGE", "SELECT"),
    allow_adoption=False,
    max_expiry=None,
)
USER = UserRequest(
    tenant=Tenant("orders", {"team": "orders"}),
    principal=KubernetesServiceAccount("checkout"),
    email="checkout@acme-prod.iam.gserviceaccount.com",
    proof=AccountProof.VERIFIED,
    database_roles=("app_ro",),
    adoption=AdoptionPolicy.NEVER,
    lifetime=Lifetime(None, NOW),
    operator="operator@acme-prod.iam",
)
GRANT = GrantRequest(
    tenant=Tenant("orders", {"team": "orders"}),
    database="orders",
    schemas=("app",),
    privileges=("SELECT",),
    roles=("app_ro",),
    lifetime=Lifetime(None, NOW),
)


def refusal(call: Callable[..., Allowed], *args: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        call(*args)
    return caught.value


def test_no_rules_allow_nobody() -> None:
    assert refusal(allow_user, (), USER).reason is Reason.NAMESPACE_NOT_ALLOWED
    assert refusal(allow_grant, (), GRANT).reason is Reason.NAMESPACE_NOT_ALLOWED


def test_a_rule_that_allows_all_of_a_request_is_named() -> None:
    assert allow_user((RULE,), USER) == Allowed("orders-team", may_adopt=False)
    assert allow_grant((RULE,), GRANT) == Allowed("orders-team", may_adopt=False)


def test_a_rule_without_namespaces_matches_none() -> None:
    rule = replace(RULE, namespaces=NamespaceMatch((), None))

    assert refusal(allow_user, (rule,), USER).reason is Reason.NAMESPACE_NOT_ALLOWED


@pytest.mark.parametrize(
    ("requirement", "allowed"),
    [
        (LabelRequirement("team", "In", ("orders",)), True),
        (LabelRequirement("team", "In", ("billing",)), False),
        (LabelRequirement("team", "NotIn", ("billing",)), True),
        (LabelRequirement("absent", "NotIn", ("billing",)), True),
        (LabelRequirement("team", "Exists", ()), True),
        (LabelRequirement("absent", "Exists", ()), False),
        (LabelRequirement("absent", "DoesNotExist", ()), True),
        (LabelRequirement("team", "Gt", ("1",)), False),
    ],
)
def test_a_selector_reads_labels_as_kubernetes_does(requirement: LabelRequirement, allowed: bool) -> None:
    rule = replace(RULE, namespaces=NamespaceMatch((), (requirement,)))

    if allowed:
        assert allow_user((rule,), USER).rule == "orders-team"
    else:
        assert refusal(allow_user, (rule,), USER).reason is Reason.NAMESPACE_NOT_ALLOWED


def test_names_and_selector_must_both_hold() -> None:
    selector = (LabelRequirement("team", "In", ("orders",)),)
    rule = replace(RULE, namespaces=NamespaceMatch(("billing",), selector))

    assert refusal(allow_user, (rule,), USER).reason is Reason.NAMESPACE_NOT_ALLOWED


@pytest.mark.parametrize(
    ("needed", "shown", "allowed"),
    [
        (AccountProof.VERIFIED, AccountProof.VERIFIED, True),
        (AccountProof.VERIFIED, AccountProof.ANNOTATED, False),
        (AccountProof.ANNOTATED, AccountProof.ANNOTATED, True),
        (AccountProof.ANNOTATED, AccountProof.VERIFIED, True),
        (AccountProof.ANNOTATED, AccountProof.NONE, False),
        (AccountProof.NONE, AccountProof.VERIFIED, False),
    ],
)
def test_a_kubernetes_service_account_must_show_its_proof(
    needed: AccountProof, shown: AccountProof, allowed: bool
) -> None:
    rule = replace(RULE, principals=PrincipalMatch(needed, (), (), ()))
    request = replace(USER, proof=shown)

    if allowed:
        assert allow_user((rule,), request).rule == "orders-team"
    else:
        assert refusal(allow_user, (rule,), request).reason is Reason.PRINCIPAL_NOT_ALLOWED


def test_an_unproven_service_account_is_told_what_proof_is_missing() -> None:
    denied = refusal(allow_user, (RULE,), replace(USER, proof=AccountProof.ANNOTATED))

    assert denied.message == (
        "access rule 'orders-team' does not allow ServiceAccount checkout acting as "
        "checkout@acme-prod.iam.gserviceaccount.com, "
        "which is not proven by roles/iam.workloadIdentityUser on that account"
    )


def test_patterns_allow_each_kind_of_principal_by_its_own_list() -> None:
    account = "batch@acme-orders.iam.gserviceaccount.com"

    assert allow_user((RULE,), replace(USER, principal=ServiceAccount(account), email=account)).rule == "orders-team"
    group = replace(USER, principal=Group("orders-dev@acme.com"), email="orders-dev@acme.com")
    assert allow_user((RULE,), group).rule == "orders-team"
    person = replace(USER, principal=User("orders-dev@acme.com"), email="orders-dev@acme.com")
    assert refusal(allow_user, (RULE,), person).reason is Reason.PRINCIPAL_NOT_ALLOWED


def test_a_pattern_for_people_lets_in_no_workforce_subject_that_looks_alike() -> None:
    subject = "principal://iam.googleapis.com/locations/global/workforcePools/other/subject/ann@acme.com"
    rule = replace(RULE, principals=PrincipalMatch(AccountProof.NONE, (), (), ("*@acme.com",)))
    request = replace(USER, principal=WorkforceIdentity(subject), email="ann@acme.com")
    pool = "principal://iam.googleapis.com/locations/global/workforcePools/other/subject/*"

    assert refusal(allow_user, (rule,), request).reason is Reason.PRINCIPAL_NOT_ALLOWED
    named = replace(rule, principals=PrincipalMatch(AccountProof.NONE, (), (), (), (pool,)))
    assert allow_user((named,), request).rule == "orders-team"


def test_two_rules_do_not_add_up() -> None:
    other = replace(RULE, name="writers", databases=("billing",), privileges=("INSERT",))

    denied = refusal(allow_grant, (RULE, other), replace(GRANT, privileges=("SELECT", "INSERT")))

    assert denied.reason is Reason.PRIVILEGE_NOT_ALLOWED
    assert denied.message == (
        "access rule 'orders-team' does not allow INSERT: "
        "ask for it in spec.access['orders-team'].privileges of the CloudSQLInstance, or leave it out"
    )


@pytest.mark.parametrize(
    ("request_", "reason", "named"),
    [
        (replace(GRANT, tenant=Tenant("billing", {})), Reason.NAMESPACE_NOT_ALLOWED, "billing"),
        (replace(GRANT, database="billing"), Reason.DATABASE_NOT_ALLOWED, "billing"),
        (replace(GRANT, roles=("app_rw",)), Reason.ROLE_NOT_ALLOWED, "app_rw"),
        (replace(GRANT, schemas=("app", "hr")), Reason.SCHEMA_NOT_ALLOWED, "hr"),
        (replace(GRANT, privileges=("TRUNCATE",)), Reason.PRIVILEGE_NOT_ALLOWED, "TRUNCATE"),
        (replace(GRANT, schemas=("pg_catalog",)), Reason.SCHEMA_NOT_ALLOWED, "pg_catalog"),
        (replace(GRANT, schemas=("information_schema",)), Reason.SCHEMA_NOT_ALLOWED, "information_schema"),
    ],
)
def test_a_refusal_names_what_no_rule_allows(request_: GrantRequest, reason: Reason, named: str) -> None:
    denied = refusal(allow_grant, (RULE,), request_)

    assert denied.reason is reason
    assert named in denied.message


def test_a_refusal_says_which_field_of_the_rule_would_help() -> None:
    person = replace(USER, principal=User("ann@acme.example"), email="ann@acme.example")

    assert refusal(allow_user, (RULE,), person).message == (
        "access rule 'orders-team' does not allow ann@acme.example: "
        "ask for it in spec.access['orders-team'].principals of the CloudSQLInstance, or leave it out"
    )
    assert refusal(allow_grant, (RULE,), replace(GRANT, roles=("app_rw",))).message == (
        "access rule 'orders-team' does not allow database role app_rw: "
        "ask for it in spec.access['orders-team'].databaseRoles of the CloudSQLInstance, or leave it out"
    )


def test_names_may_be_globs() -> None:
    assert allow_grant((RULE,), replace(GRANT, database="orders_archive")).rule == "orders-team"


@pytest.mark.parametrize("role", ["cloudsqladmin", "cloudsqliamuser", "postgres", "PUBLIC", "operator@acme-prod.iam"])
def test_some_roles_are_never_given(role: str) -> None:
    rule = replace(RULE, database_roles=("*", role))

    denied = refusal(allow_user, (rule,), replace(USER, database_roles=(role,)))

    assert denied.reason is Reason.ROLE_NOT_ALLOWED


def test_a_predefined_role_must_be_listed_by_its_name() -> None:
    everything = replace(RULE, database_roles=("*",))
    request = replace(USER, database_roles=("pg_monitor",))

    assert refusal(allow_user, (everything,), request).reason is Reason.ROLE_NOT_ALLOWED
    assert allow_user((RULE,), request).rule == "orders-team"


@pytest.mark.parametrize(
    ("expires_at", "allowed"),
    [(None, False), (NOW + timedelta(hours=8), True), (NOW + timedelta(hours=8, seconds=1), False)],
)
def test_a_bounded_rule_wants_an_expiry_within_its_bound(expires_at: datetime | None, allowed: bool) -> None:
    rule = replace(RULE, max_expiry=8 * 3600)
    request = replace(USER, lifetime=Lifetime(expires_at, NOW))

    if allowed:
        assert allow_user((rule,), request).rule == "orders-team"
    else:
        assert refusal(allow_user, (rule,), request).reason is Reason.EXPIRY_NOT_ALLOWED


def test_required_adoption_needs_a_rule_that_allows_it() -> None:
    request = replace(USER, adoption=AdoptionPolicy.REQUIRED)

    assert refusal(allow_user, (RULE,), request).reason is Reason.EXTERNAL_RESOURCE_EXISTS
    assert allow_user((replace(RULE, allow_adoption=True),), request) == Allowed("orders-team", may_adopt=True)


@pytest.mark.parametrize(
    ("power", "rule"),
    [
        (Power.PUBLIC, replace(RULE, allow_public=True)),
        (Power.GRANT_OPTION, replace(RULE, allow_grant_option=True)),
        (Power.EXCLUSIVE, replace(RULE, allow_exclusive=True)),
        (Power.NEW_SCHEMAS, replace(RULE, schemas=("*",))),
        (Power.OUTSIDE_SCHEMAS, replace(RULE, schemas=("*",))),
    ],
)
def test_a_power_takes_a_rule_that_gives_it(power: Power, rule: AccessRule) -> None:
    request = replace(GRANT, powers=frozenset({power}))

    assert refusal(allow_grant, (RULE,), request).reason is Reason.PRIVILEGE_NOT_ALLOWED
    assert power.value in refusal(allow_grant, (RULE,), request).message
    assert allow_grant((rule,), request) == Allowed("orders-team", may_adopt=False)


@pytest.mark.parametrize(("listed", "allowed"), [(("*",), False), (("cloudsqlsuperuser",), True)])
def test_the_administrators_role_is_for_users_whose_rule_names_it_and_for_no_grant(
    listed: tuple[str, ...], allowed: bool
) -> None:
    rule = replace(RULE, database_roles=listed)
    request = replace(USER, database_roles=("cloudsqlsuperuser",))

    if allowed:
        assert allow_user((rule,), request).rule == "orders-team"
    else:
        assert refusal(allow_user, (rule,), request).reason is Reason.ROLE_NOT_ALLOWED
    grant = replace(GRANT, roles=("cloudsqlsuperuser",))
    assert refusal(allow_grant, (rule,), grant).reason is Reason.ROLE_NOT_ALLOWED
