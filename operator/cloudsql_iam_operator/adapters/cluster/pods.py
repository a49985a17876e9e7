"""The Kubernetes API as the watchdog needs it: pods page by page, one pod whole, Events about it, its eviction."""

from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import quote

from cloudsql_iam_operator.adapters.cluster.rest import JSON, Answered, Rest
from cloudsql_iam_operator.api.names import FIELD_MANAGER
from cloudsql_iam_operator.core.visibility import visible

CALL_SECONDS = (5.0, 25.0)
PAGE = 250
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
NOTICE_LENGTH = 1024
_REFUSED = (404, 409, 429)
"""Answers to an eviction: it is gone, it is another pod, or a PodDisruptionBudget forbids it for now."""


class Pods:
    """Calls to the API server; each raises NotYet when it is not answered well."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    def metadata(self) -> Iterator[JSON]:
        """Metadata of every pod of the cluster, read page by page: no more than one page is held."""
        query = {"limit": str(PAGE)}
        while True:
            page = self._rest.get("/api/v1/pods", CALL_SECONDS, query, accept=METADATA_ONLY)
            yield from (item["metadata"] for item in page["items"])
            token = page["metadata"].get("continue")
            if not token:
                return
            query = {"limit": str(PAGE), "continue": token}

    def get(self, namespace: str, name: str) -> JSON | None:
        """A pod; None when it is gone."""
        try:
            return self._rest.get(_path(namespace, name), CALL_SECONDS)
        except Answered as answered:
            if answered.status == 404:
                return None
            raise

    def tell(self, metadata: JSON, reason: str, message: str) -> bool:
        """Record a Warning Event about a pod; False when the same one is still there, or its namespace is going."""
        namespace = metadata["namespace"]
        try:
            path = f"/api/v1/namespaces/{quote(namespace)}/events"
            self._rest.send("POST", path, CALL_SECONDS, _event(metadata, reason, message))
        except Answered as answered:
            if answered.status in (403, 404, 409):
                return False
            raise
        return True

    def evict(self, metadata: JSON) -> bool:
        """Have this very pod made again by its controller; False when that is not allowed now, or it is gone."""
        namespace, name = metadata["namespace"], metadata["name"]
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": namespace},
            "deleteOptions": {"preconditions": {"uid": metadata["uid"]}},
        }
        try:
            self._rest.send("POST", f"{_path(namespace, name)}/eviction", CALL_SECONDS, body)
        except Answered as answered:
            if answered.status in _REFUSED:
                return False
            raise
        return True


def _path(namespace: str, name: str) -> str:
    return f"/api/v1/namespaces/{quote(namespace)}/pods/{quote(name)}"


def _event(metadata: JSON, reason: str, message: str) -> JSON:
    """An Event whose name is the pod's, so that there is one of them however often it is told, and by how many."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    about = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "namespace": metadata["namespace"]}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name'][:200]}.{metadata['uid']}", "namespace": metadata["namespace"]},
        "involvedObject": about | {"uid": metadata["uid"]},
        "type": "Warning",
        "reason": reason,
        "message": visible(message)[:NOTICE_LENGTH],
        "source": {"component": FIELD_MANAGER},
        "reportingComponent": FIELD_MANAGER,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
