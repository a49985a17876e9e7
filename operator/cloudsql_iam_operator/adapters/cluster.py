"""The Kubernetes API as the reconciler needs it: our own kinds, their status, and the few native objects they name."""

import base64
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import kubernetes
import urllib3
from kubernetes.client import ApiException

from cloudsql_iam_operator.api.names import API_VERSION, FIELD_MANAGER, GROUP, KINDS, VERSION, Key, Kind
from cloudsql_iam_operator.api.names import WORKLOAD_IDENTITY_ANNOTATION as GOOGLE_ACCOUNT
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.reasons import Reason

log = logging.getLogger(__name__)

CALL_SECONDS = (5.0, 25.0)
"""Connect and read limits of one call."""

PAGE = 500
_KINDS: Mapping[str, Kind] = {kind.name: kind for kind in KINDS}


@dataclass(frozen=True, slots=True)
class Notice:
    """A Kubernetes Event to be: about which object, its reason, and one sentence."""

    body: Mapping[str, Any]
    warning: bool
    reason: str
    message: str


def connect() -> "Cluster":
    """The cluster this process runs in, or the one that KUBECONFIG names.

    Raises:
        kubernetes.config.ConfigException: neither is there.
    """
    try:
        kubernetes.config.load_incluster_config()
    except kubernetes.config.ConfigException:
        kubernetes.config.load_kube_config()
    return Cluster(kubernetes.client.ApiClient())


class Cluster:
    """Calls to the API server, one request each. Safe to share between threads."""

    def __init__(self, client: Any) -> None:
        self._custom = kubernetes.client.CustomObjectsApi(client)
        self._core = kubernetes.client.CoreV1Api(client)
        self._extensions = kubernetes.client.ApiextensionsV1Api(client)

    def list(self, kind: Kind) -> list[dict[str, Any]]:
        """Every object of the kind in the cluster, read in pages."""
        found: list[dict[str, Any]] = []
        token = None
        while True:
            page = self._call(
                "list " + kind.plural,
                self._custom.list_cluster_custom_object,
                *(GROUP, VERSION, kind.plural),
                limit=PAGE,
                **({"_continue": token} if token else {}),
            )
            found += page["items"]
            token = page["metadata"].get("continue")
            if not token:
                return [{"apiVersion": API_VERSION, "kind": kind.name, **item} for item in found]

    def get(self, key: Key) -> dict[str, Any] | None:
        """The object as stored now; None when it does not exist."""
        kind = _KINDS[key.kind]
        read: Any = self._custom.get_cluster_custom_object
        if kind.namespaced:
            read = self._custom.get_namespaced_custom_object
        found: dict[str, Any] | None = self._found(f"read {key}", read, *_place(key, kind))
        return found

    def apply_status(self, key: Key, uid: str, status: Mapping[str, Any]) -> dict[str, Any] | None:
        """Make this the whole status (server-side apply, our field manager); the object then, None when it is gone."""
        kind = _KINDS[key.kind]
        body = {
            "apiVersion": API_VERSION,
            "kind": kind.name,
            "metadata": {"name": key.name, "uid": uid} | ({"namespace": key.namespace} if key.namespace else {}),
            "status": dict(status),
        }
        write: Any = self._custom.patch_cluster_custom_object_status
        if kind.namespaced:
            write = self._custom.patch_namespaced_custom_object_status
        stored: dict[str, Any] | None = self._found(
            f"write the status of {key}",
            write,
            *(*_place(key, kind), body),
            field_manager=FIELD_MANAGER,
            force=True,
            _content_type="application/apply-patch+yaml",
        )
        return stored

    def google_account(self, namespace: str, name: str) -> str | None:
        """The Google account that a ServiceAccount's annotation names, lower case; "" without one, None without it."""
        what = f"read ServiceAccount {namespace}/{name}"
        account = self._found(what, self._core.read_namespaced_service_account, name, namespace)
        if account is None:
            return None
        return ((account.metadata.annotations or {}).get(GOOGLE_ACCOUNT) or "").strip().lower()

    def namespace_labels(self, name: str) -> Mapping[str, str]:
        """Labels of a namespace; {} when it is gone."""
        namespace = self._found(f"read Namespace {name}", self._core.read_namespace, name)
        return {} if namespace is None else dict(namespace.metadata.labels or {})

    def secret(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """A Secret's decoded values; None when it does not exist."""
        secret = self._found(f"read Secret {namespace}/{name}", self._core.read_namespaced_secret, name, namespace)
        if secret is None:
            return None
        return {key: base64.b64decode(value).decode() for key, value in (secret.data or {}).items()}

    def kind_is_going(self, kind: Kind) -> bool:
        """Whether the kind's own definition is being deleted, which abandons and revokes nothing."""
        name = f"{kind.plural}.{GROUP}"
        found = self._found(f"read {name}", self._extensions.read_custom_resource_definition, name)
        return found is None or found.metadata.deletion_timestamp is not None

    def post(self, notice: Notice) -> None:
        """Record an Event. Best effort: an Event that cannot be written is logged and dropped."""
        meta = notice.body["metadata"]
        namespace = meta.get("namespace") or "default"
        now = datetime.now(UTC)
        event = kubernetes.client.CoreV1Event(
            metadata={"generateName": f"{meta['name']}."[:58], "namespace": namespace},
            involved_object={
                "apiVersion": API_VERSION,
                "kind": notice.body["kind"],
                "name": meta["name"],
                "namespace": meta.get("namespace"),
                "uid": meta.get("uid"),
            },
            type="Warning" if notice.warning else "Normal",
            reason=notice.reason,
            message=notice.message[:1024],
            source={"component": FIELD_MANAGER},
            first_timestamp=now,
            last_timestamp=now,
            count=1,
        )
        try:
            self._core.create_namespaced_event(namespace, event, _request_timeout=CALL_SECONDS)
        except (ApiException, urllib3.exceptions.HTTPError) as error:
            log.warning("event %s about %s not recorded: %s", notice.reason, meta["name"], type(error).__name__)

    def _found(self, what: str, function: Any, *args: Any, **options: Any) -> Any:
        try:
            return self._call(what, function, *args, **options)
        except NotYet as failure:
            cause = failure.__cause__
            if isinstance(cause, ApiException) and cause.status == 404:
                return None
            raise

    def _call(self, what: str, function: Any, *args: Any, **options: Any) -> Any:
        try:
            return function(*args, _request_timeout=CALL_SECONDS, **options)
        except ApiException as error:
            text = f"the API server answered {error.status} {error.reason} to: {what}{_words(error)}"
            raise NotYet(Reason.PROGRESSING_WITH_RETRY, text) from error
        except urllib3.exceptions.HTTPError as error:
            text = f"the API server could not be reached to: {what} ({type(error).__name__})"
            raise NotYet(Reason.PROGRESSING_WITH_RETRY, text) from error


def _place(key: Key, kind: Kind) -> tuple[str, ...]:
    namespace = (key.namespace,) if kind.namespaced else ()
    return (GROUP, VERSION, *namespace, kind.plural, key.name)


def _words(error: Any) -> str:
    """The server's own explanation, after a colon; "" without one."""
    try:
        return f": {json.loads(error.body)['message']}"
    except (ValueError, KeyError, TypeError):
        return ""
