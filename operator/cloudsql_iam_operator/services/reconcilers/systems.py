"""What every reconciler works with: the registry, the outside as each instance's identity sees it, the lanes."""

import functools
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Concatenate, ParamSpec, TypeVar

from cloudsql_iam_operator.adapters.cluster.objects import Cluster
from cloudsql_iam_operator.adapters.postgres.database import Access
from cloudsql_iam_operator.api.instance import CloudSQLInstance, ConnectionName
from cloudsql_iam_operator.api.names import INSTANCE, Key, Kind
from cloudsql_iam_operator.core.access.own_accounts import OwnAccounts, own_accounts
from cloudsql_iam_operator.core.errors import Failure, NotYet
from cloudsql_iam_operator.core.instances import InstanceFacts
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.identities.acting import GOOGLE_SECONDS, Acting
from cloudsql_iam_operator.services.identities.databases import Accesses
from cloudsql_iam_operator.services.identities.google import Google, Identities
from cloudsql_iam_operator.services.identities.logins import Logins
from cloudsql_iam_operator.services.lanes.database import DatabaseLane
from cloudsql_iam_operator.services.lanes.gone_database import MAINTENANCE
from cloudsql_iam_operator.services.lanes.lanes import Announce, Lanes, Record
from cloudsql_iam_operator.services.lanes.policies.share import PolicyShare
from cloudsql_iam_operator.services.lanes.policies.wants import Announced, nothing_unrecorded
from cloudsql_iam_operator.services.lanes.users import UsersLane
from cloudsql_iam_operator.services.runtime.objects import CLUSTER_SECONDS
from cloudsql_iam_operator.services.runtime.readings import Readings
from cloudsql_iam_operator.services.runtime.registry import Live, Registry
from cloudsql_iam_operator.services.runtime.threads import Threads

P = ParamSpec("P")
T = TypeVar("T")

LOGIN_SECONDS = 120.0
GOING_SECONDS = 0.5
"""How long after each other a definition is read: it is large, and thousands of deletions ask for it at once."""
SESSION_SECONDS = 90.0
"""Longest time of a question on a session of its own."""


