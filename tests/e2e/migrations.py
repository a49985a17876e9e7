"""A migration of one tenant: its account, its user, its grant and its Job, as a pipeline or a chart applies them."""

from typing import Any

import yaml

from e2e import world
from e2e.tenant import API, READ_ORDERS, Tenant
from e2e.waiting import eventually

INJECT = "iam.cloudsql.dev/inject"
WAIT = "iam.cloudsql.dev/wait"
LOGIN = f"once@{world.PROJECT}.iam"
MIGRATION = "psql -XAt -v ON_ERROR_STOP=1 -c 'select current_user, count(*) from app.orders group by 1'"


def account(tenant: Tenant, **annotations: str) -> dict[str, Any]:
    """The ServiceAccount `once`, which acts as a Google account."""
    mark = {"iam.gke.io/gcp-service-account": f"once@{world.PROJECT}.iam.gserviceaccount.com"}
    metadata = {"name": "once", "namespace": tenant.name, "annotations": mark | annotations}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


def user(tenant: Tenant, **annotations: str) -> dict[str, Any]:
    """The user `once`, of the ServiceAccount of that name."""
    principal = {"kubernetesServiceAccount": {"name": "once"}}
    return {
        "apiVersion": API,
        "kind": "CloudSQLIAMUser",
        "metadata": {"name": "once", "namespace": tenant.name, "annotations": annotations},
        "spec": {"instanceRef": {"name": tenant.name}, "principal": principal},
    }


def grant(tenant: Tenant, *grants: dict[str, Any], **annotations: str) -> dict[str, Any]:
    """What the user may do: read the orders, unless told otherwise."""
    spec = {"instanceRef": {"name": tenant.name}, "database": "orders", "grantees": [{"userRef": {"name": "once"}}]}
    return {
        "apiVersion": API,
        "kind": "DatabaseGrant",
        "metadata": {"name": "once", "namespace": tenant.name, "annotations": annotations},
        "spec": {**spec, "grants": list(grants or READ_ORDERS)},
    }


def template(pod: dict[str, str], line: str = MIGRATION, **spec: Any) -> dict[str, Any]:
    """A pod template that logs in as the user; `pod` are annotations of it."""
    return {
        "metadata": {"annotations": {INJECT: "once", "iam.cloudsql.dev/database": "orders"} | pod},
        "spec": {
            "serviceAccountName": "once",
            "restartPolicy": "Never",
            "containers": [{"name": "migrate", "image": "postgres:17", "args": [line]}],
            **spec,
        },
    }


def job(tenant: Tenant, pod: dict[str, str], line: str = MIGRATION, **annotations: str) -> dict[str, Any]:
    """A Job that is failed for good when its one pod fails."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "once", "namespace": tenant.name, "annotations": annotations},
        "spec": {"backoffLimit": 0, "template": template(pod, line)},
    }


def finished(tenant: Tenant, name: str = "once") -> str:
    """What the only pod of a Job printed, once it has finished."""

    def look() -> bool:
        status = tenant.kubectl.get("jobs", name, tenant.name).get("status", {})
        assert not status.get("failed"), status
        return bool(status.get("succeeded"))

    eventually(look, f"Job {name} has finished")
    return tenant.kubectl("logs", "-n", tenant.name, f"job/{name}", "-c", "migrate")


def applied(tenant: Tenant, *objects: dict[str, Any]) -> None:
    """Apply these objects in one go, in their order."""
    tenant.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(objects))
