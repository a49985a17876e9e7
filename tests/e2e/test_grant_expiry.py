"""A grant with an end: what it gave is gone shortly after, whether the operator ran at that time or not."""

from datetime import UTC, datetime, timedelta

from e2e import world
from e2e.tenant import Tenant
from e2e.waiting import eventually

OPERATOR = ("deployment", "cloudsql-iam-operator", "-n", world.NAMESPACE)
REVOKED_WITHIN = timedelta(seconds=20)


def ends_in(seconds: float) -> datetime:
    """A time to come, in whole seconds as a manifest has it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).replace(microsecond=0)


def written(end: datetime) -> str:
    """A time as manifests have it."""
    return end.isoformat().replace("+00:00", "Z")


def holds(tenant: Tenant, account: str) -> bool:
    """Whether the account holds anything in the database."""
    return f"{account}@acme-prod.iam" in str(tenant.stage.cloud.acls("orders"))


def let_in(tenant: Tenant, account: str) -> None:
    """A user and a grant without an end; return when the privileges are held."""
    tenant.account(account)
    tenant.instance()
    tenant.user(account)
    tenant.grant("visit", account)
    tenant.ready("dbg", "visit")
    assert holds(tenant, account)


def test_a_grant_is_revoked_within_seconds_of_its_end_and_stays_ready(tenant: Tenant) -> None:
    let_in(tenant, "visitor")
    end = ends_in(6)
    tenant.grant("visit", "visitor", expiresAt=written(end))
    tenant.look_now("dbg", "visit")
    held_before_its_end = holds(tenant, "visitor") or datetime.now(UTC) > end

    eventually(lambda: not holds(tenant, "visitor"), "the privileges are gone")
    gone = datetime.now(UTC)

    assert held_before_its_end
    assert timedelta() <= gone - end <= REVOKED_WITHIN
    assert "nothing is held" in tenant.ready("dbg", "visit", reason="Expired")["message"]


def test_an_end_that_came_while_no_operator_ran_is_heeded_at_once_by_the_next(tenant: Tenant) -> None:
    let_in(tenant, "latecomer")
    tenant.kubectl("scale", *OPERATOR, "--replicas=0")
    selected = "app.kubernetes.io/component=operator"
    eventually(lambda: not tenant.kubectl.list("pods", world.NAMESPACE, labels=selected), "the operator is gone")
    end = ends_in(2)
    tenant.grant("visit", "latecomer", expiresAt=written(end))
    eventually(lambda: datetime.now(UTC) > end, "the end has come, with nobody to see it")
    assert holds(tenant, "latecomer")

    tenant.kubectl("scale", *OPERATOR, "--replicas=1")

    eventually(lambda: not holds(tenant, "latecomer"), "the privileges are gone")
    tenant.ready("dbg", "visit", reason="Expired")


def test_a_grant_without_an_end_is_refused_where_the_rule_bounds_it(tenant: Tenant) -> None:
    tenant.account("resident")
    tenant.instance(tenant.rule(name="users", databases=[]), tenant.rule(name="visits", maxExpiry="1h"))
    tenant.user("resident")
    tenant.ready("csqlu", "resident")

    tenant.grant("stay", "resident")
    assert "expiresAt" in tenant.stalled("dbg", "stay", "ExpiryNotAllowed")

    tenant.grant("stay", "resident", expiresAt=written(ends_in(7200)))
    assert "expiresAt" in tenant.stalled("dbg", "stay", "ExpiryNotAllowed")
    assert not holds(tenant, "resident")
