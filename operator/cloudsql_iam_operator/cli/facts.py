"""Where `inject` learns about users, instances and ServiceAccounts: from the manifests, and from the cluster if any."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Protocol

from cloudsql_iam_operator.adapters.cluster.documents import BadManifest
from cloudsql_iam_operator.api.names import API_VERSION, GRANT, INSTANCE, USER, Kind
from cloudsql_iam_operator.api.parsing.fields import InvalidObject
from cloudsql_iam_operator.api.parsing.objects import parse_grant, parse_instance, parse_user
from cloudsql_iam_operator.core.injection.cluster import reading, surroundings
from cloudsql_iam_operator.core.injection.cluster.roster import Roster
from cloudsql_iam_operator.core.injection.facts import (
    Facts,
    InstanceFact,
    KubeletFact,
    NamespaceFact,
    ServiceFact,
    UserFact,
)

Body = Mapping[str, Any]
Place = tuple[str, str, str]
"""Kind, namespace and name of an object."""

SERVICE_ACCOUNT, NAMESPACE, SERVICE = "ServiceAccount", "Namespace", "Service"
QUOTA, LIMIT_RANGE = "ResourceQuota", "LimitRange"

_EPOCH = "1970-01-01T00:00:00Z"
_PARSERS: Mapping[str, Callable[[Body], object]] = {
    USER.name: parse_user,
    INSTANCE.name: parse_instance,
    GRANT.name: parse_grant,
}


class Stored(Protocol):
    """What a cluster has stored."""

    def objects_now(self, kind: Kind, namespace: str) -> list[dict[str, Any]]:
        """All objects of a kind of ours in a namespace."""

    def object_now(self, kind: Kind, name: str) -> dict[str, Any] | None:
        """A cluster-scoped object of ours; None when it does not exist."""

    def service_account_now(self, namespace: str, name: str) -> dict[str, Any] | None:
        """A ServiceAccount; None when it does not exist."""

    def namespace_now(self, name: str) -> dict[str, Any] | None:
        """A Namespace; None when it does not exist, or may not be read."""

    def listed_now(self, plural: str, namespace: str = "") -> list[dict[str, Any]]:
        """All objects of a kind of the core group that may be read."""


class NoCluster:
    """A cluster in which nothing is stored: only the manifests count."""

    def objects_now(self, _kind: Kind, _namespace: str) -> list[dict[str, Any]]:
        """Nothing."""
        return []

    def object_now(self, _kind: Kind, _name: str) -> dict[str, Any] | None:
        """Nothing."""
        return None

    def service_account_now(self, _namespace: str, _name: str) -> dict[str, Any] | None:
        """Nothing."""
        return None

    def namespace_now(self, _name: str) -> dict[str, Any] | None:
        """Nothing."""
        return None

    def listed_now(self, _plural: str, _namespace: str = "") -> list[dict[str, Any]]:
        """Nothing."""
        return []


class Known:
    """Facts as if the manifests had been applied to what is stored. Each namespace is read once.

    The status of an object stays as the cluster has it. An instance of the cluster goes before one of the manifests.
    """

    def __init__(self, stored: Stored, bodies: Iterable[Body], namespace: str) -> None:
        """Learn the manifests.

        Raises:
            BadManifest: one of our kinds is not what it should be.
        """
        self._stored = stored
        self._now = datetime.now(UTC)
        read = (_applied(body, namespace) for body in bodies if _is_read(body))
        self._bodies = {_place(body): body for body in read}
        self._users: dict[str, tuple[UserFact, ...]] = {}
        self._instances: dict[str, InstanceFact | None] = {}
        self._about: dict[str, NamespaceFact] = {}

    def facts(self, namespace: str, account: str) -> Facts:
        """Facts about a pod of this namespace and ServiceAccount.

        Raises:
            NotYet: the API server did not answer.
        """
        if namespace not in self._users:
            self._users[namespace] = self._read(namespace)
            self._about[namespace] = self._rules(namespace)
        body = self._bodies.get((SERVICE_ACCOUNT, namespace, account))
        found = body if body is not None else self._stored.service_account_now(namespace, account)
        return Facts(
            namespace=namespace,
            service_account=None if found is None else reading.service_account(found),
            users=self._users[namespace],
            about=self._about[namespace],
            kubelets=self._kubelets,
        )

    def services(self, namespace: str) -> Iterator[ServiceFact]:
        """The Services of a namespace, as far as they may be read.

        Raises:
            NotYet: the API server did not answer.
        """
        return map(surroundings.service, self._of_core(SERVICE, "services", namespace))

    @cached_property
    def _kubelets(self) -> tuple[KubeletFact, ...]:
        nodes = {body["metadata"]["name"]: surroundings.kubelet(body) for body in self._stored.listed_now("nodes")}
        return surroundings.kubelets({name: version for name, version in nodes.items() if version is not None})

    def _rules(self, namespace: str) -> NamespaceFact:
        body = self._bodies.get((NAMESPACE, "", namespace)) or self._stored.namespace_now(namespace)
        return surroundings.about(
            {} if body is None else surroundings.annotations(body),
            map(surroundings.quota, self._of_core(QUOTA, "resourcequotas", namespace)),
            map(surroundings.limit_range, self._of_core(LIMIT_RANGE, "limitranges", namespace)),
        )

    def _of_core(self, kind: str, plural: str, namespace: str) -> list[Body]:
        stored = {body["metadata"]["name"]: body for body in self._stored.listed_now(plural, namespace)}
        ours = {name: body for (one, where, name), body in self._bodies.items() if (one, where) == (kind, namespace)}
        return list({**stored, **ours}.values())

    def _read(self, namespace: str) -> tuple[UserFact, ...]:
        users = reading.by_name(map(reading.user, self._all(USER, namespace)))
        grants = reading.by_name(map(reading.grant, self._all(GRANT, namespace)))
        instances = {name: self._instance(name) for name in {user.spec.instance for user in users.values()}}
        return Roster().users(users, grants, instances, self._now)

    def _all(self, kind: Kind, namespace: str) -> list[Body]:
        """Objects of the kind: those of the manifests, each with its stored status, and others that are stored."""
        stored = {body["metadata"]["name"]: body for body in self._stored.objects_now(kind, namespace)}
        ours = {
            name: _over(body, stored.get(name))
            for (one, where, name), body in self._bodies.items()
            if (one, where) == (kind.name, namespace)
        }
        return list({**stored, **ours}.values())

    def _instance(self, name: str) -> InstanceFact | None:
        if name not in self._instances:
            body = self._stored.object_now(INSTANCE, name) or self._bodies.get((INSTANCE.name, "", name))
            self._instances[name] = None if body is None else reading.instance(body)
        return self._instances[name]


def _is_read(body: Body) -> bool:
    kind, version = body.get("kind"), body.get("apiVersion")
    core = version == "v1" and kind in (SERVICE_ACCOUNT, NAMESPACE, SERVICE, QUOTA, LIMIT_RANGE)
    return core or (version == API_VERSION and kind in _PARSERS)


def _applied(body: Body, namespace: str) -> Body:
    """The object as the API server would hold it at first."""
    metadata = body.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        raise BadManifest(f"a {body['kind']} is without metadata.name")
    new = {"uid": "", "generation": 1, "creationTimestamp": _EPOCH, "namespace": namespace}
    applied = {**body, "metadata": {**new, **{name: value for name, value in metadata.items() if value}}, "status": {}}
    try:
        _PARSERS.get(body["kind"], dict)(applied)
    except InvalidObject as invalid:
        raise BadManifest(f"{body['kind']} {metadata['name']}: {invalid}") from invalid
    return applied


def _place(body: Body) -> Place:
    metadata, kind = body["metadata"], body["kind"]
    return kind, "" if kind in (INSTANCE.name, NAMESPACE) else metadata["namespace"], metadata["name"]


def _over(body: Body, stored: Body | None) -> Body:
    """The object with the status that is stored, and whatever else the API server keeps of it."""
    return body if stored is None else {**stored, "spec": body.get("spec")}
