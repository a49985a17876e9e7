"""Mode Observe: a user is looked at in every layer, what differs is told, and nothing is written."""

from dataclasses import replace
from typing import Protocol

from cloudsql_iam_operator.adapters.postgres.owning.memberships import roles_of
from cloudsql_iam_operator.api.instance import ConnectionName
from cloudsql_iam_operator.api.names import USER, Key
from cloudsql_iam_operator.core.iam.bindings import Scope, bindings_for
from cloudsql_iam_operator.core.iam.policy import Policy
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.status import ConditionType
from cloudsql_iam_operator.core.users.drift import Difference, Kind, in_roles, in_users, told
from cloudsql_iam_operator.core.users.plan import DatabaseUser
from cloudsql_iam_operator.services.identities.acting import GOOGLE_SECONDS
from cloudsql_iam_operator.services.lanes.gone_database import MAINTENANCE
from cloudsql_iam_operator.services.reconcilers.systems import Systems
from cloudsql_iam_operator.services.reconcilers.users.visit import Declared, Visit
from cloudsql_iam_operator.services.runtime.readings import Readings
from cloudsql_iam_operator.services.runtime.reports import max_age


class Drifts(Protocol):
    """Who counts what differs."""

    def drifted(self, kind: str, what: str, differences: int) -> None:
        """So many differences of this sort are known at the moment, of all observed objects of the kind."""
        ...


class Uncounted:
    """Counts nothing."""

    def drifted(self, kind: str, what: str, differences: int) -> None:
        """Count nothing."""


class Observing:
    """Looks at users that are only observed. All of an instance share one list, all of a project one policy."""

    def __init__(self, systems: Systems, drifts: Drifts) -> None:
        self._systems = systems
        self._drifts = drifts
        self._users: Readings[tuple[ConnectionName, str], tuple[DatabaseUser, ...]] = Readings()
        self._policies: Readings[tuple[str, str], Policy] = Readings()
        self._known: dict[Key, tuple[Difference, ...]] = {}

    async def look(self, visit: Visit, declared: Declared) -> None:
        """Note how the user stands to what is declared.

        Raises:
            Blocked: a layer could not be looked at.
        """
        self._systems.forget(visit.live.key)  # a want that stands is brought about by the passes of others
        layers, live = visit.layers, visit.live
        users = await layers.hold(ConditionType.USER_READY, self._in_users(visit, declared))
        bindings = await layers.hold(ConditionType.IAM_BOUND, self._in_policy(visit, declared))
        roles = await layers.hold(ConditionType.GRANTS_APPLIED, self._in_roles(visit, declared))
        found = (*users, *bindings, *roles)
        self._count(live.key, found)
        visit.drift = told(found)
        layers.note(ConditionType.READY, Reason.OBSERVING, f"spec.mode is Observe: {len(found)} differences are left")
        if found:
            text = f"{found[0].text}" + (f", and {len(found) - 1} more: see status.drift" if len(found) > 1 else "")
            layers.note(ConditionType.DRIFTED, Reason.DRIFT_FOUND, text)
        else:
            layers.note(ConditionType.DRIFTED, Reason.SUCCEEDED, "all is as declared")

    def forget(self, key: Key) -> None:
        """Count nothing more for this object."""
        if self._known.pop(key, None):
            self._tell()

    async def _in_users(self, visit: Visit, declared: Declared) -> tuple[Difference, ...]:
        instance = declared.instance
        google = await self._systems.google(instance)

        async def read() -> tuple[DatabaseUser, ...]:
            asked = google.sqladmin.users, instance.connection
            return await self._systems.threads.of(str(instance.connection)).call(*asked, timeout=GOOGLE_SECONDS)

        place = instance.connection, instance.admin.impersonate
        users = await self._users.read(place, read, max_age=max_age(visit.live, visit.interval))
        want = replace(visit.want, adoption=declared.spec.adoption_policy, may_adopt=declared.allowed.may_adopt)
        return in_users(want, users)

    async def _in_policy(self, visit: Visit, declared: Declared) -> tuple[Difference, ...]:
        instance = declared.instance
        google = await self._systems.google(instance)

        async def read() -> Policy:
            asked = google.resource_manager.get_policy, instance.connection.project
            return await self._systems.threads.of(instance.connection.project).call(*asked, timeout=GOOGLE_SECONDS)

        place = instance.connection.project, instance.admin.impersonate
        policy = await self._policies.read(place, read, max_age=max_age(visit.live, visit.interval))
        scope = Scope(instance.connection, self._systems.cluster_id, declared.spec.expires_at)
        wanted = bindings_for(visit.record.member, instance.iam, scope)
        missing = sorted((one for one in wanted if not policy.holds(one)), key=lambda one: one.order)
        return tuple(Difference(Kind.BINDING, f"not bound: {binding}") for binding in missing)

    async def _in_roles(self, visit: Visit, declared: Declared) -> tuple[Difference, ...]:
        wanted = frozenset(declared.spec.database_roles)
        if not wanted and not visit.record.roles:
            return ()
        held = await self._systems.in_session(declared.instance, MAINTENANCE, roles_of, visit.record.username)
        return in_roles(visit.record.username, wanted, visit.record.roles, frozenset(held))

    def _count(self, key: Key, found: tuple[Difference, ...]) -> None:
        self._known[key] = found
        self._tell()

    def _tell(self) -> None:
        every = [difference.kind for known in self._known.values() for difference in known]
        for kind in Kind:
            self._drifts.drifted(USER.name, kind.value, every.count(kind))
