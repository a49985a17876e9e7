"""The Kubernetes API as the reconciler needs it: our own kinds, their status, and the few native objects they name."""

import base64
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import quote

import kubernetes.config

from cloudsql_iam_operator.adapters.cluster import rest
from cloudsql_iam_operator.adapters.cluster.events import Event
from cloudsql_iam_operator.adapters.cluster.rest import JSON, Answered, Rest
from cloudsql_iam_operator.api.names import API_VERSION, FIELD_MANAGER, FINALIZER, GROUP, KINDS, VERSION, Key, Kind
from cloudsql_iam_operator.api.names import WORKLOAD_IDENTITY_ANNOTATION as GOOGLE_ACCOUNT
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.reasons import Reason

log = logging.getLogger(__name__)

CALL_SECONDS = (5.0, 25.0)
"""Connect and read limits of one call."""

PAGE = 500
_KINDS: Mapping[str, Kind] = {kind.name: kind for kind in KINDS}


class NoCluster(ValueError):
    """This process runs in no cluster, and no KUBECONFIG names one."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A Kubernetes Event to be: about which object, its reason, and one sentence."""

    body: Mapping[str, Any]
    warning: bool
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Part:
    """What one field manager holds of a ConfigMap that several share."""

    namespace: str
    name: str
    manager: str

    @property
    def path(self) -> str:
        """Where the ConfigMap is."""
        return f"/api/v1/namespaces/{quote(self.namespace)}/configmaps/{quote(self.name)}"


def connect() -> "Cluster":
    """The cluster this process runs in, or the one that KUBECONFIG names.

    Raises:
        NoCluster: neither is there.
    """
    try:
        return Cluster(rest.connect())
    except kubernetes.config.ConfigException as error:
        raise NoCluster(f"no cluster to talk to: run in one, or set KUBECONFIG ({error})") from error


