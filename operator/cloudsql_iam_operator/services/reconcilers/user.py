"""The reconciler of CloudSQLIAMUsers: who it is, whether the rules let it in, its bindings, its database user."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from cloudsql_iam_operator.api.instance import CloudSQLInstance, Withdrawal
from cloudsql_iam_operator.api.names import USER, Key
from cloudsql_iam_operator.api.user import CloudSQLIAMUser, UserDeletion
from cloudsql_iam_operator.core.access.rules import Allowed
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.iam.bindings import BindingRef, Scope, bindings_for
from cloudsql_iam_operator.core.instances import require_iam_authentication, require_usable
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.status import ConditionType
from cloudsql_iam_operator.core.users.claims import NameShared
from cloudsql_iam_operator.core.users.plan import CreateUser, Ownership, UserWant
from cloudsql_iam_operator.core.users.principals import ResolvedPrincipal, UserType
from cloudsql_iam_operator.core.users.record import UserRecord, record_in
from cloudsql_iam_operator.services.lanes.lanes import claim_of
from cloudsql_iam_operator.services.lanes.policy_wants import PolicyWant
from cloudsql_iam_operator.services.reconcilers.layers import Blocked, Layers
from cloudsql_iam_operator.services.reconcilers.principal import Principals
from cloudsql_iam_operator.services.reconcilers.systems import Systems
from cloudsql_iam_operator.services.runtime.objects import instance_named, readable
from cloudsql_iam_operator.services.runtime.registry import Live
from cloudsql_iam_operator.services.runtime.reports import Report, max_age

PROPAGATION = timedelta(minutes=7)
"""How long a change of an IAM policy may take to act. Source: IAM, "Access change propagation"."""

GIVE_UP = "; to leave all as it is, set spec.deletionPolicy to Abandon"


@dataclass(slots=True)
class Visit:
    """One reconcile of one user: what was found so far, and what the status will remember."""

    live: Live
    layers: Layers
    record: UserRecord
    interval: float = 300.0

    def report(self) -> Report:
        """What the reconcile found."""
        return self.layers.report(self.record.fields(), self.interval)


@dataclass(frozen=True, slots=True)
class Declared:
    """A user that is let in: its object, its instance, its names, and by which rule."""

    spec: CloudSQLIAMUser
    instance: CloudSQLInstance
    who: ResolvedPrincipal
    allowed: Allowed


class UserReconciler:
    """What is done for one CloudSQLIAMUser."""

    def __init__(self, systems: Systems, principals: Principals) -> None:
        self._systems = systems
        self._principals = principals
        self._visits: dict[Key, Visit] = {}

    async def reconcile(self, live: Live) -> Report:
        """Bring bindings and database user to what the object declares."""
        visit = self._visits[live.key] = Visit(live, Layers(), record_in(live.status))
        try:
            await self._declare(visit)
        except Blocked as blocked:
            if blocked.refused and not visit.record.owns_anything:
                self._systems.forget(live.key)  # what is refused must not be made by a later pass for others
        finally:
            del self._visits[live.key]
        return visit.report()

    async def remove(self, live: Live) -> Report:
        """Take back bindings and database user, as the deletion policy says."""
        visit = Visit(live, Layers(GIVE_UP), record_in(live.status))
        with suppress(Blocked):
            await self._take_back(visit, _deletion(live))
        return visit.report()

    async def announce(self, usernames: Mapping[Key, str]) -> None:
        """Record that these users are about to be made, so that a restarted process knows them for its own."""
        for key, username in usernames.items():
            visit = self._visits.get(key)
            if visit is None:  # made again for an object that is not being reconciled: its status says so already
                continue
            record = replace(visit.record, username=username, ownership=Ownership.CREATED)
            await self._systems.remember(visit.live, record.fields())
            visit.record = record

    async def _declare(self, visit: Visit) -> None:
        spec = await visit.layers.hold(ConditionType.READY, _read(visit.live))
        if spec.suspend:
            self._systems.forget(visit.live.key)
            visit.layers.note(ConditionType.SUSPENDED, Reason.SUSPENDED, "spec.suspend is true: nothing is written")
            return
        instance = await visit.layers.hold(ConditionType.READY, self._instance(visit, spec))
        visit.interval = float(instance.interval)
        who = await visit.layers.hold(
            ConditionType.PRINCIPAL_RESOLVED, self._principals.resolved(spec), "the principal has a Google account"
        )
        await self._leave_former(visit, instance, who)
        allowed = await self._let_in(visit, spec, instance, who)
        visit.record = replace(
            visit.record,
            instance=str(instance.connection),
            member=who.member,
            username=who.username,
            user_type=who.user_type.value,
        )
        declared = Declared(spec, instance, who, allowed)
        await visit.layers.hold(ConditionType.READY, self._serving(instance))
        await self._settled(visit, declared)
        await visit.layers.hold(ConditionType.IAM_BOUND, self._bind(visit, declared), "bound in the project's policy")

    async def _instance(self, visit: Visit, spec: CloudSQLIAMUser) -> CloudSQLInstance:
        live = self._systems.registry.instance(spec.instance)
        if live is not None and live.deleting and not visit.record.owns_anything:
            text = f"CloudSQLInstance {spec.instance} is being deleted and takes no new users: name another"
            raise NotYet(Reason.INSTANCE_NOT_READY, text)
        return instance_named(self._systems.registry, spec.instance)

    async def _let_in(
        self, visit: Visit, spec: CloudSQLIAMUser, instance: CloudSQLInstance, who: ResolvedPrincipal
    ) -> Allowed:
        try:
            return await visit.layers.hold(
                ConditionType.ACCESS_ALLOWED, self._principals.allowed(spec, instance, who), "an access rule allows it"
            )
        except Blocked as blocked:
            if blocked.refused and visit.record.owns_anything and instance.on_access_withdrawn is Withdrawal.REVOKE:
                await self._revoke(visit, instance, UserDeletion.DELETE)
            raise

    async def _leave_former(self, visit: Visit, instance: CloudSQLInstance, who: ResolvedPrincipal) -> None:
        """Take back what was given to a principal that this object meant before its ServiceAccount was re-annotated."""
        former = visit.record.member
        if not former or former == who.member or not visit.record.owns_anything:
            return
        try:
            await self._revoke(visit, instance, UserDeletion.DELETE)
        except Blocked:
            text = f"the ServiceAccount now acts as {who.member}; the access of {former} is being taken back"
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
            if blocked.refused and visit.record.bindings and not _keeps_its_user(visit, blocked):
                await visit.layers.hold(ConditionType.IAM_BOUND, self._release(visit, declared.instance))
            raise

    async def _bind(self, visit: Visit, declared: Declared) -> None:
        spec, instance = declared.spec, declared.instance
        scope = Scope(instance.connection, self._systems.cluster_id, spec.expires_at)
        wanted = bindings_for(declared.who.member, instance.iam, scope)
        lane = await self._systems.policy_lane(instance)
        began = datetime.now(UTC)
        want = PolicyWant(wanted, visit.record.bindings)
        answer = await lane.bind(visit.live.key, want, max_age=max_age(visit.live, visit.interval))
        ours = frozenset(binding.ref for binding in answer.owned)
        if answer.changed_at is not None and answer.changed_at >= began:
            reason = "DriftCorrected" if visit.record.bindings & ours else "Bound"
            visit.layers.changed(reason, f"bound {_roles(ours)} for {visit.record.member}")
        until = visit.record.propagation_until
        if answer.changed_at is not None:
            until = (answer.changed_at + PROPAGATION).strftime("%Y-%m-%dT%H:%M:%SZ")
        foreign = frozenset(binding.ref for binding in answer.present) - ours
        visit.record = replace(visit.record, bindings=ours, foreign=foreign, propagation_until=until)

    async def _settle(self, visit: Visit, declared: Declared) -> None:
        lane = await self._systems.users_lane(declared.instance)
        want = replace(_want(visit), adoption=declared.spec.adoption_policy, may_adopt=declared.allowed.may_adopt)
        was_ours = visit.record.ownership is Ownership.CREATED
        answer = await lane.settle(visit.live.key, want, max_age=max_age(visit.live, visit.interval))
        if isinstance(answer.change, CreateUser):
            reason = "DriftCorrected" if was_ours else "Created"
            visit.layers.changed(reason, f"created database user {answer.change.name}")
        visit.record = replace(visit.record, ownership=answer.standing.ownership)

    async def _take_back(self, visit: Visit, policy: UserDeletion) -> None:
        owns = visit.record.owns_anything
        if not owns or policy is UserDeletion.ABANDON or await self._systems.kind_is_going(USER):
            self._systems.abandon(visit.live.key, visit.record.instance, visit.record.username)
            return
        instance = await visit.layers.hold(ConditionType.READY, self._named(visit.live))
        visit.interval = float(instance.interval)
        await self._revoke(visit, instance, policy)

    async def _named(self, live: Live) -> CloudSQLInstance:
        return instance_named(self._systems.registry, live.body["spec"]["instanceRef"]["name"])

    async def _revoke(self, visit: Visit, instance: CloudSQLInstance, policy: UserDeletion) -> None:
        await visit.layers.hold(ConditionType.IAM_BOUND, self._release(visit, instance))
        if policy is UserDeletion.DELETE and visit.record.ownership is Ownership.CREATED:
            await visit.layers.hold(ConditionType.USER_READY, self._drop(visit, instance))
        self._systems.forget(visit.live.key)

    async def _release(self, visit: Visit, instance: CloudSQLInstance) -> None:
        lane = await self._systems.policy_lane(instance)
        await lane.release(visit.live.key, visit.record.bindings)
        if visit.record.bindings:
            visit.layers.changed("Released", f"released the IAM bindings of {visit.record.member}")
        visit.record = replace(visit.record, bindings=frozenset(), foreign=frozenset(), propagation_until="")

    async def _drop(self, visit: Visit, instance: CloudSQLInstance) -> None:
        username = visit.record.username
        if await self._systems.gone(instance):
            visit.layers.changed(
                "Deleted", f"instance {instance.connection} is gone, and database user {username} with it"
            )
            visit.record = replace(visit.record, ownership=Ownership.NONE)
            return
        grants = self._systems.registry.grants_to(visit.live.key)
        holders = sorted(live.key.name for live, _ in grants if _holds(live, username))
        if holders:
            text = f"DatabaseGrants still hold privileges for {username}: {', '.join(holders)}"
            raise NotYet(Reason.DEPENDENT_GRANTS_EXIST, f"{text}; delete them, or take the user out of them")
        lane = await self._systems.users_lane(instance)
        await lane.remove(visit.live.key, _want(visit))
        visit.layers.changed("Deleted", f"deleted database user {visit.record.username}")
        visit.record = replace(visit.record, ownership=Ownership.NONE)


async def _read(live: Live) -> CloudSQLIAMUser:
    return readable(live, CloudSQLIAMUser)


def _deletion(live: Live) -> UserDeletion:
    spec = live.spec
    return spec.deletion_policy if isinstance(spec, CloudSQLIAMUser) else UserDeletion.DELETE


def _keeps_its_user(visit: Visit, blocked: Blocked) -> bool:
    """Whether only a newcomer's name is in the way: it gets nothing, and could else lock out whose user was there."""
    return isinstance(blocked.__cause__, NameShared) and visit.record.ownership is Ownership.CREATED


def _want(visit: Visit) -> UserWant:
    record = visit.record
    claim = claim_of(visit.live, record.username, record.member)
    return UserWant(claim, UserType(record.user_type), ownership=record.ownership)


def _roles(refs: frozenset[BindingRef]) -> str:
    return ", ".join(sorted(ref.role for ref in refs))


def _holds(grant: Live, username: str) -> bool:
    return any(username in one["roles"] for one in grant.status.get("applied", ()))
