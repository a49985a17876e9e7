"""Namespaces with rules for resources, on a real API server: pods are let in, or the warning names the rule."""

import json
from typing import Any

import pytest

from e2e.waiting import eventually
from support.webhookparts.manifests import GOOGLE_ACCOUNT, JSON, MARK, annotated, service_account, user
from support.webhookparts.site import Site

OWN = {"cpu": "200m", "memory": "128Mi"}
STORED = {"ephemeral-storage": "1Gi"}


def quota(**hard: str) -> JSON:
    return {"kind": "ResourceQuota", "spec": {"hard": {name.replace("_", "."): value for name, value in hard.items()}}}


def limits(kind: str = "Container", **item: Any) -> JSON:
    return {"kind": "LimitRange", "spec": {"limits": [{"type": kind, **item}]}}


COUNTED = quota(limits_cpu="4", limits_memory="4Gi", requests_cpu="4", requests_memory="4Gi")
RULES: dict[str, tuple[JSON, dict[str, str], JSON, JSON]] = {
    "a quota that counts limits": (COUNTED, {}, {}, {"limits": {"cpu": "500m", "memory": "256Mi"}}),
    "the same and an annotation": (COUNTED, {"cpu-limit": "200m"}, {}, {"limits": {"cpu": "200m", "memory": "256Mi"}}),
    "the least CPU": (limits(min={"cpu": "100m"}), {}, {}, {"requests": {"cpu": "100m", "memory": "64Mi"}}),
    "the most memory": (limits(max={"memory": "200Mi"}), {}, {}, {"limits": {"memory": "200Mi"}}),
    "a ratio": (
        limits(maxLimitRequestRatio={"memory": "2"}),
        {},
        {},
        {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
    ),
    "a default below what the proxy asks for": (
        limits(default={"cpu": "40m", "memory": "128Mi"}, defaultRequest={"cpu": "20m", "memory": "64Mi"}),
        {},
        {},
        {"requests": {"cpu": "40m", "memory": "64Mi"}},
    ),
    "the most CPU, which makes a limit due": (limits(max={"cpu": "1"}), {}, {}, {"limits": {"cpu": "1"}}),
    "a quota on ephemeral storage": (
        {
            "kind": "ResourceQuota",
            "spec": {"hard": {f"{which}.ephemeral-storage": "10Gi" for which in ("limits", "requests")}},
        },
        {},
        {"containers": {"requests": STORED, "limits": STORED}},
        {"requests": {"cpu": "50m", "memory": "64Mi", "ephemeral-storage": "32Mi"}},
    ),
    "a small pod as a whole": (
        quota(pods="9"),
        {},
        {"limits": {"memory": "128Mi", "cpu": "1"}},
        {"limits": {"memory": "128Mi"}},
    ),
    "a pod as a whole with little left": (
        quota(pods="9"),
        {},
        {"limits": {"memory": "512Mi", "cpu": "1"}, "requests": {"memory": "100Mi", "cpu": "100m"}},
        {"requests": {"cpu": "50m", "memory": "64Mi"}},
    ),
    "a pod as a whole that asks for less than the proxy": (
        quota(pods="9"),
        {},
        {"limits": {"memory": "512Mi", "cpu": "1"}, "requests": {"memory": "32Mi", "cpu": "20m"}},
        {"requests": {"cpu": "20m", "memory": "32Mi"}},
    ),
}
"""The rule, annotations, resources of the pod (as a whole, or of its container), and those of the proxy in part."""


@pytest.mark.parametrize("case", RULES)
def test_a_pod_is_let_in_under_the_rules_of_its_namespace(site: Site, namespace: str, case: str) -> None:
    rule, annotations, resources, expected = RULES[case]
    ruled(site, namespace, rule)
    body = annotated(namespace, inject="checkout", **annotations)
    own = resources.get("containers") or ({} if resources else {"requests": OWN, "limits": OWN})
    body["spec"]["containers"][0]["resources"] = own
    if resources and "containers" not in resources:
        body["spec"]["resources"] = resources

    def given() -> bool:
        found = proxy_of(site, body)["resources"]
        assert all(expected[which].items() <= found.get(which, {}).items() for which in expected), found
        return True

    eventually(given, f"the pod is let in with {expected}")


def test_a_pod_that_a_rule_for_its_sum_refuses_is_told_by_which(site: Site, namespace: str) -> None:
    ruled(site, namespace, limits("Pod", max={"cpu": "220m"}))
    body = annotated(namespace, inject="checkout")
    body["spec"]["containers"][0]["resources"] = {"requests": OWN, "limits": {**OWN, "cpu": "200m"}}

    def told() -> str:
        done = site.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(body))
        return done.stderr if done.returncode and "Warning: LimitRange rule will refuse the pod" in done.stderr else ""

    said = eventually(told, "the refusal comes with the warning")

    assert "maximum cpu usage per Pod is 220m" in said


def ruled(site: Site, namespace: str, rule: JSON) -> None:
    """A namespace with one rule, and a user that can log in."""
    site.apply(service_account(namespace, **{MARK: GOOGLE_ACCOUNT}), user(namespace))
    site.apply({"apiVersion": "v1", **rule, "metadata": {"name": "rule", "namespace": namespace}})


def proxy_of(site: Site, body: JSON) -> JSON:
    """The proxy in the pod that the API server would store."""
    found: JSON = site.create(body, "--dry-run=server")["spec"]["initContainers"][0]
    return found
