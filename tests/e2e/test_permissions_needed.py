"""The operator runs under the least that the documentation prints, and each permission in it is needed."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e import world
from e2e.processes import operator_process
from e2e.scenes import Stage
from e2e.tenant import Tenant

PAGE = Path(__file__).parents[2] / "docs" / "permissions.md"

LAYERS = {
    "cloudsql.instances.get": ("csqli", "AdminPermissionDenied"),
    "cloudsql.users.list": ("csqlu", "AdminPermissionDenied"),
    "cloudsql.users.create": ("csqlu", "AdminPermissionDenied"),
    "iam.serviceAccounts.getIamPolicy": ("csqlu", "IAMPermissionDenied"),
    "cloudsql.instances.login": ("dbg", "DatabaseLoginFailed"),
}
"""Which object stops for want of a permission, and the reason it gives."""


@pytest.fixture
def without(stage: Stage) -> Iterator[None]:
    """At the end the operator has its whole role again."""
    yield
    stage.cloud.control.define_role(world.OPERATOR_ROLE, world.OPERATOR_PERMISSIONS)


def test_the_documentation_prints_the_role_that_the_chain_runs_under() -> None:
    block = PAGE.read_text().split("```yaml\n")[1].split("```")[0]

    assert yaml.safe_load(block)["includedPermissions"] == list(world.OPERATOR_PERMISSIONS)


@pytest.mark.parametrize("permission", LAYERS)
@pytest.mark.usefixtures("without")
def test_each_permission_is_needed(permission: str, tenant: Tenant) -> None:
    kind, reason = LAYERS[permission]
    control = tenant.stage.cloud.control
    account = "without-" + permission.split(".", 1)[1].replace(".", "-").lower()[:21]
    tenant.account(account)
    if permission == "cloudsql.instances.get":  # connect brings it for the proxy path alone
        control.define_role(world.OPERATOR_ROLE, ["cloudsql.users.list"])
    else:
        control.define_role(world.OPERATOR_ROLE, [p for p in world.OPERATOR_PERMISSIONS if p != permission])

    tenant.instance()
    tenant.look_now("csqli")
    tenant.user(account)
    tenant.grant("reads", account)

    name = {"csqli": "", "csqlu": account, "dbg": "reads"}[kind]
    told = tenant.ready(kind, name, status="False", reason=reason)
    assert permission in told["message"] or kind == "dbg", told
    control.define_role(world.OPERATOR_ROLE, world.OPERATOR_PERMISSIONS)


@pytest.mark.usefixtures("without")
def test_deleting_a_user_takes_its_own_permission(tenant: Tenant) -> None:
    tenant.account("undeletable")
    tenant.instance()
    tenant.user("undeletable")
    tenant.ready("csqlu", "undeletable")
    kept = [p for p in world.OPERATOR_PERMISSIONS if p != "cloudsql.users.delete"]
    tenant.stage.cloud.control.define_role(world.OPERATOR_ROLE, kept)

    tenant.kubectl("delete", "csqlu", "undeletable", "-n", tenant.name, "--wait=false")

    told = tenant.ready("csqlu", "undeletable", status="False", reason="AdminPermissionDenied")
    assert "cloudsql.users.delete" in told["message"]
    tenant.stage.cloud.control.define_role(world.OPERATOR_ROLE, world.OPERATOR_PERMISSIONS)
    tenant.kubectl.gone("csqlu", "undeletable", tenant.name)


@pytest.mark.usefixtures("without")
def test_connecting_takes_its_own_permission_when_the_certificate_is_made(tenant: Tenant) -> None:
    control = tenant.stage.cloud.control
    kept = [p for p in world.OPERATOR_PERMISSIONS if p != "cloudsql.instances.connect"]
    tenant.account("unconnected")
    tenant.instance()
    tenant.user("unconnected")
    tenant.ready("csqlu", "unconnected")
    control.define_role(world.OPERATOR_ROLE, kept)

    os.kill(operator_process(), signal.SIGKILL)  # with it goes its certificate, which lives for an hour
    tenant.grant("reads", "unconnected")

    told = tenant.ready("dbg", "reads", status="False", reason="AdminPermissionDenied")
    assert "cloudsql.instances.connect" in told["message"]
    control.define_role(world.OPERATOR_ROLE, world.OPERATOR_PERMISSIONS)
    tenant.ready("dbg", "reads")


@pytest.mark.usefixtures("without")
def test_binding_takes_the_right_to_write_the_policy_which_the_role_alone_does_not_bring(tenant: Tenant) -> None:
    cloud = tenant.stage.cloud
    whole = cloud.policy()
    admin = "roles/resourcemanager.projectIamAdmin"
    cloud.set_policy({**whole, "bindings": [b for b in whole["bindings"] if b["role"] != admin]})
    tenant.account("unbound")
    tenant.instance()

    tenant.user("unbound")

    told = tenant.ready("csqlu", "unbound", status="False", reason="IAMPermissionDenied")
    assert "resourcemanager.projects.getIamPolicy" in told["message"]
    cloud.set_policy(whole)
    tenant.ready("csqlu", "unbound")


def test_one_login_role_of_the_documentation_replaces_the_two(tenant: Tenant) -> None:
    cloud = tenant.stage.cloud
    role = "projects/acme-prod/roles/cloudsqlLogin"
    block = PAGE.read_text().split("```yaml\n")[2].split("```")[0]
    cloud.control.define_role(role, yaml.safe_load(block)["includedPermissions"])
    whole = cloud.policy()
    limited = [_limited_to(binding, role) for binding in whole["bindings"]]
    cloud.set_policy({**whole, "bindings": limited})
    email = tenant.account("single")
    tenant.instance(iam={"roles": [role]})

    tenant.user("single")
    tenant.ready("csqlu", "single")

    member = f"serviceAccount:{email}"
    assert [one["role"] for one in cloud.policy()["bindings"] if member in one["members"]] == [role]
    for permission in ("cloudsql.instances.login", "cloudsql.instances.connect"):
        assert cloud.control.holds(member, permission, "acme-prod", "orders")
    tenant.delete("csqlu", "single")
    cloud.set_policy(whole)


def _limited_to(binding: dict[str, Any], role: str) -> dict[str, Any]:
    if binding["role"] != "roles/resourcemanager.projectIamAdmin":
        return binding
    expression = f"{world.LOGIN_ROLES_ONLY.split('.hasOnly')[0]}.hasOnly(['{role}'])"
    return {**binding, "condition": {**binding["condition"], "expression": expression}}
