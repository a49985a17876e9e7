"""What a user owns when it is to be deleted: told, given to another role, or left with a user that cannot log in."""

from cloudsql_iam_operator.adapters.postgres.owning.dependents import Dependents, named, places_of
from cloudsql_iam_operator.adapters.postgres.owning.handing_over import Handover, hand_over
from cloudsql_iam_operator.api.instance import CloudSQLInstance
from cloudsql_iam_operator.api.user import CloudSQLIAMUser, OwnedObjects
from cloudsql_iam_operator.core.access.authority import admitting, require_heir
from cloudsql_iam_operator.core.access.rules import Allowed
from cloudsql_iam_operator.core.errors import Failure, NotYet, Refused
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.lanes.gone_database import MAINTENANCE
from cloudsql_iam_operator.services.reconcilers.systems import Systems, now
from cloudsql_iam_operator.services.reconcilers.users.visit import Visit
from cloudsql_iam_operator.services.runtime.objects import tenant_of

LISTED = 20
"""How many things that stand in the way a message names."""


class OwnedThings:
    """What becomes of what a user owns."""

    def __init__(self, systems: Systems) -> None:
        self._systems = systems

    async def settle(self, visit: Visit, instance: CloudSQLInstance) -> OwnedObjects:
        """Do what the object says, after Google refused to delete its user; what was done.

        Reassign: what it owned is another role's, and the user can be deleted unless it holds privileges too.
        Abandon: nothing is done.

        Raises:
            Failure: the user stays, and why; with Block, what stands in the way by database.
        """
        spec = visit.live.spec
        way = spec.on_owned_objects if isinstance(spec, CloudSQLIAMUser) else OwnedObjects.BLOCK
        if way is OwnedObjects.ABANDON:
            return way
        if way is OwnedObjects.REASSIGN and isinstance(spec, CloudSQLIAMUser):
            await self._reassign(visit, instance, spec.reassign_owned_to)
            return way
        raise await self.blocked(visit, instance)

    async def blocked(self, visit: Visit, instance: CloudSQLInstance) -> Failure:
        """Why the user cannot be deleted, with what stands in the way by database."""
        username = visit.record.username
        try:
            places = await self._systems.in_session(instance, MAINTENANCE, places_of, username)
            told = await self._named(instance, places, username)
        except NotYet as failure:
            text = f"database user {username} owns objects or holds privileges; which is not known: {failure.message}"
            return Refused(Reason.OWNS_OBJECTS, text)
        remedy = "give the objects another owner (onOwnedObjects: Reassign does) and revoke the privileges"
        return Refused(Reason.OWNS_OBJECTS, f"database user {username} cannot be deleted: {told}; {remedy}")

    async def _named(self, instance: CloudSQLInstance, places: tuple[Dependents, ...], username: str) -> str:
        left, told = LISTED, []
        for place in places:
            if left > 0:
                database, asked = place.database or MAINTENANCE, (place, username, left)
                place = await self._systems.in_session(instance, database, named, *asked)  # noqa: PLW2901 - the same, with names
                left -= len(place.named)
            told.append(_told(place))
        return "; ".join(told) or "something of it was there when Google was asked"

    async def _reassign(self, visit: Visit, instance: CloudSQLInstance, heir: str) -> None:
        tenant = await tenant_of(self._systems.cluster, self._systems.threads, visit.live.key.namespace)
        require_heir(heir, admitting(visit.record, instance.access, tenant, now()))
        places = await self._systems.in_session(instance, MAINTENANCE, places_of, visit.record.username)
        handover = Handover(visit.record.username, heir)
        databases = {place.database for place in places} - {""} or {MAINTENANCE}
        for database in sorted(databases):
            await self._systems.in_session(instance, database, hand_over, handover)
            visit.layers.changed("Reassigned", f"gave what {handover.role} owned in database {database} to {heir}")


async def known_heir(spec: CloudSQLIAMUser, instance: CloudSQLInstance, allowed: Allowed) -> None:
    """Return when the rule that lets the user in names its heir.

    Raises:
        Refused: it does not.
    """
    require_heir(spec.reassign_owned_to, (rule for rule in instance.access if rule.name == allowed.rule))


def _told(place: Dependents) -> str:
    where = f"database {place.database}" if place.database else "all databases"
    things = "1 thing" if place.count == 1 else f"{place.count} things"
    if place.why:
        return f"{where}: {things} ({place.why})"
    more = place.count - len(place.named)
    listed = ", ".join(place.named)
    if not listed:
        return f"{where}: {things}"
    return f"{where}: {listed}" + (f" and {more} more" if more > 0 else "")
