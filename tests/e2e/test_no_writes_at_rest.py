"""What is as declared causes no write: not at Google, not in the API server, not in PostgreSQL."""

from e2e import world
from e2e.tenant import Tenant
from e2e.waiting import eventually

OPERATOR = f"serviceAccount:{world.OPERATOR}"
ACCOUNTS = f"system:serviceaccount:{world.NAMESPACE}:"


def test_a_second_look_at_everything_writes_nothing_anywhere(tenant: Tenant) -> None:
    cloud = tenant.stage.cloud
    tenant.account("resting")
    tenant.instance(interval="10s")
    tenant.user("resting")
    tenant.grant("resting-reads", "resting")
    tenant.ready("csqlu", "resting")
    tenant.ready("dbg", "resting-reads")
    eventually(
        lambda: tenant.kubectl.get("csqli", tenant.name)["status"].get("users", {}).get("managed") == 1,
        "users are counted",
    )
    tenant.look_now("csqli")  # its status may have counted before the others were there
    journal, audit, wal = cloud.control.position(), len(writes(tenant)), cloud.sql("orders", WRITTEN)

    eventually(lambda: looked(tenant, journal) >= 2, "policy, users and database were looked at again")

    assert cloud.control.writes(since=journal, caller=OPERATOR) == []
    assert writes(tenant)[audit:] == []
    assert cloud.sql("orders", WRITTEN) == wal


WRITTEN = "SELECT count(*), max(xmin::text::bigint) FROM pg_class WHERE relnamespace = 'app'::regnamespace"
"""Changes whenever somebody grants on a table of the schema, and not by the server's own housekeeping."""


def counted(tenant: Tenant) -> object:
    """How many of the instance's users its status counts as managed; None before it was counted."""
    return tenant.kubectl.get("csqli", tenant.name)["status"].get("users", {}).get("managed")


def looked(tenant: Tenant, since: int) -> int:
    """How often policy and users were both read, and the database was logged in to, after a place in the journal."""
    control = tenant.stage.cloud.control
    policies = control.journal(since=since, method="cloudresourcemanager.projects.getIamPolicy", caller=OPERATOR)
    users = control.journal(since=since, method="sql.users.list", caller=OPERATOR)
    return min(len(policies), len(users))


def writes(tenant: Tenant) -> list[str]:
    """Writes of the operator and the webhook that the API server answered; leases are not in its log."""
    events = tenant.stage.chain.plane.audit_events()
    ours = [event for event in events if event["user"]["username"].startswith(ACCOUNTS)]
    return [f"{event['user']['username']} {event['verb']} {event['requestURI']}" for event in ours]
