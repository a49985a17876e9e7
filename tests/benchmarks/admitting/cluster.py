"""The webhook behind a real API server: pods that it is not asked about, memory, and Deployments by the hundred."""

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure
from benchmarks.memory import resident
from controlplane.kubelet.api import Api
from e2e.waiting import eventually
from integration.shared_plane import shared_plane
from support.webhookparts.manifests import (
    GOOGLE_ACCOUNT,
    MARK,
    annotated,
    init_containers,
    instance,
    service_account,
    user,
    workload,
)
from support.webhookparts.site import Site, install, log_in

JSON = dict[str, Any]
UNANNOTATED, ELSEWHERE = 1_000, 5_000
DEPLOYMENTS, ROUNDS = 200, 6
MEMORY, GROWTH = 100.0, 5.0
"""MiB; the growth is what a process is given and takes back anyway."""

PATIENCE = 600.0


def measure() -> Sequence[Figure]:
    """Start an API server with two replicas of the webhook, and count."""
    with _site() as site:
        namespaces = [_tenant(site, f"bench-{number}") for number in range(ROUNDS)]
        _say("pods without annotations")
        _pods(site, "elsewhere", 100)
        asked, before = site.requests(), _memory()
        _pods(site, "elsewhere", UNANNOTATED, first=100)
        calls = site.requests() - asked
        _pods(site, "elsewhere", ELSEWHERE - UNANNOTATED, first=UNANNOTATED + 100)
        after = _memory()
        without = sum(_without_proxy(site, name) for name in namespaces)
    return [
        Figure(f"webhook calls for {UNANNOTATED:,} unannotated pods", calls, "calls", 0),
        Figure("resident memory of a replica", before, "MiB", MEMORY),
        Figure(f"the same after {ELSEWHERE:,} pods exist elsewhere", after, "MiB", MEMORY),
        Figure("growth with those pods", after - before, "MiB", GROWTH),
        Figure(f"pods of {DEPLOYMENTS * ROUNDS:,} without their proxy", without, "pods", 0),
    ]


@contextmanager
def _site() -> Iterator[Site]:
    directory = Path(tempfile.mkdtemp(prefix="admission-", dir=os.environ["CHAIN_DIR"]))
    with shared_plane(directory) as shared:
        site = Site(directory, shared.programs, shared.plane, Api(shared.plane.admin, directory))
        install(site)
        log_in(site)
        try:
            site.replicas += [site.start(0), site.start(1)]
            for replica in site.replicas:
                eventually(lambda r=replica: r.get("/readyz") == 200, "the replica is ready")  # type: ignore[misc]
            yield site
        finally:
            for replica in site.replicas:
                replica.process.kill()
                replica.process.wait()


def _tenant(site: Site, name: str) -> str:
    """A namespace whose Deployments come together with the account and the user that they name."""
    site.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, instance())
    return name


def _without_proxy(site: Site, namespace: str) -> int:
    """Declare everything at once; how many of the pods that came up have no proxy."""
    _say(f"{DEPLOYMENTS} Deployments in {namespace}")
    site.apply(service_account(namespace, **{MARK: GOOGLE_ACCOUNT}), user(namespace))
    pod = annotated(namespace, inject="checkout", database="orders")
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"

    def declare(number: int) -> None:
        made = workload(namespace, "Deployment", pod)
        labels = {"app": f"web-{number}"}
        made["metadata"]["name"] = f"web-{number}"
        made["spec"]["selector"], made["spec"]["template"]["metadata"]["labels"] = {"matchLabels": labels}, labels
        site.api.post(path, made)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(declare, range(DEPLOYMENTS)))
    eventually(lambda: len(_found(site, namespace)) == DEPLOYMENTS, "all pods were made", PATIENCE)
    return sum("cloudsql-proxy" not in init_containers(one) for one in _found(site, namespace))


def _found(site: Site, namespace: str) -> list[JSON]:
    return list(site.api.get(f"/api/v1/namespaces/{namespace}/pods")["items"])


def _pods(site: Site, namespace: str, count: int, first: int = 0) -> None:
    """Pods that ask for nothing."""
    if first == 0:
        site.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}, service_account(namespace)
        )
    plain = annotated(namespace)

    def make(number: int) -> None:
        site.api.post(f"/api/v1/namespaces/{namespace}/pods", plain | {"metadata": {"name": f"plain-{number}"}})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, range(first, first + count)))


def _memory() -> float:
    return max(resident(os.getpid(), "cloudsql_iam_operator webhook"))


def _say(line: str) -> None:
    print(f"   admission: {line}", file=sys.stderr, flush=True)