class Cluster:
    """Calls to the API server. Safe to share between threads; each raises NotYet when it is not answered well."""

    def __init__(self, server: Rest) -> None:
        self.server = server

    def list(self, kind: Kind) -> list[JSON]:
        """Every object of the kind in the cluster, read in pages; none when the kind itself is gone."""
        return [body for page in self.pages(kind) for body in page]

    def pages(self, kind: Kind) -> Iterator[Sequence[JSON]]:
        """The same, a page at a time: each is read when it is asked for."""
        items = self.server.pages(f"/apis/{GROUP}/{VERSION}/{kind.plural}", CALL_SECONDS, PAGE)
        try:
            while page := [{"apiVersion": API_VERSION, "kind": kind.name, **item} for item in islice(items, PAGE)]:
                yield page
        except Answered as answered:
            if answered.status != 404:
                raise

    def get(self, key: Key) -> JSON | None:
        """The object as stored; None when it does not exist."""
        return self._found(path_of(key))

    def apply_status(self, key: Key, uid: str, status: Mapping[str, Any]) -> JSON | None:
        """Make this the whole status (server-side apply, our field manager); the object then, None when it is gone."""
        metadata = {"name": key.name, "uid": uid} | ({"namespace": key.namespace} if key.namespace else {})
        body = {"apiVersion": API_VERSION, "kind": key.kind, "metadata": metadata, "status": dict(status)}
        try:
            return self.server.apply(f"{path_of(key)}/status", CALL_SECONDS, body, FIELD_MANAGER)
        except Answered as answered:
            if answered.status == 404:
                return None
            raise

    def hold(self, body: JSON) -> JSON | None:
        """Put our finalizer on the object, as it was seen; the object then, None when it is gone."""
        before = body["metadata"].get("finalizers")
        return self._finalized(body, before, [*(before or ()), FINALIZER])

    def let_go(self, body: JSON) -> JSON | None:
        """Take our finalizer off the object, as it was seen; what is left of it, None when it is gone."""
        before = body["metadata"].get("finalizers", [])
        return self._finalized(body, before, [one for one in before if one != FINALIZER])

    def _finalized(self, body: JSON, before: Sequence[str] | None, after: Sequence[str]) -> JSON | None:
        """Have these finalizers on that very object instead of those; whatever else of it was changed, stays so."""
        metadata = body["metadata"]
        patch = [
            {"op": "test", "path": "/metadata/uid", "value": metadata["uid"]},
            {"op": "test", "path": "/metadata/finalizers", "value": before},
            {"op": "add", "path": "/metadata/finalizers", "value": after},
        ]
        key = Key(body["kind"], metadata.get("namespace") or "", metadata["name"])
        try:
            return self.server.send("PATCH", path_of(key), CALL_SECONDS, patch)
        except Answered as answered:
            if answered.status == 404:
                return None
            raise

    def google_account(self, namespace: str, name: str) -> str | None:
        """What the annotation of a ServiceAccount names as its Google account; "" without one, None without it."""
        account = self._found(f"/api/v1/namespaces/{quote(namespace)}/serviceaccounts/{quote(name)}")
        if account is None:
            return None
        return str((account["metadata"].get("annotations") or {}).get(GOOGLE_ACCOUNT) or "").strip()

    def namespace_labels(self, name: str) -> Mapping[str, str] | None:
        """Labels of a namespace; None when it is gone."""
        namespace = self._found(f"/api/v1/namespaces/{quote(name)}")
        return None if namespace is None else dict(namespace["metadata"].get("labels") or {})

    def mark(self) -> str:
        """What tells this cluster from others: the beginning of the uid of its namespace kube-system."""
        namespace = self._found("/api/v1/namespaces/kube-system")
        return "" if namespace is None else str(namespace["metadata"]["uid"])[:8]

    def secret(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """A Secret's decoded values; None when it does not exist."""
        secret = self._found(f"/api/v1/namespaces/{quote(namespace)}/secrets/{quote(name)}")
        if secret is None:
            return None
        return {
            key: _text(f"Secret {namespace}/{name}", key, value) for key, value in (secret.get("data") or {}).items()
        }

    def kind_is_going(self, kind: Kind) -> bool:
        """Whether the kind's own definition is being deleted, which abandons and revokes nothing."""
        definition = self.definition(kind)
        return definition is None or "deletionTimestamp" in definition["metadata"]

    def definition(self, kind: Kind) -> JSON | None:
        """The kind's CustomResourceDefinition; None when there is none."""
        return self._found(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{kind.plural}.{GROUP}")

    def store(self, part: Part, entries: Mapping[str, bytes], owner: Mapping[str, str]) -> None:
        """Make these the manager's entries in the ConfigMap, which lives as long as one of its owners."""
        encoded = {name: base64.b64encode(value).decode() for name, value in entries.items()}
        self.server.apply(part.path, CALL_SECONDS, _config_map(part, [dict(owner)], encoded), part.manager)

    def withdraw(self, part: Part) -> None:
        """Take the manager's entries out of the ConfigMap, and delete that when nobody else has any.

        A refusal is logged and no failure: a namespace that is going refuses this when the ConfigMap went before.
        """
        try:
            left = self.server.apply(part.path, CALL_SECONDS, _config_map(part, [], {}), part.manager)
        except Answered as answered:
            if answered.status != 403:
                raise
            log.warning("entry in ConfigMap %s/%s not taken out: %s", part.namespace, part.name, answered)
            return
        if left.get("binaryData") or left.get("data"):
            return
        unchanged = {"resourceVersion": left["metadata"]["resourceVersion"]}
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": unchanged}
        try:
            self.server.send("DELETE", part.path, CALL_SECONDS, options)
        except Answered as answered:
            if answered.status not in {404, 409}:
                raise

    def post(self, notice: Notice) -> None:
        """Record an Event. Best effort: an Event that cannot be written is logged and dropped."""
        event = _event(notice)
        try:
            self.server.send("POST", event.path, CALL_SECONDS, event.body())
        except NotYet as failure:
            # a namespace that is going takes no Event: that is no news
            level = logging.DEBUG if _going(failure, event.namespace) else logging.WARNING
            about = notice.body["metadata"]["name"]
            log.log(level, "event %s about %s not recorded: %s", notice.reason, about, failure)

    def _found(self, path: str) -> JSON | None:
        try:
            return self.server.get(path, CALL_SECONDS)
        except Answered as answered:
            if answered.status == 404:
                return None
            raise


def _going(failure: NotYet, namespace: str) -> bool:
    """Whether a write was refused because its namespace is being deleted or is gone: only its words say so.

    Source: Kubernetes, admission plugin NamespaceLifecycle
    """
    if not isinstance(failure, Answered):
        return False
    terminating = failure.status == 403 and "because it is being terminated" in failure.message
    return terminating or (failure.status == 404 and f'namespaces "{namespace}" not found' in failure.message)


def _text(secret: str, key: str, value: str) -> str:
    try:
        return base64.b64decode(value).decode()
    except ValueError:  # its own text would quote the value
        raise NotYet(Reason.DATABASE_LOGIN_FAILED, f"{secret}, key {key}, is no UTF-8 text: write it anew") from None


def path_of(key: Key) -> str:
    """Where an object of ours is."""
    place = f"/namespaces/{quote(key.namespace)}" if key.namespace else ""
    return f"/apis/{GROUP}/{VERSION}{place}/{_KINDS[key.kind].plural}/{quote(key.name)}"


def _config_map(part: Part, owners: list[JSON], entries: Mapping[str, str]) -> JSON:
    metadata = {"name": part.name, "namespace": part.namespace, "ownerReferences": owners}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "binaryData": dict(entries)}


def _event(notice: Notice) -> Event:
    about = notice.body["metadata"]
    subject = {"apiVersion": API_VERSION, "kind": notice.body["kind"], "name": about["name"], "uid": about.get("uid")}
    subject |= {"namespace": about["namespace"]} if about.get("namespace") else {}
    return Event(
        {"generateName": f"{about['name'][:50]}."}, subject, notice.reason, notice.message, warning=notice.warning
    )
