"""A service account whose name PostgreSQL does not keep whole, from its user and grant to its pod's login."""

from typing import Any

from e2e import world
from e2e.scenes import members_of, service_account
from e2e.tenant import INSTANCE_USER, Tenant
from e2e.waiting import eventually

CUT = "orders-checkout-web-shop-team1@acme-production-environment-01.i"
WHOLE = "orders-checkout-web-shop-team1@acme-production-environment-01.iam.gserviceaccount.com"
RIVAL = "orders-checkout-web-shop-team1@acme-production-environment-01.iot.example.iam.gserviceaccount.com"
SAYS_WHO_IT_IS = "while true; do psql -XAt -c 'select current_user' -c 'select count(*) from app.orders'; sleep 1; done"


def test_a_pod_whose_accounts_name_is_cut_logs_in_and_reads_what_it_was_granted(tenant: Tenant) -> None:
    _account(tenant, "shop", WHOLE)
    tenant.instance(tenant.rule(principals={"kubernetesServiceAccounts": "Annotated"}))
    tenant.user("shop")
    tenant.grant("reads", "shop")
    tenant.ready("csqlu", "shop")
    tenant.ready("dbg", "reads")

    tenant.kubectl.apply(_pod(tenant, "shop"))

    _says(tenant, "shop", f"{CUT}\n3\n")
    user = tenant.kubectl.get("csqlu", "shop", tenant.name)["status"]
    assert (user["username"], user["member"]) == (CUT, f"serviceAccount:{WHOLE}")
    (grantee,) = tenant.kubectl.get("dbg", "reads", tenant.name)["status"]["grantees"]
    assert grantee == {"name": "shop", "role": CUT, "exists": True, "truncated": True}


def test_of_two_accounts_with_one_cut_name_both_are_refused_and_neither_takes_over(tenant: Tenant) -> None:
    cloud = tenant.stage.cloud
    _account(tenant, "first", WHOLE)
    _account(tenant, "second", RIVAL, "iot.example:acme-production-environment-01")
    tenant.instance(tenant.rule(principals={"kubernetesServiceAccounts": "Annotated"}))
    tenant.user("first")
    tenant.ready("csqlu", "first")

    tenant.user("second")
    tenant.grant("reads", "second")

    assert WHOLE in tenant.stalled("csqlu", "second", "InvalidSpec")
    tenant.look_now("csqlu", "first")
    assert RIVAL in tenant.stalled("csqlu", "first", "InvalidSpec")
    tenant.ready("dbg", "reads", status="False", reason="UserNotReady")
    assert CUT in cloud.users()
    assert CUT not in str(cloud.acls("orders"))
    assert f"serviceAccount:{WHOLE}" in members_of(tenant.stage, INSTANCE_USER)
    assert f"serviceAccount:{RIVAL}" not in members_of(tenant.stage, INSTANCE_USER)


def _account(tenant: Tenant, name: str, email: str, project: str = "acme-production-environment-01") -> None:
    control = tenant.stage.cloud.control
    control.add_principal("serviceAccount", email)
    workload = f"serviceAccount:{world.POOL}[{tenant.name}/{name}]"
    control.add_binding(f"projects/{project}/serviceAccounts/{email}", "roles/iam.workloadIdentityUser", workload)
    service_account(tenant.stage, name, email, tenant.name)


def _pod(tenant: Tenant, account: str) -> dict[str, Any]:
    container = {"name": "app", "image": "postgres:17", "args": [SAYS_WHO_IT_IS]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": account,
            "namespace": tenant.name,
            "annotations": {"iam.cloudsql.dev/inject": account},
        },
        "spec": {"serviceAccountName": account, "containers": [container]},
    }


def _says(tenant: Tenant, pod: str, text: str) -> None:
    """Return once the pod's application printed the text."""

    def look() -> bool:
        printed = tenant.kubectl("logs", "-n", tenant.name, pod, "-c", "app")
        assert text in printed, printed[-1000:]
        return True

    eventually(look, f"pod {pod} prints {text!r}")
