"""The reconciler of DatabaseGrants: who its grantees are, whether the rules allow it, and what the database shows."""

from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from cloudsql_iam_operator.api.grant import DatabaseGrant, GrantDeletion
from cloudsql_iam_operator.api.instance import CloudSQLInstance, Withdrawal
from cloudsql_iam_operator.api.names import APPROVE, GIVE_UP, GRANT, Key
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.grants.decided.approval import Approval, approval
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.decided.resolution import Problem
from cloudsql_iam_operator.core.grants.desired.entries import Entries
from cloudsql_iam_operator.core.grants.desired.ledger import Ledger, check_size, ledger_of, recorded, united
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.status import ConditionType
from cloudsql_iam_operator.core.visibility import visible
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer
from cloudsql_iam_operator.services.reconcilers.grant_checks import GrantChecks, expired, only_planned, predefined
from cloudsql_iam_operator.services.reconcilers.grant_events import GrantEvents
from cloudsql_iam_operator.services.reconcilers.grant_status import (
    Named,
    kept,
    place,
    plan_told,
    status_fields,
    waits_for_approval,
    worst,
)
from cloudsql_iam_operator.services.reconcilers.layers import Blocked, Layers
from cloudsql_iam_operator.services.reconcilers.plan_store import PlanStore
from cloudsql_iam_operator.services.reconcilers.systems import Systems
from cloudsql_iam_operator.services.runtime.objects import readable
from cloudsql_iam_operator.services.runtime.registry import Live
from cloudsql_iam_operator.services.runtime.reports import Report, max_age

SOON = 0.5
"""Seconds after the declared end at which a grant is reconciled, so that it has surely come."""


@dataclass(slots=True)
class Visit:
    """One reconcile of one grant: what was found so far, and what the status will say."""

    live: Live
    layers: Layers = field(default_factory=Layers)
    fields: dict[str, Any] = field(default_factory=dict)
    interval: float = 300.0

    @property
    def approved(self) -> str:
        """The hash of the plan that a person approved, by annotation; "" without one."""
        return self.live.annotations.get(APPROVE, "")

    def approval(self, answer: GrantAnswer) -> Approval:
        """How that stands to the plan of this answer."""
        return approval(self.approved, self.fields.get("approved", ""), answer.plan_hash)

    @property
    def ledger(self) -> Ledger:
        """What the status records as caused."""
        return recorded(self.fields.get("applied", ()))

    def report(self) -> Report:
        """What the reconcile found."""
        return self.layers.report(self.fields, self.interval)


