"""The story of a DatabaseGrant: who its grantees are, whether the rules allow it, and what the database shows."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cloudsql_iam_operator.api.grant import DatabaseGrant, GrantDeletion, Grantee, GrantMode, RoleRef
from cloudsql_iam_operator.api.instance import CloudSQLInstance, Withdrawal
from cloudsql_iam_operator.api.names import GRANT, USER
from cloudsql_iam_operator.core.access import GrantRequest, Lifetime, allow_grant
from cloudsql_iam_operator.core.errors import NotYet, Refused
from cloudsql_iam_operator.core.grants.entries import Entries, entries_of, expanded
from cloudsql_iam_operator.core.grants.ledger import Ledger, ledger_of, recorded
from cloudsql_iam_operator.core.grants.plan import GrantWant
from cloudsql_iam_operator.core.grants.resolution import Problem
from cloudsql_iam_operator.core.instances import require_engine, require_running
from cloudsql_iam_operator.core.powers import powers_of
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.status import ConditionType
from cloudsql_iam_operator.services.database_pass import GrantAnswer
from cloudsql_iam_operator.services.grant_status import Named, kept, place, told, worst
from cloudsql_iam_operator.services.grantees import named
from cloudsql_iam_operator.services.layers import Blocked, Layers
from cloudsql_iam_operator.services.objects import instance_named, readable, tenant_of
from cloudsql_iam_operator.services.registry import Live
from cloudsql_iam_operator.services.reports import Report, max_age
from cloudsql_iam_operator.services.systems import Systems

SOON = 0.5
"""Seconds after the declared end at which a grant is looked at, so that it has surely come."""


@dataclass(slots=True)
class Visit:
    """One look at one grant: what was found so far, and what the status will tell."""

    live: Live
    layers: Layers = field(default_factory=Layers)
    fields: dict[str, Any] = field(default_factory=dict)
    interval: float = 300.0

    @property
    def ledger(self) -> Ledger:
        """What the status records as caused."""
        return recorded(self.fields.get("applied", ()))

    def report(self) -> Report:
        """What the look found."""
        return self.layers.report(self.fields, self.interval)


class GrantStory:
    """What is done for one DatabaseGrant."""

    def __init__(self, systems: Systems) -> None:
        self._systems = systems

    async def reconcile(self, live: Live) -> Report:
        """Bring the database to what the object declares."""
        visit = Visit(live, fields=kept(live.status))
        with suppress(Blocked):
            await self._declare(visit)
        return visit.report()

    async def remove(self, live: Live) -> Report:
        """Revoke what the object caused and nobody else wants."""
        visit = Visit(live, fields=kept(live.status))
        with suppress(Blocked):
            await self._take_back(visit)
        return visit.report()

    async def _declare(self, visit: Visit) -> None:
        spec = await visit.layers.hold(ConditionType.READY, _read(visit.live))
        if spec.suspend:
            self._systems.forget(visit.live.key)
            visit.layers.note(ConditionType.SUSPENDED, Reason.SUSPENDED, "spec.suspend is true: nothing is written")
            return
        instance = await visit.layers.hold(ConditionType.READY, self._instance(spec))
        visit.interval = _until(spec, float(instance.interval))
        await self._let_in(visit, spec, instance)
        await visit.layers.hold(ConditionType.READY, self._serving(instance))
        grantees = await visit.layers.hold(ConditionType.READY, self._grantees(visit, spec))
        entries = await visit.layers.hold(ConditionType.GRANTS_APPLIED, _entries(spec, grantees.roles))
        await visit.layers.hold(ConditionType.GRANTS_APPLIED, self._apply(visit, spec, (instance, grantees, entries)))

    async def _instance(self, spec: DatabaseGrant) -> CloudSQLInstance:
        return instance_named(self._systems.registry, spec.instance)

    async def _let_in(self, visit: Visit, spec: DatabaseGrant, instance: CloudSQLInstance) -> None:
        try:
            await visit.layers.hold(
                ConditionType.ACCESS_ALLOWED, self._allowed(spec, instance), "an access rule allows it"
            )
        except Blocked as blocked:
            refused = isinstance(blocked.__cause__, Refused)
            if refused and visit.ledger and instance.on_access_withdrawn is Withdrawal.REVOKE:
                await visit.layers.hold(ConditionType.GRANTS_APPLIED, self._revoke(visit, spec, instance))
            raise

    async def _allowed(self, spec: DatabaseGrant, instance: CloudSQLInstance) -> None:
        whole = expanded(spec)
        tenant = await tenant_of(self._systems.cluster, self._systems.threads, spec.metadata.key.namespace)
        schemas = {schema for entry in whole.grants for schema in entry.schemas} | {e.schema for e in whole.future}
        schemas |= {schema for entry in whole.public for schema in entry.schemas}
        privileges = {p for entry in whole.grants for p in entry.privileges}
        privileges |= {p for entry in whole.future for p in entry.privileges}
        roles = [m.role for m in whole.memberships] + [g.name for g in whole.grantees if isinstance(g, RoleRef)]
        request = GrantRequest(
            tenant=tenant,
            database=spec.database,
            schemas=tuple(sorted(schemas)),
            privileges=tuple(sorted(privileges)),
            roles=tuple(sorted(roles)),
            lifetime=Lifetime(spec.expires_at, datetime.now(UTC)),
            operator=await self._systems.own_username(instance),
            powers=powers_of(whole),
        )
        allow_grant(instance.access, request)

    async def _serving(self, instance: CloudSQLInstance) -> None:
        facts = await self._systems.facts(instance)
        require_engine(instance.connection, facts)
        require_running(instance.connection, facts)

    async def _grantees(self, visit: Visit, spec: DatabaseGrant) -> Named:
        found = named(spec, self._systems.registry, visit.ledger)
        if found.missing and visit.ledger and await self._systems.kind_is_going(USER):
            text = "the definition of CloudSQLIAMUser is being deleted; what its objects hold is left as it is"
            raise NotYet(Reason.USER_NOT_READY, text)
        return found

    async def _apply(self, visit: Visit, spec: DatabaseGrant, found: tuple[CloudSQLInstance, Named, Entries]) -> None:
        instance, grantees, entries = found
        dry = spec.mode is GrantMode.PLAN
        caused = visit.ledger if dry else visit.ledger | ledger_of(entries)
        before = place(spec, instance, caused)
        if caused != visit.ledger:
            await self._systems.remember(visit.live, before)
        visit.fields |= before
        want = GrantWant(entries, visit.ledger, spec.enforcement, dry)
        answer = await self._bring(visit, spec, instance, want)
        visit.fields |= told(answer, grantees, visit.fields)
        if not answer.plan_hash:
            visit.fields.pop("plan", None)
        _tell(visit, answer)
        _judge(visit, spec, (*grantees.missing, *answer.problems))

    async def _bring(
        self, visit: Visit, spec: DatabaseGrant, instance: CloudSQLInstance, want: GrantWant
    ) -> GrantAnswer:
        lane = await self._systems.database_lane(instance, spec.database)
        return await lane.apply(visit.live.key, want, max_age=max_age(visit.live, visit.interval))

    async def _revoke(self, visit: Visit, spec: DatabaseGrant, instance: CloudSQLInstance) -> None:
        answer = await self._bring(visit, spec, instance, GrantWant(Entries(), visit.ledger))
        visit.fields |= told(answer, Named({}, ()), visit.fields)
        _tell(visit, answer)
        if answer.ledger:
            reason, text = worst(answer.problems) or (Reason.DELETION_BLOCKED, "some privileges could not be revoked")
            raise NotYet(Reason.DELETION_BLOCKED if reason is not Reason.REVOKE_BLOCKED else reason, text)

    async def _take_back(self, visit: Visit) -> None:
        spec = visit.live.spec
        retained = isinstance(spec, DatabaseGrant) and spec.deletion_policy is GrantDeletion.RETAIN
        if retained or not visit.ledger or await self._systems.kind_is_going(GRANT):
            self._systems.forget(visit.live.key)
            return
        readable_spec = await visit.layers.hold(ConditionType.READY, _read(visit.live))
        instance = await visit.layers.hold(ConditionType.READY, self._instance(readable_spec))
        visit.interval = float(instance.interval)
        await visit.layers.hold(ConditionType.GRANTS_APPLIED, self._revoke(visit, readable_spec, instance))
        self._systems.forget(visit.live.key)


async def _read(live: Live) -> DatabaseGrant:
    return readable(live, DatabaseGrant)


async def _entries(spec: DatabaseGrant, roles: Mapping[Grantee, str]) -> Entries:
    return Entries() if _expired(spec) else entries_of(spec, roles)


def _expired(spec: DatabaseGrant) -> bool:
    return spec.expires_at is not None and spec.expires_at <= datetime.now(UTC)


def _until(spec: DatabaseGrant, interval: float) -> float:
    """Seconds until the next look: at the declared end when that comes before the interval."""
    if spec.expires_at is None or _expired(spec):
        return interval
    return min(interval, (spec.expires_at - datetime.now(UTC)).total_seconds() + SOON)


def _tell(visit: Visit, answer: GrantAnswer) -> None:
    if answer.granted:
        visit.layers.changed("Granted", f"granted {answer.granted} privileges in {len(answer.executed)} statements")
        for sentence in answer.advice:
            visit.layers.changed("GroupRoleAdvised", sentence)
    if answer.revoked:
        visit.layers.changed("Revoked", f"revoked {answer.revoked} privileges in {len(answer.executed)} statements")


def _judge(visit: Visit, spec: DatabaseGrant, problems: tuple[Problem, ...]) -> None:
    found = worst(problems)
    if found is not None:
        visit.layers.note(ConditionType.GRANTS_APPLIED, *found)
    elif _expired(spec):
        visit.layers.note(
            ConditionType.GRANTS_APPLIED, Reason.EXPIRED, f"expired at {spec.expires_at}: nothing is held"
        )
    elif spec.mode is GrantMode.PLAN:
        visit.layers.note(
            ConditionType.GRANTS_APPLIED, Reason.PLANNED, "mode Plan: see status.plan; nothing is written"
        )
    else:
        visit.layers.note(ConditionType.GRANTS_APPLIED, Reason.SUCCEEDED, "the database shows all privileges")
