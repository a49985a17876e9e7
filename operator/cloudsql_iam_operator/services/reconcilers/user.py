"""The reconciler of CloudSQLIAMUsers: who it is, whether the rules let it in, its bindings, its database user."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from cloudsql_iam_operator.api.instance import CloudSQLInstance, Withdrawal
from cloudsql_iam_operator.api.names import USER, Key
from cloudsql_iam_operator.api.user import CloudSQLIAMUser, UserDeletion, UserMode
from cloudsql_iam_operator.core.errors import Failure, NotYet, Proof, Refused
from cloudsql_iam_operator.core.instances import require_iam_authentication, require_usable
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.status import ConditionType
from cloudsql_iam_operator.core.users.claims import NotOurs
from cloudsql_iam_operator.core.users.plan import CreateUser, Ownership
from cloudsql_iam_operator.services.lanes.policies.wants import Announced
from cloudsql_iam_operator.services.pods.egress import Egress
from cloudsql_iam_operator.services.reconcilers.authority import NO_RETAIN, Authority, Verdict, is_kept
from cloudsql_iam_operator.services.reconcilers.layers import Blocked, Layers
from cloudsql_iam_operator.services.reconcilers.principal import Principals
from cloudsql_iam_operator.services.reconcilers.systems import Systems
from cloudsql_iam_operator.services.reconcilers.users.admitting import Admitting
from cloudsql_iam_operator.services.reconcilers.users.bindings import Bindings
from cloudsql_iam_operator.services.reconcilers.users.ending import Ending, advice, forced
from cloudsql_iam_operator.services.reconcilers.users.handing import Handing
from cloudsql_iam_operator.services.reconcilers.users.observing import Drifts, Observing, Uncounted
from cloudsql_iam_operator.services.reconcilers.users.own import Own
from cloudsql_iam_operator.services.reconcilers.users.roles import DatabaseRoles
from cloudsql_iam_operator.services.reconcilers.users.visit import Declared, Visit
from cloudsql_iam_operator.services.runtime.objects import instance_named, readable
from cloudsql_iam_operator.services.runtime.registry import Live
from cloudsql_iam_operator.services.runtime.reports import Report, max_age

DELETING_SECONDS = 30.0
"""When a deletion that only an edit can end is tried again: no watch tells of edits of what is being deleted."""


class UserReconciler:
    """What is done for one CloudSQLIAMUser."""

    def __init__(self, systems: Systems, principals: Principals, drifts: Drifts | None = None) -> None:
        self._systems = systems
        self._principals = principals
        self._authority = Authority(systems)
        self._own = Own(systems)
        self._admitting = Admitting(principals, self._own)
        self._roles = DatabaseRoles(systems)
        self._ending = Ending(systems, self._roles)
        self._observing = Observing(systems, Uncounted() if drifts is None else drifts)
        self._visits: dict[Key, Visit] = {}
        self.handing = Handing(systems, self._visits)
        self._bindings = Bindings(systems, self._visits, self.handing)
        self.egress = Egress(systems.registry)

    async def reconcile(self, live: Live) -> Report:
        """Bring bindings and database user to what the object declares."""
        visit = self._visits[live.key] = Visit(live, Layers(instance=live.instance), live.record)
        try:
            await self._keep_what_is_due(visit)
            await self._declare(visit)
        except Blocked as blocked:
            if not visit.record.owns_anything:
                self._systems.forget(live.key)  # what is not let in must not be made by a later pass for others
                shut_out = isinstance(blocked.__cause__, Refused) and not visit.layers.holds(
                    ConditionType.ACCESS_ALLOWED
                )
                if shut_out:
                    self.handing.tell(visit)
                    visit.record = visit.record.unnamed()
        finally:
            del self._visits[live.key]
        for finding in self.egress.findings(live):
            visit.layers.note(finding.type, finding.reason, finding.message)
        return visit.report()

    async def remove(self, live: Live) -> Report:
        """Take back bindings and database user, as the deletion policy says."""
        self._observing.forget(live.key)
        record, registry = live.record, self._systems.registry
        layers = Layers(advice(live, registry, bound=bool(record.bindings)), live.instance)
        visit = Visit(live, layers, record, DELETING_SECONDS)
        with suppress(Blocked):
            await self._take_back(visit)
        ended = forced(visit, registry)
        if ended is not visit:
            self._abandon(ended)
        return ended.report()

    async def record(self, announced: Announced) -> Mapping[Key, Failure]:
        """Record that these bindings are about to be added, so that a restarted process knows them for its own."""
        return await self._bindings.record(announced)

    async def announce(self, usernames: Mapping[Key, str]) -> None:
        """Record that these users are about to be made, so that a restarted process knows them for its own."""
        for key, username in usernames.items():
            visit = self._visits.get(key)
            if visit is None:  # made again for an object that is not being reconciled: its status says so already
                continue
            record = replace(visit.record, username=username, ownership=Ownership.CREATED, roles=visit.made_with)
            record = record.to_be_bound(visit.due)
            await self._systems.remember(visit.live, record.fields())
            visit.record = record

    async def _keep_what_is_due(self, visit: Visit) -> None:
        """Take back what is recorded, when it is no longer due, whatever the object is like otherwise."""
        if not visit.record.owns_anything:
            return
        visit.record = visit.record.ending_by(_declared_end(visit.live))
        visit.layers.end_at(visit.record.admission.until)
        instance = await visit.layers.hold(ConditionType.READY, self._authority.instance(visit.live))
        if await visit.layers.hold(ConditionType.READY, self._own.has(visit, instance)):
            self._systems.forget(visit.live.key)
            return
        if visit.ended and visit.record.bindings:
            await visit.layers.hold(ConditionType.IAM_BOUND, self._bindings.expire(visit, instance))
        verdict = await self._judged(visit, instance)
        why = verdict.why
        if why is None or why.proof is Proof.END:  # a user whose access has ended stays, with what it is granted
            visit.record = replace(visit.record, withdrawn=False, retained=False)
            await self._take_lost_roles(visit, instance, verdict.roles)
            return
        retained = is_kept(why, instance)
        visit.record = replace(visit.record, withdrawn=not retained, retained=retained)
        visit.layers.fail(ConditionType.ACCESS_ALLOWED, why)
        self._systems.forget(visit.live.key)
        if retained:
            await visit.layers.hold(ConditionType.READY, self._retain(visit))
        else:
            await self._revoke(visit, instance, UserDeletion.DELETE)
            visit.record = visit.record.unnamed()
        raise Blocked from why

    async def _retain(self, visit: Visit) -> None:
        """Leave all as it is, and the user to whoever else declares it and is let in."""
        if not visit.live.record.retained:
            await self._systems.remember(visit.live, visit.record.fields())
            self.handing.tell(visit)

    async def _take_lost_roles(self, visit: Visit, instance: CloudSQLInstance, lost: frozenset[str]) -> None:
        """Take back the roles that a rule was narrowed by; what is declared still is refused by the rules later."""
        if lost and instance.on_access_withdrawn is not Withdrawal.RETAIN:
            await visit.layers.hold(ConditionType.GRANTS_APPLIED, self._roles.take(visit, instance, lost))

    async def _judged(self, visit: Visit, instance: CloudSQLInstance) -> Verdict:
        asked = self._authority.user(visit.live, visit.record, instance, self._principals)
        return await visit.layers.hold(ConditionType.ACCESS_ALLOWED, asked)

    async def _declare(self, visit: Visit) -> None:
        spec = await visit.layers.hold(ConditionType.READY, _read(visit))
        if spec.suspend:
            self._systems.forget(visit.live.key)
            visit.layers.note(ConditionType.SUSPENDED, Reason.SUSPENDED, "spec.suspend is true: nothing is written")
            return
        instance = await visit.layers.hold(ConditionType.READY, self._instance(visit, spec))
        visit.interval = float(instance.interval)
        declared = await self._admitting.let_in(visit, spec, instance)
        if spec.mode is UserMode.OBSERVE:
            await self._observe(visit, declared)
            return
        self._observing.forget(visit.live.key)
        await self._leave_former(visit, declared)
        visit.record = visit.record.named(spec, instance.connection, declared.who, datetime.now(UTC))
        visit.layers.end_at(visit.record.admission.until)
        visit.due = self._bindings.due(visit, declared)
        if visit.ended and visit.record.ownership is Ownership.NONE:
            await self._bindings.bring(visit, declared)
            return  # a user that never was is not made for an access that has ended
        await visit.layers.hold(ConditionType.READY, self._serving(instance))
        await self._settled(visit, declared)
        await self._bindings.bring(visit, declared)
        if self._roles.concern(visit, spec):
            asked = self._roles.settle(visit, declared)
            await visit.layers.hold(ConditionType.GRANTS_APPLIED, asked, "the database roles are given")

    async def _observe(self, visit: Visit, declared: Declared) -> None:
        """Look at all that is declared; what an earlier Reconcile did stays on record, to be taken back one day."""
        kept = visit.record
        visit.record = kept.named(declared.spec, declared.instance.connection, declared.who, datetime.now(UTC))
        try:
            await visit.layers.hold(ConditionType.READY, self._serving(declared.instance))
            await self._observing.look(visit, declared)
        finally:
            visit.record = kept if kept.owns_anything else visit.record

    async def _instance(self, visit: Visit, spec: CloudSQLIAMUser) -> CloudSQLInstance:
        live = self._systems.registry.instance(spec.instance)
        if live is not None and live.deleting and not visit.record.owns_anything:
            text = f"CloudSQLInstance {spec.instance} is being deleted and takes no new users: name another"
            raise NotYet(Reason.INSTANCE_NOT_READY, text)
        return instance_named(self._systems.registry, spec.instance)

    async def _leave_former(self, visit: Visit, declared: Declared) -> None:
        """Take back what a principal had that this object meant before its ServiceAccount was re-annotated.

        The one that it means now is let in already: who names an account that is not, moves nothing.
        """
        former = visit.record.member
        if not former or former == declared.who.member or not visit.record.owns_anything:
            return
        if await visit.layers.hold(ConditionType.READY, self._own.has(visit, declared.instance)):
            self._own.leave(visit)
            return
        visit.record = replace(visit.record, withdrawn=True)
        try:
            await self._revoke(visit, declared.instance, UserDeletion.DELETE)
        except Blocked:
            text = f"the ServiceAccount now acts as {declared.who.member}; the access of {former} is being taken back"
            visit.layers.lead(ConditionType.ACCESS_ALLOWED, Reason.ACCESS_WITHDRAWN, text)
            raise

    async def _serving(self, instance: CloudSQLInstance) -> None:
        facts = await self._systems.facts(instance)
        require_usable(instance.connection, facts)
        require_iam_authentication(instance.connection, facts)

    async def _settled(self, visit: Visit, declared: Declared) -> None:
        """Have the database user first: a principal that may not have it gets, and keeps, no right to log in as it."""
        try:
            await visit.layers.hold(ConditionType.USER_READY, self._settle(visit, declared), "the database user exists")
        except Blocked as blocked:
            if self.handing.loses(visit, blocked.__cause__):
                await visit.layers.hold(ConditionType.IAM_BOUND, self._bindings.release(visit, declared.instance))
                self.handing.leave_roles(visit)
                self._systems.forget(visit.live.key)
            raise

    async def _settle(self, visit: Visit, declared: Declared) -> None:
        lane = await self._systems.users_lane(declared.instance)
        want = replace(visit.want, adoption=declared.spec.adoption_policy, may_adopt=declared.allowed.may_adopt)
        want = replace(want, roles=visit.made_with, granted=visit.made_with)
        was_ours = visit.record.ownership is Ownership.CREATED
        try:
            answer = await lane.settle(visit.live.key, want, max_age=max_age(visit.live, visit.interval))
        except NotOurs as refused:
            raise await self.handing.explained(visit, declared.instance, refused) from refused
        if isinstance(answer.change, CreateUser):
            reason = "DriftCorrected" if was_ours else "Created"
            visit.layers.changed(reason, f"created database user {answer.change.name}")
        visit.record = replace(visit.record, ownership=answer.standing.ownership)

    async def _take_back(self, visit: Visit) -> None:
        self._systems.forget(visit.live.key)
        self.handing.tell(visit)
        if not visit.record.owns_anything:
            return
        if await self._systems.kind_is_going(USER):
            self._abandon(visit)
            return
        instance = await visit.layers.hold(ConditionType.READY, self._authority.instance(visit.live))
        if await visit.layers.hold(ConditionType.READY, self._own.has(visit, instance)):
            self._own.leave(visit)
            return
        verdict = await self._judged(visit, instance)
        policy = UserDeletion.DELETE if verdict.why else _deletion(visit.live)
        if policy is UserDeletion.ABANDON and verdict.may_retain:
            await visit.layers.hold(ConditionType.READY, self.handing.over(visit))
            self._abandon(visit)
            return
        whole = UserDeletion.DELETE if policy is UserDeletion.ABANDON else policy
        await self._revoke(visit, instance, whole)
        if visit.record.ownership is not Ownership.NONE:
            self._abandon(visit)  # a database user that stays is nobody's: not the next one's of its name either
        if _deletion(visit.live) is UserDeletion.ABANDON:
            visit.layers.warn("RetainNotAllowed", "spec.deletionPolicy Abandon does not count: " + NO_RETAIN)

    def _abandon(self, visit: Visit) -> None:
        self._systems.abandon(visit.live.key, visit.record.instance, visit.record.username)

    async def _revoke(self, visit: Visit, instance: CloudSQLInstance, policy: UserDeletion) -> None:
        self._systems.forget(visit.live.key)
        await visit.layers.hold(ConditionType.IAM_BOUND, self.handing.over(visit))
        await visit.layers.hold(ConditionType.IAM_BOUND, self._bindings.release(visit, instance))
        going = policy is UserDeletion.DELETE and visit.record.ownership is Ownership.CREATED
        await self._ending.take_roles(visit, instance, going=going)
        if going:
            await visit.layers.hold(
                ConditionType.USER_READY, self._ending.drop(visit, instance, self.handing.passed_on)
            )
        self._systems.forget(visit.live.key)


async def _read(visit: Visit) -> CloudSQLIAMUser:
    spec, record = readable(visit.live, CloudSQLIAMUser), visit.record
    if record.owns_anything and spec.instance != visit.live.instance:
        text = f"spec.instanceRef cannot be changed from {visit.live.instance}: make another CloudSQLIAMUser"
        raise Refused(Reason.INVALID_SPEC, text)
    return spec


def _declared_end(live: Live) -> datetime | None:
    """The end that the object declares, which counts at once when it is the earlier one; None without one."""
    return live.spec.expires_at if isinstance(live.spec, CloudSQLIAMUser) else None


def _deletion(live: Live) -> UserDeletion:
    spec = live.spec
    return spec.deletion_policy if isinstance(spec, CloudSQLIAMUser) else UserDeletion.DELETE
