"""The Kubernetes API as the watchdog needs it: pods page by page, one pod whole, Events about it, its eviction."""

from collections.abc import Iterator
from urllib.parse import quote

from cloudsql_iam_operator.adapters.cluster.events import Event
from cloudsql_iam_operator.adapters.cluster.rest import JSON, Answered, Rest

CALL_SECONDS = (5.0, 25.0)
PAGE = 250
OPTED_OUT = "iam.cloudsql.dev/admission=disabled"
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_REFUSED = (404, 409, 429)
"""Answers to an eviction: it is gone, it is another pod, or a PodDisruptionBudget forbids it for now."""


class Pods:
    """Calls to the API server; each raises NotYet when it is not answered well."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    def opted_out(self) -> frozenset[str]:
        """Names of the Namespaces whose label keeps the webhook out."""
        found = self._rest.pages("/api/v1/namespaces", CALL_SECONDS, PAGE, {"labelSelector": OPTED_OUT}, METADATA_ONLY)
        return frozenset(item["metadata"]["name"] for item in found)

    def metadata(self) -> Iterator[JSON]:
        """Metadata of every pod of the cluster, read page by page: no more than one page is held."""
        for item in self._rest.pages("/api/v1/pods", CALL_SECONDS, PAGE, accept=METADATA_ONLY):
            yield item["metadata"]

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
        event = _event(metadata, reason, message)
        try:
            self._rest.send("POST", event.path, CALL_SECONDS, event.body())
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


def _event(metadata: JSON, reason: str, message: str) -> Event:
    """An Event whose name is the pod's, so that there is one of them however often it is told, and by how many."""
    about = {"apiVersion": "v1", "kind": "Pod", **{part: metadata[part] for part in ("name", "namespace", "uid")}}
    return Event({"name": f"{metadata['name'][:200]}.{metadata['uid']}"}, about, reason, message)
