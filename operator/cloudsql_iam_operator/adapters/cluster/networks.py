"""The Kubernetes API as the keeper of NetworkPolicies needs it: workloads page by page, policies, Events."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from cloudsql_iam_operator.adapters.cluster.events import Event
from cloudsql_iam_operator.adapters.cluster.rest import JSON, Answered, Rest
from cloudsql_iam_operator.api.names import FIELD_MANAGER

CALL_SECONDS = (5.0, 25.0)
PAGE = 100
_POLICIES = "/apis/networking.k8s.io/v1"
_GONE = (404, 409)
_REFUSED = (400, 403, 404, 409, 422)
"""Answers that are about one policy or its namespace; the others would come to any."""


class Networks:
    """Calls to the API server; each raises NotYet when it is not answered well."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    def workloads(self, group: str, kind: str) -> Iterator[JSON]:
        """All workloads of a kind, read page by page."""
        return self._rest.pages(f"/apis/{group}/v1/{kind.lower()}s", CALL_SECONDS, PAGE)

    def policies(self, namespace: str) -> list[JSON]:
        """All NetworkPolicies of a namespace."""
        return list(self._rest.pages(f"{_POLICIES}/namespaces/{quote(namespace)}/networkpolicies", CALL_SECONDS, PAGE))

    def labelled(self, labels: Mapping[str, str]) -> list[JSON]:
        """All NetworkPolicies of the cluster with these labels."""
        chosen = ",".join(f"{name}={value}" for name, value in labels.items())
        return list(self._rest.pages(f"{_POLICIES}/networkpolicies", CALL_SECONDS, PAGE, {"labelSelector": chosen}))

    def apply(self, policy: JSON) -> str:
        """Store a NetworkPolicy; the API server's words when it refuses this one: a quota, a namespace that goes."""
        try:
            self._rest.apply(_path(policy), CALL_SECONDS, policy, FIELD_MANAGER)
        except Answered as answered:
            return _refusal(answered)
        return ""

    def delete(self, policy: JSON) -> str:
        """Delete this very NetworkPolicy, unless it is gone; the API server's words when it refuses."""
        exactly = {"uid": policy["metadata"]["uid"]}
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": exactly}
        try:
            self._rest.send("DELETE", _path(policy), CALL_SECONDS, options)
        except Answered as answered:
            return "" if answered.status in _GONE else _refusal(answered)
        return ""

    def tell(self, namespace: str, about: Mapping[str, Any], reason: str, message: str) -> bool:
        """Record a Warning Event about a workload; False when it is there already, or the namespace is going."""
        named = {"name": f"{about['name'][:180]}.network.{about['uid']}"}
        event = Event(named, {**about, "namespace": namespace}, reason, message)
        try:
            self._rest.send("POST", event.path, CALL_SECONDS, event.body())
        except Answered as answered:
            if answered.status in (403, *_GONE):
                return False
            raise
        return True


def _refusal(answered: Answered) -> str:
    """What the API server has against one object.

    Raises:
        Answered: it has something against all of them.
    """
    if answered.status in _REFUSED:
        return answered.message
    raise answered


def _path(policy: JSON) -> str:
    metadata = policy["metadata"]
    return f"{_POLICIES}/namespaces/{quote(metadata['namespace'])}/networkpolicies/{quote(metadata['name'])}"
