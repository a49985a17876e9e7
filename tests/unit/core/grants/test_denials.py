"""Which roles are refused as what: by exact name, by what they can do, and by what they reach."""

from dataclasses import replace
from typing import Any

import pytest

from cloudsql_iam_operator.core.access.provider_roles import MARKERS, PROVIDER_ROLES
from cloudsql_iam_operator.core.errors import Refused
from cloudsql_iam_operator.core.grants.observed.denials import (
    FIRST_OWN_OID,
    GRANTEE,
    ON_TABLES,
    UNSAFE,
    Denials,
    Part,
    granted_role,
)
from cloudsql_iam_operator.core.grants.observed.snapshot import Role, RoleGrant, Server, Snapshot

X, BOSS = FIRST_OWN_OID, FIRST_OWN_OID + 1
GRANTED = granted_role(frozenset())
LISTED = granted_role(frozenset({"pg_monitor", *UNSAFE}))
PLAIN = Role(X, "x", False, False, False, False)


def verdict(part: Part, role: Role, *, within: Role | None = None) -> str:
    """Why a role is refused; "" when it is not. `within` is a role that it is a member of."""
    roles = {one.name: one for one in (role, within) if one is not None}
    grants = (RoleGrant(within.oid, role.oid, 10, False, True, True),) if within is not None else ()
    denials = Denials(Snapshot(Server(17, "orders", 1, 10, 11, 11, False, "one"), roles, grants, {}, ()))
    try:
        denials.check_name(role.name, role, part)
        denials.check(role, part)
    except Refused as refused:
        return refused.message
    return ""


@pytest.mark.parametrize(
    "name",
    [
        "cloudsql-proxy@acme.iam",
        "cloudsql-readers@example.com",
        "cloudsqlsuperuser@acme.iam",
        "cloudsqlreaders",
        "azure-devops@acme.iam",
        "azure_pg_admin",
        "rds-sync@acme.iam",
        "rds_superuser",
        "rdsadmin",
        "alloydb-migration@acme.iam",
        "alloydbsuperuser",
        "pgbouncer",
    ],
)
@pytest.mark.parametrize("part", [GRANTEE, ON_TABLES, GRANTED], ids=lambda part: part.word)
def test_a_name_that_only_begins_like_a_providers_is_anybodys(part: Part, name: str) -> None:
    assert verdict(part, replace(PLAIN, name=name)) == ""


@pytest.mark.parametrize("name", sorted(PROVIDER_ROLES | {"postgres", "public", "none", "PUBLIC", " public "}))
@pytest.mark.parametrize("part", [GRANTEE, ON_TABLES, GRANTED, LISTED], ids=lambda part: part.word)
def test_the_providers_own_are_refused_by_their_exact_names(part: Part, name: str) -> None:
    assert "provider's own" in verdict(part, replace(PLAIN, name=name))


@pytest.mark.parametrize("name", sorted(PROVIDER_ROLES - MARKERS))
@pytest.mark.parametrize("part", [GRANTEE, GRANTED], ids=lambda part: part.word)
def test_what_reaches_a_role_of_the_providers_is_refused_with_the_path(part: Part, name: str) -> None:
    assert f"(x is a member of {name})" in verdict(part, PLAIN, within=replace(PLAIN, oid=BOSS, name=name))


@pytest.mark.parametrize("name", sorted(MARKERS))
def test_every_iam_user_may_have_the_role_that_marks_it(name: str) -> None:
    assert verdict(GRANTEE, PLAIN, within=replace(PLAIN, oid=BOSS, name=name)) == ""


@pytest.mark.parametrize(
    ("powers", "refused_as"),
    [
        ({"superuser": True}, {"grantee", "grantee on tables", "granted role"}),
        ({"powerful": True, "creates_roles": True}, {"grantee", "grantee on tables", "granted role"}),
        ({"powerful": True, "bypasses_policies": True}, {"grantee on tables", "granted role"}),
        ({"powerful": True}, {"granted role"}),
        ({}, set()),
    ],
    ids=["SUPERUSER", "CREATEROLE", "BYPASSRLS", "CREATEDB or REPLICATION", "nothing"],
)
def test_an_attribute_is_in_the_way_of_what_it_endangers_only(powers: dict[str, Any], refused_as: set[str]) -> None:
    strong = replace(PLAIN, **powers)

    assert {part.word for part in (GRANTEE, ON_TABLES, GRANTED) if verdict(part, strong)} == refused_as


def test_a_predefined_role_is_granted_where_a_rule_lists_it_in_full() -> None:
    monitor = replace(PLAIN, oid=3373, name="pg_monitor")

    assert verdict(LISTED, monitor) == ""
    assert "no access rule lists this one in full" in verdict(GRANTED, monitor)
    assert "names that begin with pg_" in verdict(GRANTEE, monitor)


@pytest.mark.parametrize("name", sorted(UNSAFE))
def test_some_predefined_roles_are_never_granted(name: str) -> None:
    assert verdict(LISTED, replace(PLAIN, oid=4569, name=name)) != ""


def test_a_member_of_a_predefined_role_may_be_a_grantee_and_is_not_granted_on_unless_that_is_listed() -> None:
    monitor = replace(PLAIN, oid=3373, name="pg_monitor")

    assert verdict(GRANTEE, PLAIN, within=monitor) == ""
    assert "x is a member of pg_monitor" in verdict(GRANTED, PLAIN, within=monitor)
    assert verdict(LISTED, PLAIN, within=monitor) == ""


def test_a_group_that_begins_like_postgresqls_own_is_told_why_it_cannot_be_there() -> None:
    with pytest.raises(Refused, match="PostgreSQL keeps names that begin with pg_ for its own roles"):
        Denials.check_name("pg_team@example.com", None, GRANTEE)

    assert verdict(GRANTEE, replace(PLAIN, name="pg_team@example.com")) == ""
