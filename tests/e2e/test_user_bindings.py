"""IAM bindings of users on the chain: their end and its renewal, and those that others make."""

from datetime import UTC, datetime, timedelta
from typing import Any

from e2e import world
from e2e.tenant import CLIENT, INSTANCE_USER, Tenant

OPERATOR = f"serviceAccount:{world.OPERATOR}"


def ends_in(seconds: float) -> str:
    """A time to come, as manifests have it."""
    end = (datetime.now(UTC) + timedelta(seconds=seconds)).replace(microsecond=0)
    return end.isoformat().replace("+00:00", "Z")


def member(name: str) -> str:
    """The IAM member of an account."""
    return f"serviceAccount:{name}@acme-prod.iam.gserviceaccount.com"


def bindings_of(tenant: Tenant, name: str) -> list[dict[str, Any]]:
    """The bindings of the project's policy that hold the account."""
    return [one for one in tenant.stage.cloud.policy()["bindings"] if member(name) in one["members"]]


def test_a_users_end_takes_the_binding_keeps_user_and_grants_and_is_renewed_by_a_later_one(tenant: Tenant) -> None:
    tenant.account("visitor")
    tenant.instance()
    end = ends_in(30)
    tenant.user("visitor", expiresAt=end)
    tenant.grant("reads", "visitor")
    tenant.ready("dbg", "reads")
    conditions = [binding["condition"]["expression"] for binding in bindings_of(tenant, "visitor")]
    assert [f"request.time < timestamp('{end}')" in condition for condition in conditions] == [True, True]

    told = tenant.ready("csqlu", "visitor", reason="Expired")

    assert end in told["message"]
    assert bindings_of(tenant, "visitor") == []
    assert "visitor@acme-prod.iam" in tenant.stage.cloud.users()
    assert "visitor@acme-prod.iam" in str(tenant.stage.cloud.acls("orders"))
    tenant.ready("dbg", "reads")

    tenant.user("visitor", expiresAt=ends_in(3600))
    tenant.ready("csqlu", "visitor", reason="Succeeded")
    assert {one["role"] for one in bindings_of(tenant, "visitor")} == {INSTANCE_USER, CLIENT}


def test_where_others_bind_nothing_is_written_and_the_command_is_given_that_adds_what_is_missing(
    tenant: Tenant,
) -> None:
    cloud = tenant.stage.cloud
    tenant.account("bound")
    before = cloud.policy()["bindings"]
    tenant.instance(iam={"mode": "External"})
    tenant.user("bound")

    message = tenant.ready("csqlu", "bound", status="False", reason="IAMBindingMissing")["message"]
    assert f"gcloud projects add-iam-policy-binding acme-prod --role={CLIENT} --member={member('bound')}" in message
    assert cloud.policy()["bindings"] == before

    for role in (INSTANCE_USER, CLIENT):
        cloud.control.add_binding("projects/acme-prod", role, member("bound"))
    tenant.look_now("csqlu", "bound")
    tenant.ready("csqlu", "bound")
    tenant.delete("csqlu", "bound")
    assert {one["role"] for one in bindings_of(tenant, "bound")} == {INSTANCE_USER, CLIENT}
    cloud.control.remove_member("projects/acme-prod", member("bound"))
