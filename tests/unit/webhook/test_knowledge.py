"""What the webhook knows of a cluster whose lists and watches say what a test tells."""

import json
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any

import pytest
import urllib3
from kubernetes.client import ApiClient

from cloudsql_iam_operator.adapters.cluster.admission import AdmissionCluster
from cloudsql_iam_operator.adapters.cluster.rest import Limits, Rest
from cloudsql_iam_operator.webhook.knowledge import Knowledge
from cloudsql_iam_operator.webhook.surroundings import Surrounded
from support.podshapes import ACCOUNT
from support.webhookparts import manifests

PATIENCE = 60.0
CREATED = {"creationTimestamp": "2026-01-01T00:00:00Z", "generation": 1}
JSON = dict[str, Any]


class Watch(urllib3.HTTPResponse):
    """A response that brings what is put into its queue."""

    def __init__(self, lines: "queue.Queue[bytes]") -> None:
        super().__init__(b"")
        self._lines = lines

    def stream(self, amt: int | None = None, decode_content: bool | None = None) -> Generator[bytes, None, None]:
        while True:
            yield self._lines.get()


class Cluster(Rest):
    """An API server of a few lines: objects by kind, as they are stored, and what its watches bring."""

    def __init__(self) -> None:
        super().__init__(ApiClient())
        self.stored: dict[str, list[JSON]] = {}
        self.news: dict[str, queue.Queue[bytes]] = {}
        self._version = 10

    def stream(
        self, path: str, limits: Limits, query: Mapping[str, str] | None = None, accept: str = ""
    ) -> urllib3.BaseHTTPResponse:
        *_, plural = path.split("/")
        if "watch" in (query or {}):
            return Watch(self.news.setdefault(plural, queue.Queue()))
        one = [body for bodies in self.stored.values() for body in bodies if body["metadata"]["name"] == plural]
        listed = {"items": self.stored.get(plural, []), "metadata": {"resourceVersion": "10"}}
        return urllib3.HTTPResponse(json.dumps(one[0] if one else listed))

    def store(self, plural: str, body: JSON) -> JSON:
        """Store a new version, of which no watch tells."""
        self._version += 1
        body = {**body, "metadata": {**CREATED, **body["metadata"], "resourceVersion": str(self._version)}}
        others = [one for one in self.stored.get(plural, []) if one["metadata"]["name"] != body["metadata"]["name"]]
        self.stored[plural] = [*others, body]
        return body

    def tell(self, plural: str, body: JSON) -> None:
        """Store it, and let the watch bring it."""
        line = json.dumps({"type": "MODIFIED", "object": self.store(plural, body)})
        self.news.setdefault(plural, queue.Queue()).put(line.encode() + b"\n")


@pytest.fixture
def cluster() -> Cluster:
    made = Cluster()
    made.store("cloudsqlinstances", manifests.instance())
    made.store("serviceaccounts", manifests.service_account("orders", **{manifests.MARK: ACCOUNT.google_account}))
    made.store("cloudsqliamusers", manifests.user("orders"))
    return made


@pytest.fixture
def known(cluster: Cluster) -> Iterator[Surrounded]:
    calls, stop = AdmissionCluster(cluster), threading.Event()
    knowledge = Surrounded(Knowledge(calls), calls)
    knowledge.start(stop)
    until(knowledge.complete)
    yield knowledge
    stop.set()


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def grant(database: str) -> JSON:
    spec = {
        "instanceRef": {"name": "orders-prod"},
        "database": database,
        "grantees": [{"userRef": {"name": "checkout"}}],
    }
    return {
        "apiVersion": manifests.user("orders")["apiVersion"],
        "kind": "DatabaseGrant",
        "metadata": {"name": "reads", "namespace": "orders"},
        "spec": {**spec, "preset": "read", "schemas": ["app"]},
    }


def node(beat: str) -> JSON:
    status = {"nodeInfo": {"kubeletVersion": "v1.33.7"}, "conditions": [{"type": "Ready", "lastHeartbeatTime": beat}]}
    return {"metadata": {"name": "n1"}, "status": status}


def test_facts_are_the_very_same_while_nothing_about_the_pod_changes(cluster: Cluster, known: Surrounded) -> None:
    cluster.tell("nodes", node("1"))
    until(lambda: bool(known.facts("orders", "checkout").kubelets))
    before = known.facts("orders", "checkout")

    cluster.tell("cloudsqliamusers", manifests.user("elsewhere"))
    cluster.tell("cloudsqliamusers", manifests.user("orders"))
    cluster.tell("nodes", node("2"))
    cluster.tell("serviceaccounts", manifests.service_account("last"))
    until(lambda: known.facts("last", "checkout").service_account is not None)
    until(lambda: bool(known.facts("elsewhere", "checkout").users))

    assert known.facts("orders", "checkout") is before


def test_what_a_watch_brings_reaches_the_next_pod(cluster: Cluster, known: Surrounded) -> None:
    assert known.facts("orders", "checkout").users[0].databases == ()

    cluster.tell("databasegrants", grant("orders"))

    until(lambda: known.facts("orders", "checkout").users[0].databases == ("orders",))


def test_a_fresh_look_sees_what_no_watch_has_brought(cluster: Cluster, known: Surrounded) -> None:
    cluster.store("databasegrants", grant("orders"))

    assert known.facts("orders", "checkout").users[0].databases == ()
    assert known.facts_now("orders", "checkout").users[0].databases == ("orders",)
