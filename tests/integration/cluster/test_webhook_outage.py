"""What happens while the webhook is away, and after: on a real API server with its controllers."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from e2e.waiting import eventually
from support.webhookparts.manifests import (
    JSON,
    annotated,
    init_containers,
    service_account,
    workload,
)
from support.webhookparts.site import WEBHOOK, Site, install, slice_for

CALLS, RATE = 600, 50.0
"""Calls while a replica goes, and how many of them in a second."""

DRAIN = {"WEBHOOK_DRAIN_SECONDS": "5"}
"""How long a replica that ends answers still; the chart's own."""


@pytest.fixture
def watchdog(site: Site) -> Iterator[None]:
    """A third replica that looks for pods every few seconds; it is called by nobody."""
    install(site, "webhook.watchdog.mode=restart")
    replica = site.start(3, WATCHDOG="restart", WATCHDOG_SECONDS="5")
    eventually(lambda: replica.get("/readyz") == 200, "the replica with the watchdog is ready")
    yield
    assert replica.stop() == 0
    install(site)


def serving(site: Site, number: int, ready: bool) -> None:
    """What the endpoints controller does when a pod begins to end, or is ready."""
    changed = slice_for(number)
    changed["endpoints"][0]["conditions"] = {"ready": ready, "serving": True, "terminating": not ready}
    site.apply(changed)


def exchange(site: Site, **settings: str) -> None:
    """Let the first replica end in order, and start another in its place."""
    assert site.replicas[0].stop() == 0
    site.replicas[0] = site.start(0, **settings)
    eventually(lambda: site.replicas[0].get("/readyz") == 200, "the new replica is ready")


def test_no_call_fails_while_a_replica_goes_and_comes_back(site: Site, tenant: str) -> None:
    exchange(site, **DRAIN)
    pod = annotated(tenant, inject="checkout", database="orders")
    path, failures = f"/api/v1/namespaces/{tenant}/pods?dryRun=All", list[JSON]()
    begun = threading.Event()

    def call(number: int) -> None:
        time.sleep(max(0.0, started + number / RATE - time.monotonic()))
        if number > CALLS // 10:
            begun.set()
        made = dict(site.api.post(path, pod | {"metadata": pod["metadata"] | {"name": f"web-{number}"}}))
        if init_containers(made) != ["cloudsql-proxy"]:
            failures.append(made)

    started = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        calls = [pool.submit(call, number) for number in range(CALLS)]
        assert begun.wait(60)
        serving(site, 0, ready=False)
        exchange(site)
        serving(site, 0, ready=True)
        for each in calls:
            each.result(120)

    assert failures == []


def test_without_the_webhook_plain_pods_start_and_annotated_ones_follow_when_it_is_back(
    site: Site, tenant: str
) -> None:
    for replica in site.replicas:
        assert replica.stop() == 0

    plain = site.create(annotated(tenant))
    site.apply(workload(tenant, "Job", annotated(tenant, inject="checkout", database="orders")))
    eventually(lambda: failed_creates(site, tenant), "the Job's controller was refused")
    assert init_containers(plain) == []
    assert pods_of(site, tenant, "web-") == []

    site.replicas[:] = [site.start(0), site.start(1)]
    eventually(lambda: pods_of(site, tenant, "web-"), "the Job's pod is there")

    (made,) = pods_of(site, tenant, "web-")
    assert init_containers(made) == ["cloudsql-proxy"]


def test_what_the_webhook_needs_to_start_is_made_without_it(site: Site) -> None:
    """Its own pods and those of the node's network are annotated too: nobody may have to answer for them."""
    for replica in site.replicas:
        assert replica.stop() == 0

    for place in ("csql", "kube-system"):
        site.apply(service_account(place))
        made = site.create(annotated(place, inject="checkout"))
        assert init_containers(made) == []
        assert site.kubectl("delete", "pod", "web", "--namespace", place, "--grace-period=0").returncode == 0

    site.replicas[:] = [site.start(0), site.start(1)]
    for replica in site.replicas:
        eventually(lambda r=replica: r.get("/readyz") == 200, "it starts from nothing")  # type: ignore[misc]


def test_a_pod_that_the_webhook_never_saw_is_told_and_made_again(site: Site, tenant: str, watchdog: None) -> None:
    """The namespace is left out while the pods are made, as a webhook that is away under Ignore leaves them out."""
    label = ("label", "namespace", tenant, "--overwrite")
    assert site.kubectl(*label, "iam.cloudsql.dev/admission=disabled").returncode == 0
    body = workload(tenant, "Deployment", annotated(tenant, inject="checkout", database="orders"))
    site.apply(body)
    (missed,) = eventually(lambda: pods_of(site, tenant, "web-"), "the Deployment's pod is there")
    assert init_containers(missed) == []
    assert site.kubectl(*label, "iam.cloudsql.dev/admission=enabled").returncode == 0

    def injected() -> bool:
        return any(init_containers(pod) == ["cloudsql-proxy"] for pod in pods_of(site, tenant, "web-"))

    eventually(injected, "the pod was made again with its proxy", limit=300)
    about = f"involvedObject.name={missed['metadata']['name']}"
    told = site.kubectl("get", "events", "-n", tenant, f"--field-selector={about}", "-o", "json")
    reasons = [event["reason"] for event in json.loads(told.stdout)["items"]]
    assert reasons.count("ProxyMissing") == 1


def pods_of(site: Site, namespace: str, prefix: str) -> list[JSON]:
    found = site.api.get(f"/api/v1/namespaces/{namespace}/pods")["items"]
    return [
        pod
        for pod in found
        if pod["metadata"].get("generateName", "").startswith(prefix) and "deletionTimestamp" not in pod["metadata"]
    ]


def failed_creates(site: Site, namespace: str) -> bool:
    found = site.api.get(f"/api/v1/namespaces/{namespace}/events")["items"]
    return any(WEBHOOK in event["message"] or "inject.iam.cloudsql.dev" in event["message"] for event in found)
