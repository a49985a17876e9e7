"""The lanes there are: one per project, per CloudSQLInstance, per database of it, made when first asked for."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from cloudsql_iam_operator.adapters.postgres.database import Access
from cloudsql_iam_operator.api.instance import CloudSQLInstance, ConnectionName
from cloudsql_iam_operator.api.names import ALLOW_REMOVALS, INSTANCE, USER, Key, Kind
from cloudsql_iam_operator.api.user import CloudSQLIAMUser
from cloudsql_iam_operator.core.errors import Failure
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.iam.bindings import BindingRef
from cloudsql_iam_operator.core.iam.removals import Consent, Loser
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.identities.google import Google
from cloudsql_iam_operator.services.identities.sessions import Sessions
from cloudsql_iam_operator.services.lanes.database import DatabaseLane, Passes
from cloudsql_iam_operator.services.lanes.lane import nobody, none
from cloudsql_iam_operator.services.lanes.policies.policy import PolicyLane
from cloudsql_iam_operator.services.lanes.policies.share import PolicyShare
from cloudsql_iam_operator.services.lanes.policies.wants import Announced, PolicyNeighbours, nothing_unrecorded
from cloudsql_iam_operator.services.lanes.recording import Record as GrantRecord
from cloudsql_iam_operator.services.lanes.recording import nowhere
from cloudsql_iam_operator.services.lanes.user_wants import UserNeighbours
from cloudsql_iam_operator.services.lanes.users import UsersLane
from cloudsql_iam_operator.services.runtime.claims import claims_on, recorded_on
from cloudsql_iam_operator.services.runtime.ledgers import Ledgers
from cloudsql_iam_operator.services.runtime.registry import Live, Registry
from cloudsql_iam_operator.services.runtime.threads import Threads

log = logging.getLogger(__name__)

SESSIONS = 2
"""Sessions of one instance at a time, one for each database that is worked on."""

Place = tuple[str, ConnectionName]
"""A CloudSQLInstance by name, and where it is. Two of one place may differ in how the operator gets in there."""

Announce = Callable[[Mapping[Key, str]], Awaitable[None]]
Record = Callable[[Announced], Awaitable[Mapping[Key, Failure]]]


class _Awaited(Protocol):
    @property
    def in_line(self) -> int: ...


class Lanes:
    """Lanes by what they write. Belongs to one event loop."""

    def __init__(self, registry: Registry, threads: Threads, announce: Announce, record: Record | None = None) -> None:
        self._registry = registry
        self._threads = threads
        self._announce = announce
        self._record = record or nothing_unrecorded
        self._ledgers = Ledgers(registry)
        self.sessions = SESSIONS
        self.tell: Callable[[Key], None] = nobody
        """Called for objects of which a pass that they did not ask for found something else than before."""
        self.record_grants: GrantRecord = nowhere
        """Has an object record what is about to be granted for it."""
        self.under_way: Callable[[], int] = none
        """How many objects that are not only checked are looked at."""
        self._policies: dict[str, PolicyLane] = {}
        self._users: dict[Place, UsersLane] = {}
        self._databases: dict[tuple[Place, str], DatabaseLane] = {}
        self._sessions: dict[ConnectionName, Sessions] = {}
        self._turns: dict[ConnectionName, asyncio.Lock] = {}
        self._ways: dict[Place, Access] = {}

    def policy(self, instance: CloudSQLInstance, google: Google) -> PolicyShare:
        """The lane of the instance's project, as the instance's identity writes to it."""
        project = instance.connection.project
        if project not in self._policies:
            neighbours = PolicyNeighbours(
                lambda: self._bindings(project),
                lambda: self._registry.listed,
                self._loser,
                lambda: self._consents(project),
                self._record,
                self._told,
                lambda: self._coming(self._policies, self._databases),
            )
            threads = self._threads.of(project)
            self._policies[project] = PolicyLane(project, google.resource_manager, threads, neighbours)
        return PolicyShare(self._policies[project], google.resource_manager)

    def users(self, instance: CloudSQLInstance, google: Google) -> UsersLane:
        """The lane of the instance's users; its next pass acts as the identity that the object names now."""
        place = _place(instance)
        if place not in self._users:
            neighbours = UserNeighbours(
                lambda: claims_on(self._registry, instance.connection),
                self._announce,
                self._told,
                lambda: recorded_on(self._registry, instance.connection),
                lambda: self._coming(self._users, self._policies, self._databases),
            )
            turn = self._turns.setdefault(instance.connection, asyncio.Lock())
            threads = self._threads.of(str(instance.connection))
            self._users[place] = UsersLane(instance.connection, google.sqladmin, threads, neighbours, turn=turn)
        self._users[place].act_as(google.sqladmin)
        return self._users[place]

    def database(self, instance: CloudSQLInstance, name: str, access: Access) -> DatabaseLane:
        """The lane of one database; its next pass gets in by `access`."""
        connection, place = instance.connection, _place(instance)
        self._ways[place] = access
        if (place, name) not in self._databases:
            threads = self._threads.of(str(connection))
            sessions = self.sessions_of(connection)
            self._databases[place, name] = DatabaseLane(
                name,
                lambda: self._ways[place],
                lambda wanted: self._ledgers.besides(wanted, connection, name),
                Passes(
                    threads,
                    sessions,
                    tell=self._told,
                    coming=lambda: self._coming(self._databases),
                    record=self._recorded,
                ),
            )
        return self._databases[place, name]

    def sessions_of(self, connection: ConnectionName) -> Sessions:
        """All sessions that the instance may have at a time, those of passes among them."""
        if connection not in self._sessions:
            self._sessions[connection] = Sessions(self.sessions)
        return self._sessions[connection]

    def press(self, key: Key) -> None:
        """Let what waits for this object anywhere go ahead: it was edited or deleted meanwhile."""
        for policy in self._policies.values():
            policy.press(key)
        for users in self._users.values():
            users.press(key)
        for database in self._databases.values():
            database.press(key)

    def forget(self, key: Key) -> None:
        """Want nothing more for this object anywhere, and leave the outside as it is."""
        for policy in self._policies.values():
            policy.forget(key)
        for users in self._users.values():
            users.forget(key)
        for database in self._databases.values():
            database.forget(key)

    def close(self) -> None:
        """End the sessions that are kept."""
        for sessions in self._sessions.values():
            sessions.close()

    def abandon(self, key: Key, connection: str, username: str) -> None:
        """Forget the object, and no longer take the database user that it had there for ours."""
        self.forget(key)
        for (_, place), users in self._users.items():
            if str(place) == connection:
                users.abandon(key, username)

    async def _recorded(self, key: Key, want: GrantWant) -> None:
        await self.record_grants(key, want)

    def _told(self, key: Key) -> None:
        self.tell(key)

    def _coming(self, *lanes: Mapping[Any, _Awaited]) -> int:
        """How many that are looked at wait in none of these lanes: those that others' turn comes before may come."""
        return self.under_way() - sum(lane.in_line for those in lanes for lane in those.values())

    def _bindings(self, project: str) -> dict[Key, frozenset[BindingRef]]:
        """Bindings that the status of a live user of the project records, added by us or not: it relies on all."""
        return {live.key: live.record.relied_on for live in self._live_at(USER, project)}

    def _consents(self, project: str) -> dict[str, Consent]:
        """What people allow to be removed, by annotation on the instances of a project."""
        return {
            live.key.name: Consent(
                live.annotations[ALLOW_REMOVALS], (live.status.get("removals") or {}).get("allowed", "")
            )
            for live in self._live(INSTANCE)
            if isinstance(live.spec, CloudSQLInstance)
            and live.spec.connection.project == project
            and ALLOW_REMOVALS in live.annotations
        }

    def _loser(self, key: Key) -> Loser:
        """Whether an object asks for what it loses by itself, and on which instance it loses that."""
        live = self._registry.get(key)
        if live is None or self._has_ended(live):
            return Loser(asked=live is not None)
        instance = self._registry.instance(live.instance)
        spec = instance.spec if instance else None
        limit = spec.iam.max_removals if isinstance(spec, CloudSQLInstance) else None
        return Loser(self._consented(key), live.instance, limit, _waits_for_consent(live))

    def _consented(self, key: Key) -> bool:
        """Whether an object asks by itself for what it had to be taken away: somebody deletes it, or its end has come.

        One that vanished does not: nobody said that it should.
        """
        live = self._registry.get(key)
        if live is None:
            return False
        return bool(live.body["metadata"].get("deletionTimestamp")) or self._has_ended(live)

    def _has_ended(self, live: Live) -> bool:
        now = datetime.now(UTC)
        end = live.spec.expires_at if isinstance(live.spec, CloudSQLIAMUser) else None
        return (end is not None and end <= now) or live.record.admission.ended(now)

    def _live(self, kind: Kind) -> list[Live]:
        return [live for live in self._registry.of_kind(kind.name) if not live.deleting]

    def _live_at(self, kind: Kind, place: str) -> list[Live]:
        return [live for live in self._registry.recorded_at(kind.name, place) if not live.deleting]


def _place(instance: CloudSQLInstance) -> Place:
    return instance.metadata.key.name, instance.connection


def _waits_for_consent(live: Live) -> bool:
    reasons = (condition.get("reason") for condition in live.status.get("conditions", ()))
    return str(Reason.REMOVAL_THRESHOLD_EXCEEDED) in reasons
