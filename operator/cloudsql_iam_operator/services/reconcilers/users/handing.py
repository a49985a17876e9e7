"""A database user that several objects declare: what goes keeps all that it has until the next of them has it too."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from cloudsql_iam_operator.api.instance import CloudSQLInstance
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.iam.bindings import BindingRef, folded
from cloudsql_iam_operator.core.reasons import Reason, Standing
from cloudsql_iam_operator.core.users.claims import NameShared, NotOurs
from cloudsql_iam_operator.core.users.plan import Ownership
from cloudsql_iam_operator.core.users.record import UserRecord
from cloudsql_iam_operator.services.reconcilers.systems import Systems
from cloudsql_iam_operator.services.reconcilers.users.elsewhere import Elsewhere, ManagedElsewhere
from cloudsql_iam_operator.services.reconcilers.users.visit import Visit
from cloudsql_iam_operator.services.runtime.claims import heir_of, others_of
from cloudsql_iam_operator.services.runtime.registry import Live

log = logging.getLogger(__name__)

SOON = 1.0
"""Seconds after which to look again whether a user was taken over."""

PATIENCE_SECONDS = 120.0
"""How long what goes waits for who takes over: an instance that is not reached keeps nobody's access for ever."""


class Handing:
    """Lets one object after the other have a user. `visits` are the reconciles that run."""

    def __init__(
        self, systems: Systems, visits: Mapping[Key, Visit], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._systems = systems
        self._visits = visits
        self._clock = clock
        self._since: dict[str, float] = {}
        self._elsewhere = Elsewhere(systems)
        self.wake: Callable[[Key], None] = lambda key: None
        """Has an object reconciled soon; replaced by the queue's."""

    async def over(self, visit: Visit) -> None:
        """Return when nobody is about to take over what the object has, and leave the heir what that has by now.

        That is so when an heir has it, when only an edit would get the heir there, and after PATIENCE_SECONDS.

        Raises:
            NotYet: an heir is about to.
        """
        heir = self._heir(visit)
        if heir is not None and _is_about_to(heir):
            self.wake(heir.key)
            since = self._since.setdefault(visit.live.uid, self._clock())
            if self._clock() - since < PATIENCE_SECONDS:
                text = f"another CloudSQLIAMUser declares database user {visit.record.username} and is taking it over"
                raise NotYet(Reason.PROGRESSING, text, SOON)
            log.warning("%s: its database user was not taken over by %s in time", visit.live.key, heir.key)
        else:
            self._since.pop(visit.live.uid, None)
        self.leave_roles(visit)

    def leave_roles(self, visit: Visit) -> None:
        """Leave to the heir the database roles that it records: they are its own to keep and to take."""
        heir = self._heir(visit)
        if heir is not None:
            visit.record = replace(visit.record, roles=visit.record.roles - heir.record.roles)

    def loses(self, visit: Visit, why: BaseException | None) -> bool:
        """Whether somebody else has the user; a newcomer's name or claim alone could lock out whose it was."""
        if not isinstance(why, NotOurs) or not (visit.record.bindings or visit.record.roles):
            return False
        if why.reason is Reason.MANAGED_BY_OTHER and not isinstance(why, ManagedElsewhere):
            heir = self._heir(visit)
            return heir is not None and heir.ready
        return not isinstance(why, NameShared) or visit.record.ownership is not Ownership.CREATED

    def left_to(self, visit: Visit) -> frozenset[BindingRef]:
        """Bindings that others' records hold for the principal of an object that owns its user: they are its own."""
        refs = {ref for _, other in self._others(visit) for ref in other.bindings}
        return frozenset(ref for ref in refs if ref.member == folded(visit.record.member))

    def tell(self, visit: Visit) -> None:
        """Have others that declare the same user reconciled: an object's claim to it has ended."""
        for other, _ in self._others(visit):
            self.wake(other.key)

    async def explained(self, visit: Visit, instance: CloudSQLInstance, refused: NotOurs) -> NotOurs:
        """Why a user may not be had: in what other cluster it is declared, where that can be told."""
        return await self._elsewhere.explained(visit, instance, refused)

    async def passed_on(self, visit: Visit, instance: CloudSQLInstance) -> bool:
        """Whether the user that an object is to end with stays for another cluster; an heir here gets it recorded."""
        if await self._elsewhere.left(visit, instance):
            return True
        await self._bequeath(visit)
        return False

    async def _bequeath(self, visit: Visit) -> None:
        """Record the user for an heir that has not come to it yet: it must not be nobody's once this object is gone."""
        heir = self._heir(visit)
        if heir is None:
            return
        before = heir.record
        after = before.inheriting(visit.record)
        if after == before:
            return
        if heir.key not in self._visits:
            await self._systems.remember(heir, after.fields())
        theirs = self._visits.get(heir.key)
        if theirs is not None:
            theirs.record = theirs.record.inheriting(visit.record)
            await self._systems.remember(theirs.live, theirs.record.fields())

    def _heir(self, visit: Visit) -> Live | None:
        return heir_of(self._systems.registry, visit.live, visit.record)

    def _others(self, visit: Visit) -> list[tuple[Live, UserRecord]]:
        return others_of(self._systems.registry, visit.live, visit.record)


_WAITS = frozenset(str(reason) for reason in Reason if reason.standing is Standing.WAITS)


def _is_about_to(heir: Live) -> bool:
    why = next((c.get("reason") for c in heir.status.get("conditions", ()) if c.get("type") == "Ready"), None)
    return not heir.ready and (why == str(Reason.MANAGED_BY_OTHER) or why in _WAITS)
