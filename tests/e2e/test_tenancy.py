"""What tenants cannot do to each other or to the record, though each may write its own objects."""

import pytest

from e2e import world
from e2e.objects import Refusal
from e2e.scenes import service_account
from e2e.tenant import Tenant
from e2e.waiting import eventually


def test_the_administrator_of_a_namespace_writes_no_status_and_sees_no_instance(tenant: Tenant) -> None:
    kubectl = tenant.kubectl
    kubectl("create", "rolebinding", "boss", "--clusterrole=admin", "--user=mallory", "-n", tenant.name)
    tenant.user("forged", {"user": "x@acme.example"})

    def may(*what: str) -> bool:
        try:
            return kubectl("auth", "can-i", *what, "--as=mallory", "-n", tenant.name).strip() == "yes"
        except Refusal:  # that is how kubectl says no
            return False

    assert may("update", "cloudsqliamusers.iam.cloudsql.dev")
    for kind in ("cloudsqliamusers", "databasegrants"):
        assert not may("update", f"{kind}.iam.cloudsql.dev", "--subresource=status")
        assert not may("patch", f"{kind}.iam.cloudsql.dev", "--subresource=status")
    assert not may("get", "cloudsqlinstances.iam.cloudsql.dev")
    patch = ("--type=merge", "-p", '{"status": {"username": "legacy", "created": true}}')
    with pytest.raises(Refusal, match="is forbidden"):
        kubectl("patch", "csqlu", "forged", "-n", tenant.name, "--subresource=status", "--as=mallory", *patch)


def test_a_second_namespace_with_the_same_account_takes_over_and_loses_no_login(tenant: Tenant) -> None:
    cloud = tenant.stage.cloud
    email = tenant.account("shared")
    second = Tenant(tenant.stage, f"{tenant.name}-b")
    second.arrive()
    member = f"serviceAccount:{world.POOL}[{second.name}/shared]"
    cloud.control.add_binding(
        f"projects/{world.PROJECT}/serviceAccounts/{email}", "roles/iam.workloadIdentityUser", member
    )
    service_account(tenant.stage, "shared", email, second.name)
    tenant.instance(tenant.rule(namespaces={"names": [tenant.name, second.name]}))
    tenant.user("shared")
    tenant.ready("csqlu", "shared")
    second.user("shared", instanceRef={"name": tenant.name})
    second.ready("csqlu", "shared", status="False", reason="ManagedByOther")

    tenant.delete("csqlu", "shared")

    assert "shared@acme-prod.iam" in cloud.users()
    second.look_now("csqlu", "shared")
    second.ready("csqlu", "shared")
    second.leave()


def test_an_account_given_to_another_namespace_leaves_its_name_to_that_one(tenant: Tenant) -> None:
    cloud = tenant.stage.cloud
    email = tenant.account("moved")
    second = Tenant(tenant.stage, f"{tenant.name}-b")
    second.arrive()
    tenant.instance()
    tenant.user("moved")
    tenant.ready("csqlu", "moved")
    member = f"serviceAccount:{world.POOL}[{second.name}/moved]"
    policy = {"bindings": [{"role": "roles/iam.workloadIdentityUser", "members": [member]}]}
    cloud.control.set_policy(f"projects/{world.PROJECT}/serviceAccounts/{email}", policy)
    tenant.look_now("csqlu", "moved")
    tenant.ready("csqlu", "moved", status="False", reason="WorkloadIdentityMismatch")
    eventually(lambda: "moved@acme-prod.iam" not in cloud.users(), "it is taken from the first")

    service_account(tenant.stage, "moved", email, second.name)
    second.instance()
    second.user("moved")

    second.ready("csqlu", "moved")
    second.leave()