class GrantReconciler:
    """What is done for one DatabaseGrant."""

    def __init__(self, systems: Systems) -> None:
        self._systems = systems
        self._checks = GrantChecks(systems)
        self._plans = PlanStore(systems.cluster, systems.threads)
        self._events = GrantEvents()

    async def reconcile(self, live: Live) -> Report:
        """Bring the database to what the object declares."""
        visit = Visit(live, fields=kept(live.status))
        if visit.fields.get("approved") != visit.approved:
            visit.fields.pop("approved", None)  # taken off or replaced: the next one counts anew
        with suppress(Blocked):
            await self._declare(visit)
        return visit.report()

    async def remove(self, live: Live) -> Report:
        """Revoke what the object caused and nobody else wants."""
        visit = Visit(live, Layers(_way_out(live.key)), kept(live.status))
        with suppress(Blocked):
            await self._take_back(visit)
        return visit.report()

    async def _declare(self, visit: Visit) -> None:
        spec = await visit.layers.hold(ConditionType.READY, _read(visit.live))
        if spec.suspend:
            self._systems.forget(visit.live.key)
            visit.layers.note(ConditionType.SUSPENDED, Reason.SUSPENDED, "spec.suspend is true: nothing is written")
            return
        instance = await visit.layers.hold(ConditionType.READY, self._checks.instance(spec))
        visit.interval = _until(spec, float(instance.interval))
        await self._let_in(visit, spec, instance)
        await visit.layers.hold(ConditionType.READY, self._checks.serving(instance))
        grantees = await visit.layers.hold(ConditionType.READY, self._checks.grantees(spec, visit.ledger))
        entries = await visit.layers.hold(ConditionType.GRANTS_APPLIED, self._checks.entries(spec, grantees.roles))
        await visit.layers.hold(ConditionType.GRANTS_APPLIED, self._apply(visit, spec, (instance, grantees, entries)))

    async def _let_in(self, visit: Visit, spec: DatabaseGrant, instance: CloudSQLInstance) -> None:
        try:
            await visit.layers.hold(
                ConditionType.ACCESS_ALLOWED, self._checks.allowed(spec, instance), "an access rule allows it"
            )
        except Blocked as blocked:
            if blocked.refused and visit.ledger and instance.on_access_withdrawn is Withdrawal.REVOKE:
                await visit.layers.hold(ConditionType.GRANTS_APPLIED, self._revoke(visit, spec, instance))
            raise

    async def _apply(self, visit: Visit, spec: DatabaseGrant, found: tuple[CloudSQLInstance, Named, Entries]) -> None:
        instance, grantees, entries = found
        want = GrantWant(entries, visit.ledger, spec.enforcement, only_planned(spec), listed=predefined(spec))
        if want.dry:
            visit.fields |= place(spec, instance, visit.ledger)
            answer = await self._planned(visit, spec, instance, want)
        else:
            caused = united(visit.ledger, ledger_of(entries))
            check_size(caused)
            if caused and not visit.ledger:
                await self._reached(spec, instance)
            await self._record(visit, place(spec, instance, caused))
            answer = await self._bring(visit, spec, instance, want)
        self._note_answer(visit, answer, grantees)
        await self._publish(visit, answer)
        _judge(visit, spec, answer, (*grantees.missing, *answer.problems))

    async def _planned(
        self, visit: Visit, spec: DatabaseGrant, instance: CloudSQLInstance, want: GrantWant
    ) -> GrantAnswer:
        """What would be done; or what was done, when a person approved that and nothing else."""
        answer = await self._bring(visit, spec, instance, want)
        if not answer.planned or visit.approval(answer) is not Approval.FITS:
            return answer
        caused = united(visit.ledger, ledger_of(want.entries))
        check_size(caused)
        before = place(spec, instance, caused)
        await self._record(visit, {**before, "approved": visit.approved})
        answer = await self._bring(visit, spec, instance, replace(want, approved=visit.approved))
        if not answer.approved:
            del visit.fields["approved"]
        return answer

    async def _reached(self, spec: DatabaseGrant, instance: CloudSQLInstance) -> None:
        """Log in before anything is recorded for the first time: what never was reached has nothing to take back."""
        await (await self._systems.database_lane(instance, spec.database)).reach()

    async def _record(self, visit: Visit, fields: dict[str, Any]) -> None:
        """Store what is about to be caused, unless that is on record already."""
        used = visit.fields.get("approved")
        if recorded(fields["applied"]) != visit.ledger or fields.get("approved", used) != used:
            await self._systems.remember(visit.live, fields)
        visit.fields |= fields

    async def _publish(self, visit: Visit, answer: GrantAnswer) -> None:
        """Keep a plan that the status cannot hold beside it, for as long as it stands."""
        before = visit.fields.pop("plan", None)
        if answer.planned:
            visit.fields["plan"] = await self._shown(visit, answer)
        if before and before.get("ref") and "ref" not in visit.fields.get("plan", {}):
            await self._plans.drop(visit.live)

    async def _shown(self, visit: Visit, answer: GrantAnswer) -> dict[str, Any]:
        shown = plan_told(answer)
        if len(shown["sample"]) < len(answer.planned) or shown["sample"] != [visible(text) for text in answer.planned]:
            shown["ref"] = await self._plans.put(visit.live, answer.planned)
        return shown

    async def _bring(
        self, visit: Visit, spec: DatabaseGrant, instance: CloudSQLInstance, want: GrantWant
    ) -> GrantAnswer:
        lane = await self._systems.database_lane(instance, spec.database)
        return await lane.apply(visit.live.key, want, max_age=max_age(visit.live, visit.interval))

    async def _revoke(self, visit: Visit, spec: DatabaseGrant, instance: CloudSQLInstance) -> None:
        answer = await self._bring(visit, spec, instance, GrantWant(Entries(), visit.ledger))
        self._note_answer(visit, answer, Named({}, ()))
        if answer.ledger:
            reason, text = worst(answer.problems) or (Reason.DELETION_BLOCKED, "some privileges could not be revoked")
            raise NotYet(Reason.DELETION_BLOCKED if reason is not Reason.REVOKE_BLOCKED else reason, text)

    def _note_answer(self, visit: Visit, answer: GrantAnswer, grantees: Named) -> None:
        visit.fields |= status_fields(answer, grantees, visit.fields, datetime.now(UTC))
        if answer.approved:
            visit.layers.changed("Approved", f"executed the approved plan {visit.approved}")
        so_far = visit.fields.get("drift", {}).get("detected", 0)
        self._events.announce(visit.live.key, visit.layers, answer, so_far)

    async def _take_back(self, visit: Visit) -> None:
        spec = visit.live.spec
        await visit.layers.hold(ConditionType.GRANTS_APPLIED, self._plan_dropped(visit))
        retained = isinstance(spec, DatabaseGrant) and spec.deletion_policy is GrantDeletion.RETAIN
        given_up = visit.live.annotations.get(GIVE_UP) == "true"
        if given_up and visit.ledger:
            self._events.gave_up(visit.layers, visit.ledger)
        if given_up or retained or not visit.ledger or await self._systems.kind_is_going(GRANT):
            self._forget(visit.live.key)
            return
        readable_spec = await visit.layers.hold(ConditionType.READY, _read(visit.live))
        instance = await visit.layers.hold(ConditionType.READY, self._checks.instance(readable_spec))
        visit.interval = float(instance.interval)
        if not await self._systems.gone(instance):
            await visit.layers.hold(ConditionType.GRANTS_APPLIED, self._checks.serving(instance))
            await visit.layers.hold(ConditionType.GRANTS_APPLIED, self._revoke(visit, readable_spec, instance))
        self._forget(visit.live.key)

    def _forget(self, key: Key) -> None:
        self._systems.forget(key)
        self._events.forget(key)

    async def _plan_dropped(self, visit: Visit) -> None:
        if visit.fields.pop("plan", {}).get("ref"):
            await self._plans.drop(visit.live)


