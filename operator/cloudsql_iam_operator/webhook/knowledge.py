"""Where facts about a pod come from: local copies kept by watches, and a read of the API server when those say no."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from cloudsql_iam_operator.adapters.cluster.admission import AdmissionCluster
from cloudsql_iam_operator.adapters.cluster.watch import Watched
from cloudsql_iam_operator.api.names import GRANT, INSTANCE, USER
from cloudsql_iam_operator.core.injection.facts import Facts, InstanceFact, UserFact
from cloudsql_iam_operator.webhook import metrics, reading
from cloudsql_iam_operator.webhook.reading import SeenGrant, SeenUser

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Joined:
    """Users of a namespace, from these copies, and until when they are so."""

    sources: tuple[object, ...]
    until: datetime | None
    users: tuple[UserFact, ...]


class Knowledge:
    """What the cluster says about users, instances, grants and ServiceAccounts."""

    def __init__(self, cluster: AdmissionCluster) -> None:
        self._cluster = cluster
        self._users = Watched(USER.plural, cluster.all_of(USER), reading.user)
        self._instances = Watched(INSTANCE.plural, cluster.all_of(INSTANCE), reading.instance)
        self._grants = Watched(GRANT.plural, cluster.all_of(GRANT), reading.grant)
        self._accounts = Watched("serviceaccounts", cluster.all_service_accounts(), reading.service_account)
        self._copies: tuple[Watched[Any], ...] = (self._users, self._instances, self._grants, self._accounts)
        self._known: dict[str, _Joined] = {}

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
        return Facts(
            namespace=namespace,
            service_account=self._accounts.get(namespace, account),
            users=self._users_of(namespace),
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

    def _users_of(self, namespace: str) -> tuple[UserFact, ...]:
        """All users of a namespace, put together anew only when one of them, a grant or an instance has changed.

        The copies never change a mapping that they have handed out: another one is news.
        """
        sources = (self._users.within(namespace), self._grants.within(namespace), self._instances.within(""))
        known = self._known.get(namespace)
        now = datetime.now(UTC)
        if known is not None and _are_same(known.sources, sources) and (known.until is None or now < known.until):
            return known.users
        users, grants, instances = sources
        found = _joined(
            users.values(), grants.values(), {u.spec.instance: instances.get(u.spec.instance) for u in users.values()}
        )
        ends = [user.acts_at for user in found if user.acts_at is not None]
        if users:  # whoever names namespaces that are none leaves nothing behind
            self._known[namespace] = _Joined(sources, min(ends, default=None), found)
        else:
            self._known.pop(namespace, None)
        return found

    def _instance(self, name: str) -> InstanceFact | None:
        return self._instances.get("", name)

    def _instance_now(self, name: str) -> InstanceFact | None:
        body = self._cluster.object_now(INSTANCE, name)
        return None if body is None else reading.instance(body)


def _are_same(known: tuple[object, ...], now: tuple[object, ...]) -> bool:
    return all(one is other for one, other in zip(known, now, strict=True))


def _read(reader: Callable[[Mapping[str, Any]], T | None], bodies: Iterable[Mapping[str, Any]]) -> list[T]:
    return [kept for kept in map(reader, bodies) if kept is not None]


def _joined(
    users: Iterable[SeenUser], grants: Iterable[SeenGrant], instances: Mapping[str, InstanceFact | None]
) -> tuple[UserFact, ...]:
    listed, opened = sorted(users, key=lambda user: user.spec.metadata.key.name), tuple(grants)
    now = datetime.now(UTC)
    return tuple(reading.fact(user, instances[user.spec.instance], opened, now) for user in listed)
