"""The reconciler of DatabaseGrants: who its grantees are, whether the rules allow it, and what the database shows."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from cloudsql_iam_operator.api.grant import DatabaseGrant
from cloudsql_iam_operator.api.instance import CloudSQLInstance
from cloudsql_iam_operator.api.names import GRANT, Key
from cloudsql_iam_operator.api.parsing.times import instant_text
from cloudsql_iam_operator.core.access.roles import listed_roles
from cloudsql_iam_operator.core.errors import NotYet, Proof, Refused, Withdrawn
from cloudsql_iam_operator.core.grants.decided.approval import Approval
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.decided.resolution import Problem
from cloudsql_iam_operator.core.grants.desired.entries import Entries
from cloudsql_iam_operator.core.grants.desired.ledger import Ledger, ledger_of, less, overlap, united
from cloudsql_iam_operator.core.grants.desired.record import GrantRecord
from cloudsql_iam_operator.core.grants.desired.written import check_size
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.status import ConditionType
from cloudsql_iam_operator.core.visibility import visible
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer
from cloudsql_iam_operator.services.reconcilers.authority import NO_RETAIN, Authority, Verdict, is_kept
from cloudsql_iam_operator.services.reconcilers.grant_checks import (
    GrantChecks,
    asks_to_retain,
    declared_end,
    expired,
    gave_up,
    goes_on,
    only_planned,
    way_out,
)
from cloudsql_iam_operator.services.reconcilers.grant_events import GrantEvents
from cloudsql_iam_operator.services.reconcilers.grant_status import (
    Named,
    Visit,
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


class GrantReconciler:
    """What is done for one DatabaseGrant."""

    def __init__(self, systems: Systems) -> None:
        self._systems = systems
        self._checks = GrantChecks(systems)
        self._plans = PlanStore(systems.cluster, systems.threads)
        self._events = GrantEvents()
        self._authority = Authority(systems)
        self._visits: dict[Key, Visit] = {}

    async def reconcile(self, live: Live) -> Report:
        """Bring the database to what the object declares."""
        visit = self._visits[live.key] = Visit.of(live, Layers(instance=live.instance))
        if visit.fields.get("approved") != visit.approved:
            visit.fields.pop("approved", None)  # taken off or replaced: the next one counts anew
        try:
            await self._keep_what_is_due(visit)
            await self._declare(visit)
        except Blocked:
            pass  # its layers say why
        finally:
            del self._visits[live.key]
        return visit.report()

    async def record(self, key: Key, want: GrantWant) -> None:
        """Record what a pass is about to cause for the object, and what of it was there before.

        Raises:
            Failure: that cannot be recorded, or is not asked for any more.
        """
        visit = self._visits.get(key)
        about_to = visit.about_to if visit is not None else None
        if visit is None or about_to is None or about_to[0] != replace(want, found=about_to[0].found):
            raise NotYet(Reason.PROGRESSING, f"{key} is being looked at anew: nothing is granted for it before")
        visit.about_to = None  # once: what a pass found that gave something itself, was not there before
        await self._record(visit, about_to[1].finding(want.found), "")

    async def remove(self, live: Live) -> Report:
        """Revoke what the object caused and nobody else wants."""
        visit = Visit.of(live, Layers(way_out(live.key), live.instance))
        with suppress(Blocked):
            await self._take_back(visit)
        return visit.report()

    async def _keep_what_is_due(self, visit: Visit) -> None:
        """Take back what of the record is no longer due, whatever the object is like otherwise."""
        record = visit.record.ending_by(declared_end(visit.live))
        if not record.ledger:
            return
        visit.layers.end_at(record.admission.until)
        instance = await visit.layers.hold(ConditionType.READY, self._authority.instance(visit.live))
        verdict = await visit.layers.hold(
            ConditionType.ACCESS_ALLOWED, self._authority.grant(visit.live, record, instance)
        )
        if verdict.taken and not (verdict.why and is_kept(verdict.why, instance)):
            await self._withdraw(visit, instance, verdict)
        elif verdict.why is not None:
            await visit.layers.hold(ConditionType.ACCESS_ALLOWED, _raise(verdict.why))

    async def _withdraw(self, visit: Visit, instance: CloudSQLInstance, verdict: Verdict) -> None:
        why = verdict.why
        ended = why is not None and why.proof is Proof.END
        if why is not None and not ended:
            visit.layers.fail(ConditionType.ACCESS_ALLOWED, why)
        self._systems.forget(visit.live.key)
        await visit.layers.hold(ConditionType.GRANTS_APPLIED, self._revoke(visit, instance, verdict.taken))
        if why is not None and not ended:
            raise Blocked from why
        if why is not None and not goes_on(visit.live):
            visit.layers.note(ConditionType.GRANTS_APPLIED, Reason.EXPIRED, f"{why.message}: nothing is held")

    async def _declare(self, visit: Visit) -> None:
        spec = await visit.layers.hold(ConditionType.READY, _read(visit))
        if spec.suspend:
            self._systems.forget(visit.live.key)
            visit.layers.note(ConditionType.SUSPENDED, Reason.SUSPENDED, "spec.suspend is true: nothing is written")
            return
        if visit.layers.noted(ConditionType.GRANTS_APPLIED):
            return  # its end has come, and nothing is left to do
        instance = await visit.layers.hold(ConditionType.READY, self._checks.instance(spec))
        visit.interval = float(instance.interval)
        asked = self._checks.allowed(spec, instance, visit.record.admission)
        rule = await visit.layers.hold(ConditionType.ACCESS_ALLOWED, asked, "an access rule allows it")
        visit.listed = listed_roles(rule)
        visit.record = visit.record.admitted(rule, datetime.now(UTC), spec.expires_at)
        visit.layers.end_at(visit.record.admission.until)
        await visit.layers.hold(ConditionType.READY, self._checks.serving(instance))
        grantees = await visit.layers.hold(ConditionType.READY, self._checks.grantees(spec, visit.record.ledger))
        entries = await visit.layers.hold(ConditionType.GRANTS_APPLIED, self._checks.entries(spec, grantees.roles))
        await visit.layers.hold(ConditionType.GRANTS_APPLIED, self._apply(visit, spec, (instance, grantees, entries)))

    async def _apply(self, visit: Visit, spec: DatabaseGrant, found: tuple[CloudSQLInstance, Named, Entries]) -> None:
        instance, grantees, entries = found
        want = GrantWant(entries, visit.record.ledger, spec.enforcement, only_planned(spec))
        want = replace(want, found=visit.record.found, listed=visit.listed, cascade=visit.record.cascade)
        visit.record = visit.record.placed(instance.connection, spec)
        asked = ledger_of(entries)
        due = want.ledger if asked <= want.ledger else united(want.ledger, asked)
        before = visit.record.with_ledger(due, grantees.holders)
        if want.dry:
            answer = await self._planned(visit, before, instance, want)
        elif less(before.ledger, visit.record.ledger):
            want = replace(want, recording=True)
            visit.about_to = want, before
            answer = await self._bring(visit, instance, want)
        else:
            await self._record(visit, before, "")
            answer = await self._bring(visit, instance, replace(want, ledger=before.ledger, found=before.found))
        self._note_answer(visit, answer, grantees)
        await self._publish(visit, answer)
        _judge(visit, spec, answer, (*grantees.missing, *answer.problems))

    async def _planned(
        self, visit: Visit, before: GrantRecord, instance: CloudSQLInstance, want: GrantWant
    ) -> GrantAnswer:
        """What would be done; or what was done, when a person approved that and nothing else."""
        answer = await self._bring(visit, instance, want)
        if not answer.planned or visit.approval(answer) is not Approval.FITS:
            return answer
        before = before.finding(answer.found)
        await self._record(visit, before, visit.approved)
        executing = replace(want, ledger=before.ledger, found=before.found, approved=visit.approved)
        answer = await self._bring(visit, instance, executing)
        if answer.approved:
            return answer
        del visit.fields["approved"]
        return replace(answer, ledger=want.ledger, found=want.found)

    async def _record(self, visit: Visit, record: GrantRecord, approved: str) -> None:
        """Store what is about to be caused, and by which approval, unless that is on record already.

        What is there already was looked for before: what was found is not caused, and what never was reached has
        nothing to take back.
        """
        is_stored = record == visit.stored and not approved
        if not is_stored:
            check_size(united(record.ledger, record.found))
        visit.record = record
        visit.fields.update({"approved": approved} if approved else {})
        if not is_stored:
            await self._systems.remember(visit.live, visit.status)

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

    async def _bring(self, visit: Visit, instance: CloudSQLInstance, want: GrantWant) -> GrantAnswer:
        lane = await self._systems.database_lane(instance, visit.record.database)
        visit.set_aside()
        return await lane.apply(visit.live.key, want, max_age=max_age(visit.live, visit.interval))

    async def _revoke(self, visit: Visit, instance: CloudSQLInstance, taken: Ledger) -> None:
        """Take these recorded entries back, as Managed does, and leave the others as they are."""
        record = visit.record
        held = less(record.ledger, taken)
        want = GrantWant(Entries(), record.ledger, held=held, found=record.found, cascade=record.cascade)
        answer = await self._bring(visit, instance, want)
        self._note_answer(visit, answer, Named({}, ()))
        if overlap(answer.ledger, taken):
            reason, text = worst(answer.problems) or (Reason.DELETION_BLOCKED, "some privileges could not be revoked")
            raise NotYet(Reason.DELETION_BLOCKED if reason is not Reason.REVOKE_BLOCKED else reason, text)

    def _note_answer(self, visit: Visit, answer: GrantAnswer, grantees: Named) -> None:
        visit.fields.update(status_fields(answer, grantees, visit.fields, datetime.now(UTC)))
        visit.record = visit.record.with_ledger(answer.ledger, grantees.holders).finding(answer.found)
        if answer.approved:
            visit.layers.changed("Approved", f"executed the approved plan {visit.approved}")
        so_far = visit.fields.get("drift", {}).get("detected", 0)
        self._events.announce(visit.live.key, visit.layers, answer, so_far)

    async def _take_back(self, visit: Visit) -> None:
        await visit.layers.hold(ConditionType.GRANTS_APPLIED, self._plan_dropped(visit))
        if not visit.record.ledger or await self._systems.kind_is_going(GRANT):
            self._forget(visit.live.key)
            return
        instance = await visit.layers.hold(ConditionType.READY, self._authority.instance(visit.live))
        visit.interval = float(instance.interval)
        record = visit.record.ending_by(declared_end(visit.live))
        judged = self._authority.grant(visit.live, record, instance)
        verdict = await visit.layers.hold(ConditionType.ACCESS_ALLOWED, judged)
        if asks_to_retain(visit.live) and verdict.may_retain and not verdict.taken:
            if gave_up(visit.live):
                self._events.gave_up(visit.layers, visit.record.ledger)
        elif not await self._systems.gone(instance):
            await visit.layers.hold(ConditionType.GRANTS_APPLIED, self._checks.serving(instance))
            await visit.layers.hold(ConditionType.GRANTS_APPLIED, self._revoke(visit, instance, visit.record.ledger))
            if asks_to_retain(visit.live):
                visit.layers.warn("RetainNotAllowed", f"what it had granted was not left in force: {NO_RETAIN}")
        self._forget(visit.live.key)

    def _forget(self, key: Key) -> None:
        self._systems.forget(key)
        self._events.forget(key)

    async def _plan_dropped(self, visit: Visit) -> None:
        if visit.fields.pop("plan", {}).get("ref"):
            await self._plans.drop(visit.live)


async def _read(visit: Visit) -> DatabaseGrant:
    spec, record = readable(visit.live, DatabaseGrant), visit.record
    if record.ledger and (spec.instance, spec.database) != (visit.live.instance, record.database or spec.database):
        raise Refused(Reason.INVALID_SPEC, "instanceRef and database cannot be changed: make another DatabaseGrant")
    return spec


async def _raise(why: Withdrawn) -> None:
    raise why


def _judge(visit: Visit, spec: DatabaseGrant, answer: GrantAnswer, problems: tuple[Problem, ...]) -> None:
    if (found := worst(problems)) is not None:
        visit.layers.note(ConditionType.GRANTS_APPLIED, found[0], "; ".join((found[1], *answer.notes)))
    elif answer.planned:
        standing = visit.approval(answer)
        visit.layers.note(ConditionType.GRANTS_APPLIED, *waits_for_approval(visit.live.key, standing, answer))
    elif spec.expires_at is not None and expired(spec):
        text = f"expired at {instant_text(spec.expires_at)}: nothing is held"
        visit.layers.note(ConditionType.GRANTS_APPLIED, Reason.EXPIRED, text)
    else:
        said = ("the database shows all privileges", *answer.notices, *answer.notes)
        visit.layers.note(ConditionType.GRANTS_APPLIED, Reason.SUCCEEDED, "; ".join(said))
