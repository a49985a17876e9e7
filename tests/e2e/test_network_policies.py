"""NetworkPolicies that workloads ask for, kept by the operator as the chart installs it, and told at their user."""

from collections.abc import Iterator
from typing import Any

import pytest

from e2e import world
from e2e.chain import ROOT
from e2e.scenes import Stage
from e2e.tenant import Tenant
from e2e.waiting import eventually

CHART = str(ROOT / "charts" / "cloudsql-iam-operator")
TYPE = "NetworkPolicyReady"


@pytest.fixture
def enabled(stage: Stage) -> Iterator[None]:
    """The operator keeps NetworkPolicies; it does not before and after."""

    def upgrade(value: str) -> None:
        where = ("--namespace", world.NAMESPACE, "--reuse-values", "--wait", "--timeout", "10m")
        stage.chain.helm("upgrade", "cloudsql-iam-operator", CHART, *where, "--set", f"networkPolicies.enabled={value}")

    upgrade("true")
    yield
    upgrade("false")


def deployment(tenant: Tenant) -> dict[str, Any]:
    """A workload that asks for a policy; its pods are no matter here."""
    asks = {"iam.cloudsql.dev/inject": "web", "iam.cloudsql.dev/network-policy": "true"}
    template = {
        "metadata": {"labels": {"app": "web"}, "annotations": asks},
        "spec": {"serviceAccountName": "web", "containers": [{"name": "app", "image": "postgres:17"}]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": tenant.name},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "web"}}, "template": template},
    }


def default_deny(tenant: Tenant) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "default-deny", "namespace": tenant.name},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"]},
    }


def test_a_policy_that_would_cut_the_application_off_is_a_condition_of_its_user(tenant: Tenant, enabled: None) -> None:
    tenant.account("web")
    tenant.instance()
    tenant.user("web")
    tenant.ready("csqlu", "web")

    tenant.kubectl.apply(deployment(tenant))
    told = eventually(lambda: condition(tenant, "False"), "the refusal is told at the user")
    assert told["reason"] == "NetworkPolicyRefused"
    assert "no NetworkPolicy is made for Deployment web: nothing limits the egress of its pods" in told["message"]
    tenant.ready("csqlu", "web")
    assert policies(tenant) == []

    tenant.kubectl.apply(default_deny(tenant))
    eventually(lambda: condition(tenant, "True"), "the policy is told at the user")
    assert len(policies(tenant)) == 1

    tenant.kubectl("delete", "deployment", "web", "-n", tenant.name)
    eventually(lambda: not tenant.kubectl.condition("csqlu", "web", TYPE, tenant.name), "nobody asks any more")
    eventually(lambda: policies(tenant) == [], "the policy is gone")


def condition(tenant: Tenant, status: str) -> dict[str, Any]:
    found: dict[str, Any] = tenant.kubectl.condition("csqlu", "web", TYPE, tenant.name)
    return found if found.get("status") == status else {}


def policies(tenant: Tenant) -> list[str]:
    """Names of those that the operator made."""
    names = tenant.kubectl("get", "networkpolicies", "-n", tenant.name, "-o", "name").split()
    return [name for name in names if "/cloudsql-proxy-" in name]
