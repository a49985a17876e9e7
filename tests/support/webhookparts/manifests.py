"""Manifests of one tenant as the webhook's tests on an API server apply them."""

from typing import Any

from cloudsql_iam_operator.api.names import API_VERSION
from support.podshapes import DOMAIN, ORDERS, container

JSON = dict[str, Any]
MARK = "iam.gke.io/gcp-service-account"
GOOGLE_ACCOUNT = "checkout@acme-prod.iam.gserviceaccount.com"
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def instance() -> JSON:
    return {
        "apiVersion": API_VERSION,
        "kind": "CloudSQLInstance",
        "metadata": {"name": ORDERS.name},
        "spec": {"connectionName": ORDERS.connection},
    }


def service_account(namespace: str, **annotations: str) -> JSON:
    metadata = {"name": "checkout", "namespace": namespace, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


def user(namespace: str) -> JSON:
    return {
        "apiVersion": API_VERSION,
        "kind": "CloudSQLIAMUser",
        "metadata": {"name": "checkout", "namespace": namespace},
        "spec": {
            "instanceRef": {"name": ORDERS.name},
            "principal": {"kubernetesServiceAccount": {"name": "checkout"}},
        },
    }


def annotated(namespace: str, **annotations: str) -> JSON:
    ours = {f"{DOMAIN}/{name}": value for name, value in annotations.items()}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": namespace, "annotations": ours},
        "spec": {"serviceAccountName": "checkout", "containers": [container(securityContext=RESTRICTED)]},
    }


def init_containers(pod: JSON) -> list[str]:
    return [c["name"] for c in pod["spec"].get("initContainers", [])]


def workload(namespace: str, kind: str, pod: JSON, **metadata: Any) -> JSON:
    """A workload named `web` that makes such pods; `metadata` is its own."""
    group = "batch/v1" if kind in ("Job", "CronJob") else "apps/v1"
    template: JSON = {"metadata": {"annotations": pod["metadata"]["annotations"]}, "spec": dict(pod["spec"])}
    spec: JSON = {"template": template}
    if group == "apps/v1":
        template["metadata"]["labels"] = {"app": "web"}
        spec["selector"] = {"matchLabels": {"app": "web"}}
    else:
        template["spec"]["restartPolicy"] = "Never"
        spec["backoffLimit"] = 0
    if kind == "CronJob":
        spec = {"schedule": "@yearly", "jobTemplate": {"spec": spec}}
    if kind == "StatefulSet":
        spec["serviceName"] = "web"
    return {
        "apiVersion": group,
        "kind": kind,
        "metadata": {"name": "web", "namespace": namespace, **metadata},
        "spec": spec,
    }
