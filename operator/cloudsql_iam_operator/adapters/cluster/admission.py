"""The Kubernetes API as the webhook needs it: facts about pods' users, its certificate's Secret, its configuration."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from cloudsql_iam_operator.adapters.cluster.rest import JSON, Answered, Limits, Rest
from cloudsql_iam_operator.adapters.cluster.watch import Resource
from cloudsql_iam_operator.api.names import GROUP, VERSION, Kind

CALL_SECONDS = (2.0, 8.0)
"""Limits of calls that keep the certificate."""

LOOK_SECONDS = (0.5, 1.0)
"""Limits of a read while a pod waits to be admitted."""

PAGE = 500
"""Objects of one page of a list."""

_KINDS = f"/apis/{GROUP}/{VERSION}"
_REGISTRATIONS = "/apis/admissionregistration.k8s.io/v1"
_LOST = (404, 409, 422)
"""Answers to a write that somebody else was faster with: gone, conflict, or a failed `test` of a patch."""


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """A Secret's decoded values, and the resource version that a replacement must name."""

    values: Mapping[str, bytes]
    version: str


@dataclass(frozen=True, slots=True)
class Registration:
    """A MutatingWebhookConfiguration or ValidatingWebhookConfiguration, by its kind's plural and its name."""

    plural: str
    name: str

    @property
    def path(self) -> str:
        """Where it is."""
        return f"{_REGISTRATIONS}/{self.plural}/{self.name}"


def registrations(name: str) -> tuple[Registration, Registration]:
    """The two of that name: the one that changes pods, and the one that looks at what makes them."""
    return Registration("mutatingwebhookconfigurations", name), Registration("validatingwebhookconfigurations", name)


@dataclass(frozen=True, slots=True)
class Trust:
    """What the API server trusts when it calls one webhook of a configuration; `bundle` is PEM, b"" for nothing."""

    webhook: str
    bundle: bytes


class AdmissionCluster:
    """Calls to the API server. Each raises NotYet when that cannot be reached in time, or refuses."""

    def __init__(self, rest: Rest, look: Limits = LOOK_SECONDS) -> None:
        self._rest = rest
        self._look = look

    def all_of(self, kind: Kind) -> Resource:
        """A kind of ours over the whole cluster, to be watched."""
        return Resource(self._rest, f"{_KINDS}/{kind.plural}")

    def all_service_accounts(self) -> Resource:
        """ServiceAccounts over the whole cluster, to be watched."""
        return Resource(self._rest, "/api/v1/serviceaccounts")

    def listed(self, plural: str) -> Resource:
        """A kind of the core group over the whole cluster, to be watched."""
        return Resource(self._rest, f"/api/v1/{plural}")

    def registered(self, registration: Registration) -> Resource:
        """One registration of webhooks, to be watched."""
        query = {"fieldSelector": f"metadata.name={registration.name}"}
        return Resource(self._rest, f"{_REGISTRATIONS}/{registration.plural}", query)

    def objects_now(self, kind: Kind, namespace: str) -> list[JSON]:
        """All objects of a kind of ours in a namespace, as stored now; page by page, as reading one stops all else."""
        return list(self._rest.pages(f"{_KINDS}/namespaces/{_step(namespace)}/{kind.plural}", self._look, PAGE))

    def object_now(self, kind: Kind, name: str) -> JSON | None:
        """A cluster-scoped object of ours as stored now; None when it does not exist."""
        return _found(lambda: self._rest.get(f"{_KINDS}/{kind.plural}/{_step(name)}", self._look))

    def service_account_now(self, namespace: str, name: str) -> JSON | None:
        """A ServiceAccount as stored now; None when it does not exist."""
        path = f"/api/v1/namespaces/{_step(namespace)}/serviceaccounts/{_step(name)}"
        return _found(lambda: self._rest.get(path, self._look))

    def namespace_now(self, name: str) -> JSON | None:
        """A Namespace as stored now; None when it does not exist, or may not be read."""
        return self._seen(lambda: self._rest.get(f"/api/v1/namespaces/{_step(name)}", self._look))

    def listed_now(self, plural: str, namespace: str = "") -> list[JSON]:
        """All objects of a kind of the core group, of one namespace if it has any; none where they may not be read."""
        place = f"namespaces/{_step(namespace)}/" if namespace else ""
        found = self._seen(lambda: self._rest.get(f"/api/v1/{place}{plural}", self._look))
        items: list[JSON] = [] if found is None else found["items"]
        return items

    def _seen(self, read: Callable[[], JSON]) -> JSON | None:
        try:
            return _found(read)
        except Answered as answered:
            if answered.status != 403:
                raise
            return None

    def secret(self, namespace: str, name: str) -> StoredSecret | None:
        """A Secret; None when it does not exist."""
        found = _found(lambda: self._rest.get(f"{_secrets(namespace)}/{name}", CALL_SECONDS))
        if found is None:
            return None
        values = {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()}
        return StoredSecret(values, found["metadata"]["resourceVersion"])

    def replace_secret(self, namespace: str, name: str, new: StoredSecret) -> bool:
        """Replace the Secret's values if it still is the version that `new` names; False when it is not.

        All else about it stays: its labels, by which whoever installed it knows it, and its type.
        """
        path = f"{_secrets(namespace)}/{name}"

        def replace() -> JSON:
            stored = self._rest.get(path, CALL_SECONDS)
            stored["metadata"]["resourceVersion"] = new.version
            stored["data"] = {key: base64.b64encode(value).decode() for key, value in new.values.items()}
            return self._rest.send("PUT", path, CALL_SECONDS, stored)

        return _won(replace)

    def trust(self, registration: Registration) -> tuple[Trust, ...]:
        """What the registered webhooks trust; () when there is no such registration."""
        found = _found(lambda: self._rest.get(registration.path, CALL_SECONDS))
        webhooks = (found or {}).get("webhooks") or ()
        return tuple(Trust(w["name"], base64.b64decode(w["clientConfig"].get("caBundle", ""))) for w in webhooks)

    def set_trust(self, registration: Registration, trust: tuple[Trust, ...]) -> bool:
        """Write the bundles, in the order `trust()` gave them; False when the registration changed since."""
        patch = [operation for index, each in enumerate(trust) for operation in _trusting(index, each)]
        return _won(lambda: self._rest.send("PATCH", registration.path, CALL_SECONDS, patch))


def _step(name: str) -> str:
    """One step of a path: names come from whoever posts a review."""
    return quote(name, safe="")


def _secrets(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/secrets"


def _trusting(index: int, trust: Trust) -> list[JSON]:
    bundle = base64.b64encode(trust.bundle).decode()
    return [
        {"op": "test", "path": f"/webhooks/{index}/name", "value": trust.webhook},
        {"op": "add", "path": f"/webhooks/{index}/clientConfig/caBundle", "value": bundle},
    ]


def _found(read: Callable[[], JSON]) -> JSON | None:
    try:
        return read()
    except Answered as answered:
        if answered.status == 404:
            return None
        raise


def _won(write: Callable[[], JSON]) -> bool:
    """Whether a write that others may race for went through."""
    try:
        write()
    except Answered as answered:
        if answered.status in _LOST:
            return False
        raise
    return True
