"""Principals of every kind, and those that Google or the rules do not know."""

import pytest

from e2e import world
from e2e.scenes import members_of, service_account
from e2e.tenant import CLIENT, INSTANCE_USER, Tenant
from e2e.waiting import eventually

OPERATOR = f"serviceAccount:{world.OPERATOR}"
WORKLOAD_IDENTITY_USER = "roles/iam.workloadIdentityUser"
GHOST = "ghost@acme-prod.iam.gserviceaccount.com"


def test_service_accounts_users_and_groups_get_members_and_user_types_of_their_own(tenant: Tenant) -> None:
    cloud = tenant.stage.cloud
    batch = "batch@acme-prod.iam.gserviceaccount.com"
    cloud.control.add_principal("serviceAccount", batch)
    cloud.control.add_principal("user", "carla@acme.example")
    cloud.control.add_principal("group", "readers@acme.example")
    principals = {"serviceAccounts": [batch], "users": ["carla@acme.example"], "groups": ["readers@acme.example"]}
    tenant.instance(tenant.rule(principals=principals))

    tenant.user("batch", {"serviceAccount": batch})
    tenant.user("carla", {"user": "carla@acme.example"})
    tenant.user("readers", {"group": "readers@acme.example"})

    for name in ("batch", "carla", "readers"):
        tenant.ready("csqlu", name)
    types = {user["name"]: user["type"] for user in cloud.control.users("acme-prod", "orders")}
    assert types["batch@acme-prod.iam"] == "CLOUD_IAM_SERVICE_ACCOUNT"
    assert types["carla@acme.example"] == "CLOUD_IAM_USER"
    assert types["readers@acme.example"] == "CLOUD_IAM_GROUP"
    members = {f"serviceAccount:{batch}", "user:carla@acme.example", "group:readers@acme.example"}
    assert members <= members_of(tenant.stage, INSTANCE_USER)
    assert members <= members_of(tenant.stage, CLIENT)


def test_a_principal_that_google_does_not_know_is_named_and_holds_up_nobody_else(tenant: Tenant) -> None:
    cloud = tenant.stage.cloud
    tenant.account("solid")
    tenant.instance(
        tenant.rule(principals={"kubernetesServiceAccounts": "Verified", "serviceAccounts": [GHOST]}),
    )

    tenant.user("ghost", {"serviceAccount": GHOST})
    tenant.user("solid")

    assert GHOST in tenant.stalled("csqlu", "ghost", "PrincipalNotFound")
    tenant.ready("csqlu", "solid")
    assert "solid@acme-prod.iam" in cloud.users()
    assert f"serviceAccount:{GHOST}" not in members_of(tenant.stage, INSTANCE_USER)


def test_an_account_that_does_not_list_the_workload_is_refused_with_both_names(tenant: Tenant) -> None:
    cloud = tenant.stage.cloud
    email = tenant.account("borrowed")
    cloud.control.set_policy(f"projects/acme-prod/serviceAccounts/{email}", {"bindings": []})
    before = cloud.control.position()
    tenant.instance()

    tenant.user("borrowed")

    message = tenant.stalled("csqlu", "borrowed", "WorkloadIdentityMismatch")
    assert email in message
    assert f"{tenant.name}/borrowed" in message
    assert cloud.control.writes(since=before, caller=OPERATOR) == []


def test_a_namespace_that_no_rule_lets_in_causes_no_write_outside(tenant: Tenant) -> None:
    cloud = tenant.stage.cloud
    tenant.account("outsider")
    before = cloud.control.position()
    tenant.instance(tenant.rule(namespaces={"names": ["somebody-else"]}))

    tenant.user("outsider")
    tenant.grant("outsider", "outsider")

    assert tenant.name in tenant.stalled("csqlu", "outsider", "NamespaceNotAllowed")
    tenant.stalled("dbg", "outsider", "NamespaceNotAllowed")
    assert cloud.control.writes(since=before, caller=OPERATOR) == []


@pytest.mark.usefixtures("slow_policies")
def test_access_is_revoked_when_its_rule_is_withdrawn(tenant: Tenant) -> None:
    cloud = tenant.stage.cloud
    acls = cloud.acls("orders")
    email = tenant.account("evicted")
    tenant.instance()
    tenant.user("evicted")
    tenant.grant("evicted", "evicted")
    tenant.ready("csqlu", "evicted")
    tenant.ready("dbg", "evicted")

    tenant.instance(tenant.rule(namespaces={"names": ["somebody-else"]}))

    tenant.ready("dbg", "evicted", status="False", reason="NamespaceNotAllowed")
    eventually(lambda: "evicted@acme-prod.iam" not in cloud.users(), "the user is deleted")
    tenant.ready("csqlu", "evicted", status="False", reason="NamespaceNotAllowed")
    assert f"serviceAccount:{email}" not in members_of(tenant.stage, INSTANCE_USER)
    assert cloud.acls("orders") == acls


def test_a_field_without_behaviour_is_refused_by_name_and_nothing_is_written(tenant: Tenant) -> None:
    cloud = tenant.stage.cloud
    tenant.account("member")
    before = cloud.control.position()
    tenant.instance()

    tenant.user("member", databaseRoles=["app_owner"])

    assert "spec.databaseRoles" in tenant.stalled("csqlu", "member", "NotImplemented")
    assert cloud.control.writes(since=before, caller=OPERATOR) == []


@pytest.mark.usefixtures("slow_policies")
def test_a_service_account_that_acts_as_another_takes_users_and_privileges_along(tenant: Tenant) -> None:
    cloud = tenant.stage.cloud
    first, second = tenant.account("mover"), "mover-2@acme-prod.iam.gserviceaccount.com"
    tenant.instance()
    tenant.user("mover")
    tenant.grant("reads", "mover")
    tenant.ready("dbg", "reads")
    cloud.control.add_principal("serviceAccount", second)
    workload = f"serviceAccount:{world.POOL}[{tenant.name}/mover]"
    cloud.control.add_binding(f"projects/acme-prod/serviceAccounts/{second}", WORKLOAD_IDENTITY_USER, workload)

    service_account(tenant.stage, "mover", second, tenant.name)
    tenant.look_now("csqlu", "mover")

    def moved() -> bool:
        held = str(cloud.acls("orders"))
        return "mover-2@acme-prod.iam" in held and "mover@acme-prod.iam" not in held

    eventually(moved, "the privileges are the new account's")
    tenant.ready("csqlu", "mover")
    tenant.ready("dbg", "reads")
    assert "mover@acme-prod.iam" not in cloud.users()
    assert f"serviceAccount:{first}" not in cloud.policy_text()
