"""The end of a database user, after its IAM bindings are released: its roles, then itself, and what it owns."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

from cloudsql_iam_operator.api.instance import CloudSQLInstance
from cloudsql_iam_operator.api.names import FORCE_REMOVE
from cloudsql_iam_operator.api.user import OwnedObjects
from cloudsql_iam_operator.core.errors import Failure, NotYet, Refused
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.status import ConditionType
from cloudsql_iam_operator.core.users.plan import Ownership
from cloudsql_iam_operator.services.reconcilers.layers import Layers
from cloudsql_iam_operator.services.reconcilers.systems import Systems
from cloudsql_iam_operator.services.reconcilers.users.owned import OwnedThings
from cloudsql_iam_operator.services.reconcilers.users.roles import DatabaseRoles
from cloudsql_iam_operator.services.reconcilers.users.visit import Visit
from cloudsql_iam_operator.services.runtime.registry import Live, Registry
from cloudsql_iam_operator.services.runtime.turns import called
from cloudsql_iam_operator.services.waiting.ranks import Overtaken

GRANTS_SECONDS = 600.0
"""How long a user that goes waits, without a word in its status, for grants that go too and that nothing holds up."""

PassedOn = Callable[[Visit, CloudSQLInstance], Awaitable[bool]]
"""Whether another object has the database user from now on."""

GIVE_UP = "; where an access rule has allowRetain, to leave all as it is: set spec.deletionPolicy to Abandon"

UNHEEDED = f"; {FORCE_REMOVE} counts once the IAM bindings are released, so that no access is left behind"


class Ending:
    """Takes a user's roles and the user itself away."""

    def __init__(self, systems: Systems, roles: DatabaseRoles) -> None:
        self._systems = systems
        self._roles = roles
        self._owned = OwnedThings(systems)

    async def take_roles(self, visit: Visit, instance: CloudSQLInstance, *, going: bool) -> None:
        """Take back the database roles; from a user that goes itself, as far as that is possible before."""
        if not visit.record.roles or await self._systems.gone(instance):
            return
        if not going:
            await visit.layers.hold(ConditionType.GRANTS_APPLIED, self._roles.take(visit, instance, visit.record.roles))
            return
        with suppress(Failure):
            await self._roles.take(visit, instance, visit.record.roles)

    async def drop(self, visit: Visit, instance: CloudSQLInstance, passed_on: PassedOn) -> None:
        """Delete the database user, or do with what it owns as the object says, unless it is passed on to another.

        Raises:
            Failure: it stays, and why.
        """
        username = visit.record.username
        if await self._systems.gone(instance):
            text = f"instance {instance.connection} is gone, and database user {username} with it"
            visit.layers.changed("Deleted", text)
        else:
            await self._grants_gone(visit)
            if not await passed_on(visit, instance):
                await self._dropped(visit, instance)
        visit.record = replace(visit.record, ownership=Ownership.NONE, roles=frozenset())

    async def _dropped(self, visit: Visit, instance: CloudSQLInstance) -> None:
        if await self._deleted(visit, instance):
            return
        if await self._owned.settle(visit, instance) is OwnedObjects.ABANDON:
            await self._left(visit, instance)
        elif not await self._deleted(visit, instance):
            raise await self._owned.blocked(visit, instance)

    async def _deleted(self, visit: Visit, instance: CloudSQLInstance) -> bool:
        """Whether the user is deleted now; not when something depends on it."""
        lane = await self._systems.users_lane(instance)
        try:
            answer = await lane.remove(visit.live.key, visit.want)
        except Refused as refused:
            if refused.reason is Reason.OWNS_OBJECTS:
                return False
            raise
        if answer.standing.present:
            text = f"left database user {visit.record.username} to another CloudSQLIAMUser that declares it"
            visit.layers.changed("Released", text)
        else:
            visit.layers.changed("Deleted", f"deleted database user {visit.record.username}")
        return True

    async def _left(self, visit: Visit, instance: CloudSQLInstance) -> None:
        """Leave the user with what it owns and nothing else, and no longer take it for ours."""
        if visit.record.roles:
            await self._roles.take(visit, instance, visit.record.roles)
        self._systems.abandon(visit.live.key, visit.record.instance, visit.record.username)
        text = f"database user {visit.record.username} owns objects and stays, without access: its IAM bindings"
        visit.layers.warn("UserLeft", f"{text}, grants and database roles are taken back (onOwnedObjects: Abandon)")

    async def _grants_gone(self, visit: Visit) -> None:
        """Return when no grant holds anything for the user. Those that go themselves are waited for here, for a while.

        Raises:
            NotYet: some do.
            Overtaken: the object was edited meanwhile.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + GRANTS_SECONDS
        while holders := self._holders(visit):
            if not all(map(_is_going, holders)) or not await called(end - loop.time()):
                names = ", ".join(sorted(live.key.name for live in holders))
                text = f"DatabaseGrants still hold privileges for {visit.record.username}: {names}"
                raise NotYet(Reason.DEPENDENT_GRANTS_EXIST, f"{text}; delete them, or take the user out of them")
            newest = self._systems.registry.get(visit.live.key)
            if newest is None or newest.intent != visit.live.intent:
                raise Overtaken

    def _holders(self, visit: Visit) -> list[Live]:
        registry, key, username = self._systems.registry, visit.live.key, visit.record.username
        grants = {live.key: live for live, _ in registry.grants_to(key)}
        grants |= {live.key: live for live in registry.holding_for(key)}
        return [live for live in grants.values() if _holds(live, username)]


def advice(live: Live, registry: Registry, *, bound: bool) -> str:
    """What helps whatever holds a deletion up."""
    unheeded = is_forced(live) and bound and registry.instance(live.instance) is not None
    return GIVE_UP + (UNHEEDED if unheeded else "")


def is_forced(live: Live) -> bool:
    """Whether somebody ends the deletion by annotation, whatever is left."""
    return live.annotations.get(FORCE_REMOVE) == "true"


def forced(visit: Visit, registry: Registry) -> Visit:
    """The visit, ended by force where somebody asked for that and no access is left behind by it.

    When the CloudSQLInstance exists no more nothing can be taken back at all, and nobody keeps the object for it.
    """
    report = visit.report()
    bound = bool(visit.record.bindings) and registry.instance(visit.live.instance) is not None
    if report.holds or bound or not is_forced(visit.live):
        return visit
    why = next(finding.message for finding in report.findings if finding.blocks)
    what = f"database user {visit.record.username} on {visit.record.instance} may be left"
    if visit.record.bindings:
        what = f"{what}, and IAM bindings of {visit.record.member}"
    layers = Layers()
    layers.warn("ForceRemoved", f"removed by {FORCE_REMOVE} while {why.removesuffix(GIVE_UP)}; {what}")
    layers.changed("ForceRemoved", "")
    return Visit(visit.live, layers, visit.record, visit.interval)


def _is_going(grant: Live) -> bool:
    """Whether a grant is being deleted, and its status does not say that something holds it up."""
    told = grant.status.get("observedGeneration") == grant.generation
    return grant.deleting and not told


def _holds(grant: Live, username: str) -> bool:
    return any(username in one["roles"] for one in grant.status.get("applied", ()))
