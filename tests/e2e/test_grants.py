"""Grants on the chain: what is named, what is missing, what is narrowed, what is deleted, and what two give at once."""

from typing import Any

from e2e.cloud import Cloud
from e2e.tenant import Tenant
from e2e.waiting import eventually

CONNECT: dict[str, Any] = {"kind": "Database", "privileges": ["CONNECT"]}
USAGE: dict[str, Any] = {"kind": "Schema", "schemas": ["app"], "privileges": ["USAGE"]}


def test_names_stars_and_sequences_are_granted_and_nothing_else(clerk: Tenant) -> None:
    sequences = {"kind": "Sequence", "schema": "app", "names": ["*"], "privileges": ["USAGE"]}
    audit = {"kind": "Table", "schema": "audit", "names": ["*"], "privileges": ["INSERT"]}

    clerk.grant("mixed", "clerk", CONNECT, USAGE, _tables(["orders", "items"], "SELECT"), sequences, audit)

    clerk.ready("dbg", "mixed")
    assert _held(clerk.stage.cloud) == {
        "database orders": "c",
        "schema app": "U",
        "r app.items": "r",
        "r app.orders": "r",
        "S app.order_numbers": "U",
        "r audit.log": "a",
    }


def test_a_missing_table_is_waited_for_by_name_and_granted_once_it_is_there(clerk: Tenant) -> None:
    cloud = clerk.stage.cloud

    clerk.grant("early", "clerk", _tables(["orders", "refunds"], "SELECT"))

    message = clerk.ready("dbg", "early", status="False", reason="ObjectNotFound")["message"]
    assert "refunds" in message
    assert _held(cloud) == {"r app.orders": "r"}
    cloud.sql("orders", "CREATE TABLE app.refunds (id int); ALTER TABLE app.refunds OWNER TO app_owner")
    try:
        clerk.look_now("dbg", "early")
        clerk.ready("dbg", "early")
        assert _held(cloud) == {"r app.orders": "r", "r app.refunds": "r"}
    finally:
        clerk.delete("dbg", "early")
        cloud.sql("orders", "DROP TABLE app.refunds")


def test_narrowing_a_grant_revokes_what_it_no_longer_names(clerk: Tenant) -> None:
    cloud = clerk.stage.cloud
    clerk.grant("wide", "clerk", _tables(["orders", "items"], "SELECT", "INSERT"))
    clerk.ready("dbg", "wide")
    assert _held(cloud) == {"r app.orders": "ar", "r app.items": "ar"}

    clerk.grant("wide", "clerk", _tables(["orders"], "SELECT"))

    clerk.ready("dbg", "wide")
    assert _held(cloud) == {"r app.orders": "r"}


def test_deleting_a_grant_revokes_only_what_no_other_grant_gives(clerk: Tenant) -> None:
    cloud = clerk.stage.cloud
    clerk.grant("first", "clerk", USAGE, _tables(["orders"], "SELECT"))
    clerk.grant("second", "clerk", _tables(["orders"], "SELECT", "UPDATE"), _tables(["items"], "SELECT"))
    clerk.ready("dbg", "first")
    clerk.ready("dbg", "second")
    assert _held(cloud) == {"schema app": "U", "r app.orders": "rw", "r app.items": "r"}

    clerk.delete("dbg", "second")

    assert _held(cloud) == {"schema app": "U", "r app.orders": "r"}
    clerk.look_now("dbg", "first")
    clerk.ready("dbg", "first")


def test_a_privilege_that_somebody_else_gave_outlives_the_grant(clerk: Tenant) -> None:
    cloud = clerk.stage.cloud
    cloud.sql("orders", 'SET ROLE app_owner; GRANT SELECT ON app.items TO "clerk@acme-prod.iam"')
    clerk.grant("mine", "clerk", _tables(["orders"], "SELECT"))
    clerk.ready("dbg", "mine")

    clerk.delete("dbg", "mine")

    assert _held(cloud) == {"r app.items": "r"}
    cloud.sql("orders", 'SET ROLE app_owner; REVOKE SELECT ON app.items FROM "clerk@acme-prod.iam"')