async def _read(live: Live) -> DatabaseGrant:
    return readable(live, DatabaseGrant)


def _way_out(key: Key) -> str:
    """What helps whatever holds a deletion up."""
    command = f"kubectl annotate dbg {key.name} -n {key.namespace} {GIVE_UP}=true"
    return f"; to leave in force what was granted: {command}"


def _until(spec: DatabaseGrant, interval: float) -> float:
    """Seconds until the next reconcile: at the declared end when that comes before the interval."""
    if spec.expires_at is None or expired(spec):
        return interval
    return min(interval, (spec.expires_at - datetime.now(UTC)).total_seconds() + SOON)


def _judge(visit: Visit, spec: DatabaseGrant, answer: GrantAnswer, problems: tuple[Problem, ...]) -> None:
    found = worst(problems)
    if found is not None:
        visit.layers.note(ConditionType.GRANTS_APPLIED, *found)
    elif answer.planned:
        standing = visit.approval(answer)
        visit.layers.note(ConditionType.GRANTS_APPLIED, *waits_for_approval(visit.live.key, standing, answer))
    elif expired(spec):
        visit.layers.note(
            ConditionType.GRANTS_APPLIED, Reason.EXPIRED, f"expired at {spec.expires_at}: nothing is held"
        )
    else:
        text = "; ".join(("the database shows all privileges", *answer.notices))
        visit.layers.note(ConditionType.GRANTS_APPLIED, Reason.SUCCEEDED, text)
