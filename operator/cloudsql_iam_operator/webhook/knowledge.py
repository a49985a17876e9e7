"""Where facts about a pod come from: local copies kept by watches, and a read of the API server when those say no."""

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from cloudsql_iam_operator.adapters.cluster.admission import AdmissionCluster
from cloudsql_iam_operator.adapters.cluster.watch import Watched
from cloudsql_iam_operator.api.grant import DatabaseGrant
from cloudsql_iam_operator.api.names import GRANT, INSTANCE, USER
from cloudsql_iam_operator.core.injection.facts import Facts, InstanceFact, UserFact
from cloudsql_iam_operator.webhook import metrics, reading
from cloudsql_iam_operator.webhook.reading import SeenUser

T = TypeVar("T")


class Knowledge:
    """What the cluster says about users, instances, grants and ServiceAccounts."""

    def __init__(self, cluster: AdmissionCluster) -> None:
        self._cluster = cluster
        self._users = Watched(USER.plural, cluster.all_of(USER), reading.user)
        self._instances = Watched(INSTANCE.plural, cluster.all_of(INSTANCE), reading.instance)
        self._grants = Watched(GRANT.plural, cluster.all_of(GRANT), reading.grant)
        self._accounts = Watched("serviceaccounts", cluster.all_service_accounts(), reading.service_account)
        self._copies: tuple[Watched[Any], ...] = (self._users, self._instances, self._grants, self._accounts)

    def start(self, stop: threading.Event) -> None:
        """Begin to watch."""
        for copy in self._copies:
            copy.start(stop)
            metrics.CACHE_AGE.labels(copy.what).set_function(copy.age)

    def complete(self) -> bool:
        """Whether every kind has been listed: before that, "not there" means nothing."""
        return all(copy.synced.is_set() for copy in self._copies)

    def facts(self, namespace: str, account: str) -> Facts:
        """Facts about a pod of this namespace and ServiceAccount, as last heard."""
        users, grants = self._users.within(namespace).values(), self._grants.within(namespace).values()
        return Facts(
            namespace=namespace,
            service_account=self._accounts.get(namespace, account),
            users=_joined(users, grants, {user.spec.instance: self._instance(user.spec.instance) for user in users}),
        )

    def facts_now(self, namespace: str, account: str) -> Facts:
        """The same as stored now; blocks for a few requests. Not remembered: the watches bring it.

        Raises:
            NotYet: the API server did not answer in time.
        """
        found = self._cluster.service_account_now(namespace, account)
        users = _read(reading.user, self._cluster.objects_now(USER, namespace))
        grants = _read(reading.grant, self._cluster.objects_now(GRANT, namespace))
        names = {user.spec.instance for user in users}
        return Facts(
            namespace=namespace,
            service_account=None if found is None else reading.service_account(found),
            users=_joined(users, grants, {name: self._instance(name) or self._instance_now(name) for name in names}),
        )

    def _instance(self, name: str) -> InstanceFact | None:
        return self._instances.get("", name)

    def _instance_now(self, name: str) -> InstanceFact | None:
        body = self._cluster.object_now(INSTANCE, name)
        return None if body is None else reading.instance(body)


def _read(reader: Callable[[Mapping[str, Any]], T | None], bodies: Iterable[Mapping[str, Any]]) -> list[T]:
    return [kept for kept in map(reader, bodies) if kept is not None]


def _joined(
    users: Iterable[SeenUser], grants: Iterable[DatabaseGrant], instances: Mapping[str, InstanceFact | None]
) -> tuple[UserFact, ...]:
    listed, opened = sorted(users, key=lambda user: user.spec.metadata.key.name), tuple(grants)
    return tuple(reading.fact(user, instances[user.spec.instance], opened) for user in listed)
