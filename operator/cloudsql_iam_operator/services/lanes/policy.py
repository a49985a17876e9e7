"""The one writer of a project's IAM policy: many objects' bindings, few calls. What bindings mean is in core."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from cloudsql_iam_operator.adapters.google.resource_manager import PolicyConflict, PolicyRejected
from cloudsql_iam_operator.api.names import ALLOW_REMOVALS, Key
from cloudsql_iam_operator.core.errors import Failure, NotYet, Refused
from cloudsql_iam_operator.core.iam.bindings import Binding, BindingRef, folded
from cloudsql_iam_operator.core.iam.policy import Policy, PolicyChange, PolicyPlan, plan, removals_allowed
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.lanes.lane import Lane, Pace, PassResult
from cloudsql_iam_operator.services.lanes.policy_wants import (
    BindingsAnswer,
    Outcome,
    PolicyNeighbours,
    PolicyWant,
    answer,
)
from cloudsql_iam_operator.services.lanes.retry import Circuit, Retry
from cloudsql_iam_operator.services.runtime.threads import Threads

log = logging.getLogger(__name__)

CALL_SECONDS = 90.0
REJECTED_SECONDS = 60.0
"""How long a member that Google refused is not offered again."""


class Policies(Protocol):
    """What reads and writes policies; both block."""

    def get_policy(self, project: str) -> Policy:
        """The policy as it stands."""
        ...

    def set_policy(self, project: str, policy: Policy) -> Policy:
        """Write a policy that was read before; the policy as stored then."""
        ...


@dataclass(slots=True)
class _Memory:
    """What a lane knows beyond the policy: what it tried to add, when, and what Google refused until when."""

    added: dict[Binding, datetime] = field(default_factory=dict)
    rejected: dict[Binding, tuple[Failure, float]] = field(default_factory=dict)

    def note(self, policy: Policy) -> None:
        """Forget additions that the policy does not show: they failed, or somebody took them away."""
        present = {binding.identity for binding in policy.bindings()}
        self.added = {b: when for b, when in self.added.items() if b.identity in present}

    def refusals(self, now: float) -> dict[Binding, Failure]:
        """What Google refused lately."""
        self.rejected = {b: (failure, until) for b, (failure, until) in self.rejected.items() if until > now}
        return {binding: failure for binding, (failure, _) in self.rejected.items()}


class PolicyLane:
    """Bindings of one project. Belongs to one event loop."""

    def __init__(
        self, project: str, policies: Policies, threads: Threads, neighbours: PolicyNeighbours, pace: Pace | None = None
    ) -> None:
        self._project = project
        self._policies = policies
        self._threads = threads
        self._neighbours = neighbours
        self._retry = Retry()
        self._circuit = Circuit()
        self._memory = _Memory()
        self._lane: Lane[Key, PolicyWant, BindingsAnswer] = Lane(self._pass, pace or Pace())
        self.principals: int | None = None
        """Principals in the policy by occurrence, as last seen; the limit is core.policy.PRINCIPALS."""

    async def bind(self, key: Key, want: PolicyWant, *, max_age: float = 0.0) -> BindingsAnswer:
        """Bring the policy to what the object wants. `max_age` (seconds) lets a clean earlier pass serve.

        With 0, which is a person's wish, what Google refused lately is tried again too.

        Raises:
            Failure: why one of its bindings is not there, or not gone. Other objects are not held up by it.
        """
        if not max_age:
            for binding in want.bindings:
                self._memory.rejected.pop(binding, None)
        return await self._lane.submit(key, want, max_age=max_age)

    async def release(self, key: Key, owned: frozenset[BindingRef]) -> None:
        """Take away what was added for an object, unless another wants it, and forget the object.

        Raises:
            Failure: something could not be taken away.
        """
        await self._lane.submit(key, PolicyWant(owned=owned))
        self._lane.forget(key)

    def forget(self, key: Key) -> None:
        """Leave the object's bindings as they are and want nothing for it."""
        self._lane.forget(key)

    async def _pass(self, wants: Mapping[Key, PolicyWant]) -> PassResult[Key, BindingsAnswer]:
        now = asyncio.get_running_loop().time()
        left = self._circuit.left(now)
        if left:
            text = f"the quota for the IAM policy of project {self._project} is used up"
            raise NotYet(Reason.QUOTA_EXCEEDED, text, left)
        try:
            return await self._until_unopposed(wants)
        except NotYet as failure:
            self._circuit.heed(now, failure)
            raise

    async def _until_unopposed(self, wants: Mapping[Key, PolicyWant]) -> PassResult[Key, BindingsAnswer]:
        pauses = self._retry.pauses()
        while True:
            try:
                return await self._bring(wants)
            except PolicyConflict as conflict:
                pause = next(pauses, None)
                if pause is None:
                    text = f"the IAM policy of project {self._project} is being written by somebody else all the time"
                    raise NotYet(Reason.IAM_CONFLICT, text) from conflict
                log.debug("policy of project %s changed meanwhile, again in %.1f s", self._project, pause)
                await asyncio.sleep(pause)

    async def _bring(self, wants: Mapping[Key, PolicyWant]) -> PassResult[Key, BindingsAnswer]:
        before = await self._threads.call(self._policies.get_policy, self._project, timeout=CALL_SECONDS)
        self._memory.note(before)
        asked = self._asked(wants)
        change, blocked = self._permitted(before, asked)
        after, stopped = await self._tried(before, change)
        self.principals = after.principals
        outcome = Outcome(
            present=frozenset(binding.identity for binding in after.bindings()),
            leftovers=frozenset(binding.ref for binding in plan(after, asked).removed),
            recorded=asked.removable,
            added=self._memory.added,
            failures=self._failures(after, change),
            blocked=stopped or blocked,
        )
        return PassResult(
            {key: answer(want, outcome) for key, want in wants.items()}, clean=after is before and stopped is None
        )

    async def _tried(self, before: Policy, change: PolicyChange) -> tuple[Policy, Failure | None]:
        """The policy after a change, or as it was and why: objects that need no write are not held up by it."""
        try:
            return await self._put(before, change), None
        except NotYet as failure:
            self._circuit.heed(asyncio.get_running_loop().time(), failure)
            return before, failure
        except Refused as failure:
            return before, failure

    def _asked(self, wants: Mapping[Key, PolicyWant]) -> PolicyChange:
        claims = self._neighbours.claims()
        return PolicyChange(
            wanted=frozenset(binding for want in wants.values() for binding in want.bindings),
            removable=frozenset(ref for want in wants.values() for ref in want.owned),
            held=frozenset(ref for key, refs in claims.items() if key not in wants for ref in refs),
        )

    def _permitted(self, policy: Policy, asked: PolicyChange) -> tuple[PolicyChange, Failure | None]:
        """What of a change may be done now, and why the rest, which is removals only, may not."""
        if not self._neighbours.listed():
            text = "no IAM binding is removed before all objects were seen once"
            return replace(asked, removable=frozenset()), NotYet(Reason.PROGRESSING, text)
        losers = plan(policy, asked).losers
        ours = {ref.member for ref in asked.removable | asked.held} | {folded(b.member) for b in asked.wanted}
        allowed = removals_allowed(len(ours))
        if len(losers) <= allowed or self._neighbours.acknowledged():
            return asked, None
        text = (
            f"{len(losers)} members would lose a role in project {self._project} at once, of {len(ours)} that are "
            f"ours; {allowed} are removed without a person's consent: if that is meant, annotate a CloudSQLInstance of "
            f'the project with {ALLOW_REMOVALS}: "true"'
        )
        return replace(asked, removable=frozenset()), Refused(Reason.REMOVAL_THRESHOLD_EXCEEDED, text)

    async def _put(self, policy: Policy, change: PolicyChange) -> Policy:
        """Write what the change asks for; whoever Google refuses is withheld, and the rest is written."""
        refused = self._memory.refusals(asyncio.get_running_loop().time())
        planned = plan(policy, replace(change, withheld=change.withheld | refused.keys()))
        if not planned.changes:
            return policy
        try:
            return await self._write(planned)
        except PolicyRejected as rejection:
            return await self._put_the_rest(policy, change, planned, rejection)

    async def _put_the_rest(
        self, policy: Policy, change: PolicyChange, planned: PolicyPlan, rejection: PolicyRejected
    ) -> Policy:
        guilty = _guilty(planned.added, rejection)
        if guilty:
            self._reject(guilty, rejection)
            return await self._put(policy, change)
        if not planned.added:
            text = f"project {self._project} refuses its own IAM policy less our members: {rejection.text}"
            raise NotYet(Reason.IAM_CONFLICT, text) from rejection
        # the text names nobody: halves are tried until each culprit stands alone
        suspects = sorted(planned.added, key=lambda binding: binding.order)
        second = frozenset(suspects[len(suspects) // 2 :])
        halfway = await self._put(policy, replace(change, withheld=change.withheld | second))
        return await self._put(halfway, change)

    def _reject(self, guilty: Iterable[Binding], rejection: PolicyRejected) -> None:
        until = asyncio.get_running_loop().time() + REJECTED_SECONDS
        for binding in guilty:
            text = f"could not add {binding} in project {self._project}: {rejection.text}"
            role = binding.role.lower() == rejection.culprit
            reason = Reason.INVALID_SPEC if role else Reason.PRINCIPAL_NOT_FOUND
            self._memory.rejected[binding] = (Refused(reason, text), until)

    async def _write(self, planned: PolicyPlan) -> Policy:
        # noted before the call: a write whose answer is lost may have been made, and then these are ours
        now = datetime.now(UTC)
        self._memory.added.update(dict.fromkeys(planned.added, now))
        try:
            written = await self._threads.call(
                self._policies.set_policy, self._project, planned.policy, timeout=CALL_SECONDS
            )
        except PolicyRejected:
            for binding in planned.added:
                del self._memory.added[binding]
            raise
        for verb, bindings in (("added", planned.added), ("removed", planned.removed)):
            for binding in sorted(bindings, key=lambda b: b.order):
                log.info("project %s: %s %s", self._project, verb, binding)
        return written

    def _failures(self, policy: Policy, change: PolicyChange) -> dict[Binding, Failure]:
        failures = self._memory.refusals(asyncio.get_running_loop().time())
        remaining = plan(policy, replace(change, withheld=change.withheld | failures.keys()))
        for binding, limit in remaining.full.items():
            text = f"no room for {binding} in the IAM policy of project {self._project}: it holds {limit} already"
            failures[binding] = Refused(Reason.IAM_POLICY_FULL, text)
        return failures


def _guilty(added: frozenset[Binding], rejection: PolicyRejected) -> frozenset[Binding]:
    if len(added) == 1:
        return added
    culprit = rejection.culprit
    if not culprit:
        return frozenset()
    return frozenset(b for b in added if culprit in {b.role.lower(), *_names(b.member)})


def _names(member: str) -> tuple[str, str]:
    plain = member.lower()
    return plain, plain.partition(":")[2]
