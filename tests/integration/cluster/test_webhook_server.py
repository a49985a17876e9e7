"""Whom the API server asks about what, what it keeps of the answers, and what the replicas count."""

import json
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from controlplane.addresses import GATEWAY
from e2e.waiting import eventually
from support.webhookparts.manifests import (
    JSON,
    annotated,
    init_containers,
    service_account,
    workload,
)
from support.webhookparts.site import METRICS, Site

CLOSED = "closed-to-admission"
PODS = "pods.inject.iam.cloudsql.dev"


def pages(site: Site) -> Counter[str]:
    """All that the replicas count, by what each line of their pages says."""
    found: Counter[str] = Counter()
    for replica in site.replicas:
        with urllib.request.urlopen(f"http://{GATEWAY}:{METRICS + replica.number}/metrics", timeout=60) as answered:
            for line in answered.read().decode().splitlines():
                if not line.startswith("#"):
                    name, _, value = line.rpartition(" ")
                    found[name] += float(value)  # type: ignore[assignment]
    return found


def audited(site: Site, name: str, namespace: str) -> dict[str, str]:
    """What the audit log keeps of our answer about the pod of that name."""

    def is_it(event: JSON) -> bool:
        about = event.get("objectRef", {})
        return (about.get("resource"), about.get("namespace"), about.get("name")) == ("pods", namespace, name)

    annotations = [event.get("annotations", {}) for event in site.plane.audit_events() if is_it(dict(event))]
    return {key.partition("/")[2]: value for each in annotations for key, value in each.items() if key.startswith(PODS)}


def test_both_replicas_answer_the_api_server(site: Site, tenant: str) -> None:
    pod, path = annotated(tenant, inject="checkout"), f"/api/v1/namespaces/{tenant}/pods?dryRun=All"
    before = [replica.requests() for replica in site.replicas]

    def ask(number: int) -> list[str]:
        return init_containers(
            dict(site.api.post(path, pod | {"metadata": pod["metadata"] | {"name": f"web-{number}"}}))
        )

    def both_grew() -> bool:
        with ThreadPoolExecutor(16) as pool:
            assert all(found == ["cloudsql-proxy"] for found in pool.map(ask, range(64)))
        return all(replica.requests() > was for replica, was in zip(site.replicas, before, strict=True))

    eventually(both_grew, "both replicas were asked")


@pytest.mark.parametrize("place", ["csql", "kube-system", "kube-node-lease", "kube-public", CLOSED])
def test_pods_and_workloads_of_the_cluster_itself_never_reach_the_webhook(site: Site, place: str) -> None:
    site.apply(
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": CLOSED, "labels": {"iam.cloudsql.dev/admission": "disabled"}},
        }
    )
    site.apply(service_account(place))
    wrong = annotated(place, injekt="checkout")
    before = site.requests()

    made = site.create(wrong, "--dry-run=server")
    site.create(workload(place, "Deployment", wrong), "--dry-run=server")

    assert init_containers(made) == []
    assert site.requests() == before


def test_the_audit_log_says_how_each_pod_was_decided_and_names_nobody(site: Site, tenant: str) -> None:
    out, wrong = annotated(tenant, inject="false"), annotated(tenant, injekt="true")
    out["metadata"]["name"], wrong["metadata"]["name"] = "out", "typo"

    site.create(annotated(tenant, inject="checkout", database="orders"))
    site.create(out)
    site.refusal(wrong)

    assert audited(site, "web", tenant) == {"decision": "injected"}
    assert audited(site, "out", tenant) == {"decision": "unchanged", "reason": "opted-out"}
    assert audited(site, "typo", tenant) == {"decision": "denied", "reason": "annotation"}


def test_the_replicas_count_what_was_asked_and_how_it_was_decided(site: Site, tenant: str) -> None:
    before = pages(site)

    site.create(annotated(tenant, inject="checkout", database="orders"), "--dry-run=server")
    site.create(annotated(tenant, inject="checkout", database="orders"))
    site.refusal(annotated(tenant, injekt="true"))
    site.refusal(annotated(tenant, inject="nobody"))

    grown = pages(site) - before
    asked = "cloudsql_iam_webhook_requests_total{decision="
    assert {line.removeprefix(asked): value for line, value in grown.items() if line.startswith(asked)} == {
        '"injected",dry_run="true",operation="CREATE",reason=""}': 1,
        '"injected",dry_run="false",operation="CREATE",reason=""}': 1,
        # the API server mounts the token into the proxy, and asks again
        '"unchanged",dry_run="true",operation="CREATE",reason="already-injected"}': 1,
        '"unchanged",dry_run="false",operation="CREATE",reason="already-injected"}': 1,
        '"denied",dry_run="false",operation="CREATE",reason="annotation"}': 1,
        '"denied",dry_run="false",operation="CREATE",reason="user"}': 1,
    }
    assert grown["cloudsql_iam_webhook_duration_seconds_count"] == 6
    assert grown['cloudsql_iam_webhook_live_reads_total{result="denied"}'] == 1
    now = pages(site)
    assert now["cloudsql_iam_webhook_certificate_expiry_timestamp_seconds"] > 0
    resources = ("cloudsqliamusers", "cloudsqlinstances", "databasegrants", "serviceaccounts", "namespaces", "nodes")
    assert {f'cloudsql_iam_webhook_cache_age_seconds{{resource="{one}"}}' for one in resources} <= now.keys()
    assert {line for line in now if "checkout" in line or tenant in line} == set()


def test_a_pod_of_nearly_three_megabytes_comes_back_with_its_proxy(site: Site, tenant: str) -> None:
    pod = annotated(tenant, inject="checkout", database="orders")
    env = [{"name": f"V{number}", "value": "x" * 250} for number in range(100)]
    pod["spec"]["containers"] = [{**pod["spec"]["containers"][0], "name": f"c{n}", "env": env} for n in range(100)]
    assert 2_700_000 < len(json.dumps(pod)) < 3_000_000

    made = dict(site.api.post(f"/api/v1/namespaces/{tenant}/pods?dryRun=All", pod))

    assert init_containers(made) == ["cloudsql-proxy"]
    assert [each["env"][0]["name"] for each in made["spec"]["containers"]] == ["PGHOST"] * 100
