"""A user's IAM bindings: added and taken away, or only looked for where somebody else binds; and their end."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cloudsql_iam_operator.api.instance import BindingMode, CloudSQLInstance, ConditionMode
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.api.parsing.times import instant_text
from cloudsql_iam_operator.core.access.admission import written
from cloudsql_iam_operator.core.errors import Failure, NotYet
from cloudsql_iam_operator.core.iam.bindings import Binding, BindingRef, Scope, bindings_for
from cloudsql_iam_operator.core.iam.external import missing, way_to_add
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.status import ConditionType
from cloudsql_iam_operator.services.lanes.policies.wants import Announced, PolicyWant
from cloudsql_iam_operator.services.reconcilers.systems import Systems
from cloudsql_iam_operator.services.reconcilers.users.handing import Handing
from cloudsql_iam_operator.services.reconcilers.users.visit import Declared, Visit
from cloudsql_iam_operator.services.runtime.reports import max_age
from cloudsql_iam_operator.services.waiting import ranks
from cloudsql_iam_operator.services.waiting.ranks import Rank

PROPAGATION = timedelta(minutes=7)
"""How long a change of an IAM policy may take to act. Source: IAM, "Access change propagation"."""


class Bindings:
    """What is done about the IAM bindings of users. `visits` are the reconciles that run."""

    def __init__(self, systems: Systems, visits: Mapping[Key, Visit], handing: Handing) -> None:
        self._systems = systems
        self._visits = visits
        self._handing = handing

    async def bring(self, visit: Visit, declared: Declared) -> None:
        """Have the bindings as declared, and say how they stand; none once the end has come."""
        if visit.ended:
            await self._end(visit, declared.instance)
            return
        if declared.instance.iam.mode is BindingMode.EXTERNAL:
            step, message = self._verify(visit, declared), "somebody else bound it in the project's policy"
        else:
            step, message = self._bind(visit, declared), "bound in the project's policy"
        await visit.layers.hold(ConditionType.IAM_BOUND, step, message)

    async def release(self, visit: Visit, instance: CloudSQLInstance) -> None:
        """Take away what was added for the user; where somebody else binds, nothing.

        Raises:
            Failure: something could not be taken away.
        """
        lane = await self._systems.policy_lane(instance)
        if instance.iam.mode is BindingMode.EXTERNAL or not visit.record.bindings:
            lane.forget(visit.live.key)
        else:
            await lane.release(visit.live.key, visit.record.bindings)
            visit.layers.changed("Released", f"released the IAM bindings of {visit.record.member}")
        visit.record = visit.record.unbound()

    async def expire(self, visit: Visit, instance: CloudSQLInstance) -> None:
        """Take away what was added for a user whose end has come, once whoever has it next has it too.

        Raises:
            Failure: that could not be done yet.
        """
        self._systems.forget(visit.live.key)  # its claim to the user has ended, and would go ahead of the next one's
        if visit.record.bindings:
            ranks.enter(Rank.EDIT)
        await self._handing.over(visit)
        await self.release(visit, instance)

    def due(self, visit: Visit, declared: Declared) -> frozenset[BindingRef]:
        """What will be bound and can be recorded before the policy is read: a title tells it from what others bound."""
        if visit.ended or declared.instance.iam.mode is BindingMode.EXTERNAL:
            return frozenset()
        return frozenset(binding.ref for binding in self._wanted(declared) if binding.signed)

    async def record(self, announced: Announced) -> Mapping[Key, Failure]:
        """Have statuses say which bindings are about to be added for them; why some could not."""
        failed: dict[Key, Failure] = {}
        for key, refs in announced.items():
            try:
                await self._record(key, refs)
            except Failure as failure:
                failed[key] = failure
        return failed

    async def _record(self, key: Key, refs: frozenset[BindingRef]) -> None:
        visit, live = self._visits.get(key), self._systems.registry.get(key)
        if live is None:
            raise NotYet(Reason.PROGRESSING, f"{key} is gone: nothing is bound for it")
        record = (visit.record if visit else live.record).to_be_bound(refs)
        if visit is not None:
            visit.record = record
        if not refs <= live.record.bindings:
            await self._systems.remember(live, record.fields())

    async def _end(self, visit: Visit, instance: CloudSQLInstance) -> None:
        await visit.layers.hold(ConditionType.IAM_BOUND, self.expire(visit, instance))
        ended = written(visit.record.admission.until)
        told = "nobody logs in as the database user"
        if instance.iam.mode is BindingMode.EXTERNAL:
            told = "iam.mode is External, so whoever binds takes away what has no end"
        text = f"the access ended at {ended}: {told}; user and grants stay until a later spec.expiresAt renews it"
        visit.layers.note(ConditionType.IAM_BOUND, Reason.EXPIRED, text)

    async def _bind(self, visit: Visit, declared: Declared) -> None:
        lane = await self._systems.policy_lane(declared.instance)
        began = datetime.now(UTC)
        left, owned = self._handing.left_to(visit), visit.record.bindings
        want = PolicyWant(self._wanted(declared), owned | left if left else owned)
        answer = await lane.bind(visit.live.key, want, max_age=max_age(visit.live, visit.interval))
        ours = frozenset(binding.ref for binding in answer.owned)
        if answer.changed_at is not None and answer.changed_at >= began:
            text = f"bound {_roles(ours)} for {visit.record.member}"
            if visit.live.record.bindings & ours:
                visit.layers.changed("DriftCorrected", text)
            else:
                visit.layers.changed_too("Bound", text)
        until = visit.record.propagation_until
        if answer.changed_at is not None:
            until = instant_text(answer.changed_at + PROPAGATION)
        foreign = frozenset(binding.ref for binding in answer.present) - ours
        visit.record = visit.record.bound(ours, foreign, until)

    async def _verify(self, visit: Visit, declared: Declared) -> None:
        """Look for bindings that somebody else makes; what was added before is left to them.

        Raises:
            NotYet: one is missing.
        """
        enough = self._wanted(declared, ConditionMode.PER_INSTANCE)
        lane = await self._systems.policy_lane(declared.instance)
        want = PolicyWant(watched=enough)
        answer = await lane.bind(visit.live.key, want, max_age=max_age(visit.live, visit.interval))
        visit.record = visit.record.bound(frozenset(), frozenset(binding.ref for binding in answer.found), "")
        absent = sorted({binding.role for binding in missing(enough, answer.found)})
        if absent:
            project = declared.instance.connection.project
            asked = sorted(self._wanted(declared), key=lambda binding: binding.order)
            ways = "; ".join(way_to_add(binding, project) for binding in asked if binding.role in absent)
            text = (
                f"iam.mode of CloudSQLInstance {declared.spec.instance} is External, and {visit.record.member} lacks "
                f"{', '.join(absent)} in project {project}; whoever binds there runs: {ways}"
            )
            raise NotYet(Reason.IAM_BINDING_MISSING, text)

    def _wanted(self, declared: Declared, condition: ConditionMode | None = None) -> frozenset[Binding]:
        scope = Scope(declared.instance.connection, self._systems.cluster_id, declared.spec.expires_at)
        iam = declared.instance.iam
        return bindings_for(declared.who.member, replace(iam, condition=condition or iam.condition), scope)


def _roles(refs: frozenset[BindingRef]) -> str:
    return ", ".join(sorted(ref.role for ref in refs))