class Systems:
    """The outside, shared by all reconcilers. Belongs to one event loop."""

    def __init__(
        self, cluster: Cluster, threads: Threads, identities: Identities, accesses: Accesses, cluster_id: str
    ) -> None:
        self.registry = Registry()
        self.cluster = cluster
        self.threads = threads
        self._acting = Acting(identities, threads)
        self.cluster_id = cluster_id
        self._accesses = accesses
        self._logins = Logins()
        self.announce: Announce = _to_nobody
        self.record: Record = nothing_unrecorded
        self.lanes = Lanes(self.registry, threads, self._announce, self._record)
        self._facts: Readings[tuple[ConnectionName, str], InstanceFacts] = Readings()
        self._going: Readings[Kind, bool] = Readings()
        self._own_by: tuple[Live, ...] = ()
        self._own: dict[tuple[ConnectionName, tuple[str, ...]], OwnAccounts] = {}
        """The operator's accounts as all instances together, as last seen, tell them: every check of a user asks."""

    async def _announce(self, usernames: Mapping[Key, str]) -> None:
        await self.announce(usernames)

    async def _record(self, announced: Announced) -> Mapping[Key, Failure]:
        return await self.record(announced)

    async def google(self, instance: CloudSQLInstance) -> Google:
        """The APIs as the identity that administers the instance.

        Raises:
            NotYet: this process has no Google credentials.
        """
        return await self._acting.google(instance)

    async def own_username(self, instance: CloudSQLInstance) -> str:
        """The operator's own database user on the instance, which nobody is ever made a member of.

        With a password Secret the operator logs in as somebody else, whom the Secret names; then this is "".
        """
        if instance.admin.database.secret is not None:
            return ""
        return await self._acting.username(instance)

    async def own_accounts(self, instance: CloudSQLInstance) -> OwnAccounts:
        """The accounts that the operator works as where the instance is, as far as they are known.

        Raises:
            NotYet: a token would tell, and could not be had.
        """
        works_as, lives = await self._acting.accounts(instance), self.registry.of_kind(INSTANCE.name)
        if lives != self._own_by:
            self._own_by, self._own = lives, {}
        what = instance.connection, works_as
        if what not in self._own:
            others = [
                (live.spec, str((live.status.get("operator") or {}).get("databaseUser", "")))
                for live in lives
                if isinstance(live.spec, CloudSQLInstance)
            ]
            self._own[what] = own_accounts(instance, works_as, others)
        return self._own[what]

    async def facts(self, instance: CloudSQLInstance, *, fresh: bool = False) -> InstanceFacts:
        """The instance as Google shows it, at most half its interval old.

        Raises:
            NotYet: it does not exist, or could not be read.
        """
        max_age = 0.0 if fresh else instance.interval / 2
        what = instance.connection, instance.admin.impersonate  # what one identity may see is not another's to know
        return await self._facts.read(what, lambda: self._read(instance), max_age=max_age)

    async def _read(self, instance: CloudSQLInstance) -> InstanceFacts:
        google = await self.google(instance)
        return await self._calls(instance).call(google.sqladmin.instance, instance.connection, timeout=GOOGLE_SECONDS)

    def _calls(self, instance: CloudSQLInstance) -> Threads:
        return self.threads.of(str(instance.connection))

    async def gone(self, instance: CloudSQLInstance) -> bool:
        """Whether Google has the instance no more, nor then anything that was on it."""
        try:
            await self.facts(instance)
        except NotYet as failure:
            return failure.reason is Reason.INSTANCE_NOT_FOUND
        return False

    async def policy_lane(self, instance: CloudSQLInstance) -> PolicyShare:
        """The one writer of the policy of the instance's project."""
        return self.lanes.policy(instance, await self.google(instance))

    async def users_lane(self, instance: CloudSQLInstance) -> UsersLane:
        """The one writer of the instance's users."""
        return self.lanes.users(instance, await self.google(instance))

    async def database_lane(self, instance: CloudSQLInstance, database: str) -> DatabaseLane:
        """The one writer of a database of the instance.

        Raises:
            Failure: there is no way in.
        """
        return self.lanes.database(instance, database, await self.way_in(instance))

    async def way_in(self, instance: CloudSQLInstance) -> Access:
        """How the operator gets into the instance's databases; whether it is let in shows when it tries.

        Raises:
            Failure: there is no way in, as the spec and the Secret stand.
        """
        facts = await self.facts(instance)
        if instance.admin.database.secret is None:
            return await self._acting.ask(instance, self._accesses.of, instance, facts)
        return await self._calls(instance).call(self._accesses.of, instance, facts, timeout=CLUSTER_SECONDS)

    async def admin_login(
        self, instance: CloudSQLInstance, access: Access, databases: Iterable[str], *, fresh: bool
    ) -> None:
        """Return when the operator can log in and act as the spec says, which is tried now and then.

        Raises:
            NotYet: it cannot.
        """

        def tried() -> None:
            self._logins.require(instance, access, databases, fresh=fresh)

        async with self.lanes.sessions_of(instance.connection).alone(MAINTENANCE):
            await self._calls(instance).call(tried, timeout=LOGIN_SECONDS)

    async def in_session(
        self,
        instance: CloudSQLInstance,
        database: str,
        function: Callable[Concatenate[Access, str, P], T],
        *args: P.args,
        **options: P.kwargs,
    ) -> T:
        """What the function returns, which opens a session of the database: one of those that the instance may have.

        Raises:
            Failure: there is no way in, or what the function raises.
        """
        access = await self.way_in(instance)
        call = functools.partial(function, access, database, *args, **options)
        async with self.lanes.sessions_of(instance.connection).alone(database):
            return await self._calls(instance).call(call, timeout=SESSION_SECONDS)

    async def operator(self, instance: CloudSQLInstance) -> str:
        """As whom Google is asked about the instance: an e-mail address or an IAM member, "" when nobody knows."""
        with suppress(NotYet):
            google = await self.google(instance)
            with suppress(NotYet):  # a metadata server tells the name with its first token
                await self._acting.ask(instance, google.identity.email)
            asker = google.identity.asker
            return asker.email or asker.member
        return ""

    async def kind_is_going(self, kind: Kind) -> bool:
        """Whether the kind's definition is being deleted: uninstalling revokes nothing.

        Read from now on, once for all who ask before that begins: what was read before an object's deletion says
        nothing.
        """
        asked = self.cluster.kind_is_going
        return await self._going.read(
            kind, lambda: self.threads.call(asked, kind, timeout=CLUSTER_SECONDS), max_age=0.0, pause=GOING_SECONDS
        )

    async def remember(self, live: Live, fields: Mapping[str, Any]) -> None:
        """Store part of an object's status before a write that it must outlive.

        Raises:
            NotYet: the object is gone, so that nothing may be written for it.
        """
        status = {**live.status, **fields}
        stored = await self.threads.call(self.cluster.apply_status, live.key, live.uid, status, timeout=CLUSTER_SECONDS)
        if stored is None or not self.registry.renew(live.key, stored):
            raise NotYet(Reason.PROGRESSING, f"{live.key} is gone: nothing is written for it")

    def forget(self, key: Key) -> None:
        """Want nothing more for this object in any lane, and leave the outside as it is."""
        self.lanes.forget(key)
        if key.kind == INSTANCE.name:
            self._logins.forget(key.name)

    def abandon(self, key: Key, connection: str, username: str) -> None:
        """Forget the object, and no longer take the database user that it had there for ours."""
        self.lanes.abandon(key, connection, username)


async def _to_nobody(usernames: Mapping[Key, str]) -> None:
    """Nobody records what is about to be made: replaced by the reconciler of users."""


def now() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC)
