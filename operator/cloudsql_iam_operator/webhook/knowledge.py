"""Where facts about a pod come from: local copies kept by watches, and a read of the API server when those say no."""

import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cloudsql_iam_operator.adapters.cluster.admission import AdmissionCluster
from cloudsql_iam_operator.adapters.cluster.watch import Watched
from cloudsql_iam_operator.api.names import GRANT, INSTANCE, USER
from cloudsql_iam_operator.core.injection.cluster import reading
from cloudsql_iam_operator.core.injection.cluster.roster import Roster
from cloudsql_iam_operator.core.injection.facts import Facts, InstanceFact
from cloudsql_iam_operator.webhook import metrics

MOST_KNOWN = 10_000
"""ServiceAccounts for which facts are kept ready; and namespaces whose users are."""


@dataclass(frozen=True, slots=True)
class _Known:
    """Facts that were put together from these copies, and until when they are so."""

    sources: tuple[object, ...]
    until: datetime | None
    facts: Facts

    def holds(self, sources: tuple[object, ...], now: datetime) -> bool:
        """Whether nothing has changed since."""
        same = all(one is other for one, other in zip(self.sources, sources, strict=True))
        return same and (self.until is None or now < self.until)


class Knowledge:
    """What the cluster says about users, instances, grants and ServiceAccounts."""

    def __init__(self, cluster: AdmissionCluster) -> None:
        self._cluster = cluster
        self._users = Watched(USER.plural, cluster.all_of(USER), reading.user)
        self._instances = Watched(INSTANCE.plural, cluster.all_of(INSTANCE), reading.instance)
        self._grants = Watched(GRANT.plural, cluster.all_of(GRANT), reading.grant)
        self._accounts = Watched("serviceaccounts", cluster.all_service_accounts(), reading.service_account)
        self._copies: tuple[Watched[Any], ...] = (self._users, self._instances, self._grants, self._accounts)
        self._known: dict[tuple[str, str], _Known] = {}
        self._rosters: dict[str, Roster] = {}

    def start(self, stop: threading.Event) -> None:
        """Begin to watch."""
        for copy in self._copies:
            copy.start(stop)
            metrics.CACHE_AGE.labels(copy.what).set_function(copy.age)

    def complete(self) -> bool:
        """Whether every kind has been listed: before that, "not there" means nothing."""
        return all(copy.synced.is_set() for copy in self._copies)

    def facts(self, namespace: str, account: str) -> Facts:
        """Facts about a pod of this namespace and ServiceAccount, as last heard; the same object while nothing changes.

        The copies never change a mapping that they have handed out: another one is news.
        """
        users, grants = self._users.within(namespace), self._grants.within(namespace)
        found = self._accounts.get(namespace, account)
        instances = self._instances.within("")
        sources = (users, grants, instances, found)
        known, now = self._known.get((namespace, account)), datetime.now(UTC)
        if known is not None and known.holds(sources, now):
            return known.facts
        roster = self._rosters.pop(namespace, None) or Roster()  # one that fails halfway is not used again
        facts = Facts(namespace, found, roster.users(users, grants, instances, now))
        self._keep((namespace, account), _Known(sources, roster.acts_at, facts), roster)
        return facts

    def facts_now(self, namespace: str, account: str) -> Facts:
        """The same as stored now; blocks for a few requests. Not remembered: the watches bring it.

        Raises:
            NotYet: the API server did not answer in time.
        """
        found = self._cluster.service_account_now(namespace, account)
        users = reading.by_name(map(self._users.read, self._cluster.objects_now(USER, namespace)))
        grants = reading.by_name(map(self._grants.read, self._cluster.objects_now(GRANT, namespace)))
        names = {user.spec.instance for user in users.values()}
        instances = {name: self._instances.get("", name) or self._instance_now(name) for name in names}
        return Facts(
            namespace=namespace,
            service_account=None if found is None else reading.service_account(found),
            users=Roster().users(users, grants, instances, datetime.now(UTC)),
        )

    def _keep(self, key: tuple[str, str], known: _Known, roster: Roster) -> None:
        """Keep them for the next pod, unless nobody knows of the account or users: a caller can name what it likes."""
        for kept in (self._known, self._rosters):
            if len(kept) >= MOST_KNOWN:
                kept.clear()
        if known.facts.service_account is not None:
            self._known[key] = known
        if known.facts.users:
            self._rosters[key[0]] = roster

    def _instance_now(self, name: str) -> InstanceFact | None:
        body = self._cluster.object_now(INSTANCE, name)
        return None if body is None else reading.instance(body)
