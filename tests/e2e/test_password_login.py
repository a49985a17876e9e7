"""The operator's login by a password Secret that is not there, or not right."""

from typing import Any

from e2e import world
from e2e.tenant import Tenant

HERE = ("-n", world.NAMESPACE)
SECRET = {"name": "orders-admin", "namespace": world.NAMESPACE}
BY_SECRET: dict[str, Any] = {"database": {"secretRef": {"name": "orders-admin"}, "ownerRoles": ["app_owner"]}}


def test_a_secret_that_is_missing_or_garbled_is_named_and_holds_up_no_deletion(tenant: Tenant) -> None:
    kubectl = tenant.kubectl
    tenant.account("keyless")
    tenant.instance(admin=BY_SECRET)
    tenant.user("keyless")
    tenant.grant("reads", "keyless")
    missing = "Secret cloudsql-iam-operator/orders-admin, named by CloudSQLInstance"
    assert missing in tenant.ready("csqli", status="False", reason="DatabaseLoginFailed")["message"]
    assert missing in tenant.ready("dbg", "reads", status="False", reason="DatabaseLoginFailed")["message"]

    values = {"username": "cG9zdGdyZXM=", "password": "//4B"}
    kubectl.declare({"apiVersion": "v1", "kind": "Secret", "metadata": SECRET, "data": values})
    tenant.look_now("dbg", "reads")
    garbled = tenant.ready("dbg", "reads", status="False", reason="DatabaseLoginFailed")["message"]
    assert "orders-admin, key password, is no UTF-8 text" in garbled

    tenant.delete("dbg", "reads")
    tenant.delete("csqlu", "keyless")
    kubectl("delete", "secret", "orders-admin", *HERE)