def test_what_somebody_takes_is_given_back_and_told_as_drift(clerk: Tenant) -> None:
    cloud = clerk.stage.cloud
    clerk.grant("kept", "clerk", _tables(["orders", "items"], "SELECT"))
    clerk.ready("dbg", "kept")
    assert "drift" not in clerk.kubectl.get("dbg", "kept", clerk.name)["status"]

    cloud.sql("orders", 'SET ROLE app_owner; REVOKE SELECT ON app.items FROM "clerk@acme-prod.iam"')
    clerk.look_now("dbg", "kept")

    statement = 'GRANT SELECT ON TABLE "app"."items" TO "clerk@acme-prod.iam"'
    drift = clerk.kubectl.get("dbg", "kept", clerk.name)["status"]["drift"]
    assert (drift["detected"], drift["sample"]) == (1, [statement])
    what = f"gave back 1 privilege in 1 statement, 1 so far, that somebody had taken: {statement}"
    told = f"on CloudSQLInstance {clerk.name}: {what}"
    eventually(lambda: ("DriftCorrected", told) in _events(clerk, "kept"), "the Event tells what was given back")
    assert [reason for reason, _ in _events(clerk, "kept")].count("Granted") == 1
    assert _held(cloud) == {"r app.orders": "r", "r app.items": "r"}
    clerk.look_now("dbg", "kept")
    assert clerk.kubectl.get("dbg", "kept", clerk.name)["status"]["drift"] == drift


def test_a_privilege_that_the_rule_does_not_allow_is_refused_and_nothing_is_granted(clerk: Tenant) -> None:
    clerk.grant("greedy", "clerk", _tables(["orders"], "SELECT", "DELETE"))

    assert "DELETE" in clerk.stalled("dbg", "greedy", "PrivilegeNotAllowed")
    assert _held(clerk.stage.cloud) == {}


def test_a_grant_waits_for_its_user_and_is_applied_when_that_comes(clerk: Tenant) -> None:
    clerk.account("late")
    clerk.grant("waiting", "late", _tables(["orders"], "SELECT"))
    message = clerk.ready("dbg", "waiting", status="False", reason="UserNotReady")["message"]
    assert "late" in message

    clerk.user("late")

    clerk.ready("dbg", "waiting")
    eventually(lambda: _held(clerk.stage.cloud, "late@acme-prod.iam"), "the late user reads orders")
    assert _held(clerk.stage.cloud, "late@acme-prod.iam") == {"r app.orders": "r"}


def _tables(names: list[str], *privileges: str) -> dict[str, Any]:
    return {"kind": "Table", "schema": "app", "names": names, "privileges": list(privileges)}


def _events(tenant: Tenant, grant: str) -> list[tuple[str, str]]:
    events = tenant.kubectl.list("events", tenant.name, fields=f"involvedObject.name={grant}")
    return [(event["reason"], event["message"]) for event in events]


def _held(cloud: Cloud, user: str = "clerk@acme-prod.iam") -> dict[str, str]:
    """What a user holds, as PostgreSQL abbreviates it, by object."""
    entries = {what: [entry.partition("=") for entry in acl] for what, acl in cloud.acls("orders")}
    return {
        what: rights.partition("/")[0]
        for what, parts in entries.items()
        for grantee, _, rights in parts
        if grantee.strip('"') == user
    }


def test_a_membership_that_a_grant_in_another_database_declares_outlives_this_one(tenant: Tenant) -> None:
    cloud = tenant.stage.cloud
    cloud.sql("orders", "CREATE ROLE app_reader")
    cloud.sql("orders", 'GRANT app_reader TO "operator@acme-prod.iam" WITH ADMIN OPTION')
    tenant.account("member")
    tenant.instance(tenant.rule(databases=["orders", "postgres"], databaseRoles=["app_reader"]))
    tenant.user("member")
    joins: dict[str, Any] = {"grants": [], "memberships": [{"role": "app_reader"}]}
    tenant.grant("here", "member", **joins)
    tenant.grant("there", "member", **{**joins, "database": "postgres"})
    for name in ("here", "there"):
        tenant.ready("dbg", name)
    before = len(cloud.granting_statements())

    tenant.delete("dbg", "here")

    members = "SELECT member::regrole::text FROM pg_auth_members WHERE roleid = 'app_reader'::regrole"
    assert ('"member@acme-prod.iam"',) in cloud.sql("orders", members)
    assert cloud.granting_statements()[before:] == []

    tenant.delete("dbg", "there")
    assert ('"member@acme-prod.iam"',) not in cloud.sql("orders", members)
    cloud.sql("orders", "DROP ROLE app_reader")
