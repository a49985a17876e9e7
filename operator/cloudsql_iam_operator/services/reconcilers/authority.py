"""The first questions of every reconcile, and of every deletion: is what is recorded still due?

They are asked of the record before the spec is even read, so that nothing a tenant writes is looked at before them.
"""

from dataclasses import dataclass

from cloudsql_iam_operator.api.grant import DatabaseGrant
from cloudsql_iam_operator.api.instance import CloudSQLInstance, Withdrawal
from cloudsql_iam_operator.api.names import USER
from cloudsql_iam_operator.core.access.authority import (
    due_grant,
    due_user,
    no_longer_due,
    rests_on_proof,
    roles_no_longer_due,
)
from cloudsql_iam_operator.core.access.requests import declared_request
from cloudsql_iam_operator.core.access.roles import working_roles
from cloudsql_iam_operator.core.access.rules import Lifetime, allow_grant
from cloudsql_iam_operator.core.access.tenants import Tenant
from cloudsql_iam_operator.core.errors import Failure, Proof, Withdrawn
from cloudsql_iam_operator.core.grants.desired.ledger import Ledger, united
from cloudsql_iam_operator.core.grants.desired.record import GrantRecord
from cloudsql_iam_operator.core.users.record import UserRecord
from cloudsql_iam_operator.services.reconcilers.grantees import shut_out
from cloudsql_iam_operator.services.reconcilers.principal import Principals
from cloudsql_iam_operator.services.reconcilers.systems import Systems, now
from cloudsql_iam_operator.services.runtime.objects import instance_named, readable, tenant_of
from cloudsql_iam_operator.services.runtime.registry import Live
from cloudsql_iam_operator.services.waiting import ranks
from cloudsql_iam_operator.services.waiting.ranks import Rank

NO_RETAIN = "no access rule that admits what was given has allowRetain, or its end has come; it was taken back"
"""Why what a deletion should have left in force was not."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How what is recorded stands: what of it is to be taken back and why, and whether the rest may be left behind.

    `why` is None when the object is still let in; a grant may have to give up some entries, `taken`, all the same, and
    a user some database `roles`.
    """

    why: Withdrawn | None = None
    taken: Ledger = frozenset()
    may_retain: bool = False
    roles: frozenset[str] = frozenset()


class Authority:
    """Judges records. What it answers holds for every state that the object itself may be in.

    A reconcile that is to take something back goes on as an edit does, whatever it began as: after a restart, of an
    object that was Ready, it would wait until checks are gathered.
    """

    def __init__(self, systems: Systems) -> None:
        self._systems = systems

    async def instance(self, live: Live) -> CloudSQLInstance:
        """The instance that the object was admitted on, whatever its spec says now.

        Raises:
            NotYet: it does not exist, or may not be used.
        """
        return instance_named(self._systems.registry, live.instance)

    async def user(self, live: Live, record: UserRecord, instance: CloudSQLInstance, principals: Principals) -> Verdict:
        """How a recorded user stands: what no rule admits goes as a whole, what has only ended can no longer log in.

        Raises:
            Failure: that could not be found out, which takes nothing away.
        """
        lost: frozenset[str] = frozenset()
        try:
            tenant = await self._tenant(live)
            allowed = due_user(record, instance.access, tenant, now())
            lost = roles_no_longer_due(record, instance.access, tenant, now(), working_roles(instance))
            record.admission.require_unended(now())
            if rests_on_proof(record, instance.access, tenant, now()):
                await principals.still_proven(instance, record, live.key.namespace)
        except Withdrawn as withdrawn:
            return _pressing(Verdict(withdrawn, roles=lost))
        return _pressing(Verdict(may_retain=allowed.may_retain, roles=lost))

    async def grant(self, live: Live, record: GrantRecord, instance: CloudSQLInstance) -> Verdict:
        """How a recorded grant stands.

        Raises:
            Failure: that could not be found out, which takes nothing away.
        """
        try:
            record.admission.require_unended(now())
            tenant = await self._tenant(live)
            allowed = due_grant(record, instance, tenant, now())
        except Withdrawn as withdrawn:
            if withdrawn.proof is Proof.END or (rule := self._declared_by(live, record, instance, tenant)) is None:
                return _pressing(Verdict(withdrawn, record.ledger))
            gone = await self._of_the_shut_out(live, record)
            return _pressing(Verdict(None, united(no_longer_due(record, instance, rule, tenant, now()), gone)))
        return _pressing(Verdict(None, await self._of_the_shut_out(live, record), allowed.may_retain))

    async def _tenant(self, live: Live) -> Tenant:
        return await tenant_of(self._systems.cluster, self._systems.threads, live.key.namespace)

    def _declared_by(self, live: Live, record: GrantRecord, instance: CloudSQLInstance, tenant: Tenant) -> str | None:
        """The rule that admits what the object declares now, when it was narrowed together with the rules."""
        try:
            spec = readable(live, DatabaseGrant)
            lifetime = Lifetime(spec.expires_at, now(), record.admission.since)
            return allow_grant(instance.access, declared_request(spec, instance, tenant, lifetime)).rule
        except Failure:
            return None

    async def _of_the_shut_out(self, live: Live, record: GrantRecord) -> Ledger:
        """What users hold that may hold nothing; while their definition goes all of them do, and nothing is taken."""
        users = frozenset(record.holders.values())
        known = {user: self._systems.registry.user(live.key.namespace, user) for user in users}
        held = record.held_by(frozenset(user for user, one in known.items() if shut_out(one)))
        return held if held and not await self._systems.kind_is_going(USER) else frozenset()


def _pressing(verdict: Verdict) -> Verdict:
    """The verdict; what it takes back is taken next. A user whose end has come stays."""
    withdrawn = verdict.why is not None and verdict.why.proof is not Proof.END
    if withdrawn or verdict.taken or verdict.roles:
        ranks.enter(Rank.EDIT)
    return verdict


def is_kept(why: Withdrawn, instance: CloudSQLInstance) -> bool:
    """Whether the platform team wants what is withdrawn left as it is; never past an end."""
    return instance.on_access_withdrawn is Withdrawal.RETAIN and why.proof is not Proof.END
