"""`inject: env`: connectors inside the application log in by what the pod is given, with no proxy beside it."""

from typing import Any

import pytest

from e2e.tenant import Tenant
from e2e.waiting import eventually


@pytest.mark.parametrize("language", ["python", "go"])
def test_a_connector_logs_in_by_the_variables_of_the_pod(language: str, tenant: Tenant) -> None:
    tenant.account("web")
    tenant.instance()
    tenant.user("web")
    tenant.grant("web", "web")
    tenant.ready("csqlu", "web")
    tenant.ready("dbg", "web")

    tenant.kubectl.apply(pod(language, tenant))

    assert eventually(lambda: printed(language, tenant), f"the connector in {language} logs in") == "web@acme-prod.iam"
    spec = tenant.kubectl.get("pod", language, tenant.name)["spec"]
    assert [each["name"] for each in (*spec.get("initContainers", ()), *spec["containers"])] == ["app"]


def pod(language: str, tenant: Tenant) -> dict[str, Any]:
    wishes = {"iam.cloudsql.dev/inject": "env", "iam.cloudsql.dev/database": "orders"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": language, "namespace": tenant.name, "annotations": wishes},
        "spec": {
            "serviceAccountName": "web",
            "restartPolicy": "OnFailure",
            "containers": [{"name": "app", "image": f"connector-{language}:1"}],
        },
    }


def printed(language: str, tenant: Tenant) -> str:
    found = tenant.kubectl.get("pod", language, tenant.name)
    lines = tenant.kubectl("logs", language, "-n", tenant.name).split()
    assert found["status"].get("phase") == "Succeeded", (found["status"], lines[-40:])
    return lines[-1]
