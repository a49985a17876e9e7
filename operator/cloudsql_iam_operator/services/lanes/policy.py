"""The one writer of a project's IAM policy: many objects' bindings, few calls. What bindings mean is in core."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

from cloudsql_iam_operator.adapters.google.resource_manager import PolicyConflict
from cloudsql_iam_operator.api.names import ALLOW_REMOVALS, Key
from cloudsql_iam_operator.core.errors import Failure, NotYet, Refused
from cloudsql_iam_operator.core.iam.bindings import Binding, BindingRef, folded
from cloudsql_iam_operator.core.iam.policy import Policy, PolicyChange, orphaned, plan
from cloudsql_iam_operator.core.iam.removals import Removal, removals_allowed, stopped
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.lanes.lane import Lane, PassResult
from cloudsql_iam_operator.services.lanes.policy_wants import (
    BindingsAnswer,
    Outcome,
    Policies,
    PolicyNeighbours,
    PolicyWant,
    answer,
)
from cloudsql_iam_operator.services.lanes.policy_writes import CALL_SECONDS, PolicyWriter, Turn
from cloudsql_iam_operator.services.lanes.retry import Circuit, Retry
from cloudsql_iam_operator.services.runtime.threads import Threads
from cloudsql_iam_operator.services.waiting.pace import Pace

log = logging.getLogger(__name__)

Wants = Mapping[Key, PolicyWant]


PACE = Pace(quiet=2.0, longest=10.0)
"""A policy takes minutes to act, and a project has few writes a minute: users of a wave are waited for longer."""


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
        self._writers: dict[int, PolicyWriter] = {}
        self._lane: Lane[Key, PolicyWant, BindingsAnswer] = Lane(self._pass, pace or PACE, neighbours.tell)
        self._told: Mapping[Key, BindingsAnswer | Exception] = {}
        self.principals: int | None = None
        """Principals in the policy by occurrence, as last seen; the limit is core.policy.PRINCIPALS."""
        self.orphans: frozenset[BindingRef] | None = None
        """Bindings under a title of ours that no object wants, as last seen; None before all objects were."""

    async def bind(self, key: Key, want: PolicyWant, *, max_age: float = 0.0) -> BindingsAnswer:
        """Bring the policy to what the object wants. `max_age` (seconds) lets a clean earlier pass serve.

        With 0, which is a person's wish, what Google refused lately is tried again too.

        Raises:
            Failure: why one of its bindings is not there, or not gone. Other objects are not held up by it.
        """
        if not max_age:
            for writer in self._writers.values():
                writer.offer_again(want.bindings)
        return await self._lane.submit(key, want, max_age=max_age)

    async def release(self, key: Key, owned: frozenset[BindingRef], policies: Policies | None = None) -> None:
        """Take away what was added for an object, unless another wants it, and forget the object.

        Raises:
            Failure: something could not be taken away.
        """
        await self._lane.submit(key, PolicyWant(owned=owned, policies=policies))
        self._lane.forget(key)

    def press(self, key: Key) -> None:
        """Let who waits for the object go ahead as an edit does."""
        self._lane.press(key)

    def forget(self, key: Key) -> None:
        """Leave the object's bindings as they are and want nothing for it."""
        self._lane.forget(key)

    async def _pass(self, wants: Wants) -> PassResult[Key, BindingsAnswer]:
        now = asyncio.get_running_loop().time()
        left = self._circuit.left(now)
        if left:
            text = f"the quota for the IAM policy of project {self._project} is used up"
            raise NotYet(Reason.QUOTA_EXCEEDED, text, left)
        answers: dict[Key, BindingsAnswer | Exception] = {}
        clean = True
        for writer, part in self._parts(wants):
            try:
                result = await self._until_unopposed(writer, part, wants)
            except NotYet as failure:
                self._circuit.heed(now, failure)
                result = PassResult(dict.fromkeys(part, failure), clean=False)
            answers |= result.answers
            clean = clean and result.clean
        still = frozenset(key for key, told in answers.items() if told == self._told.get(key))
        self._told = answers
        return PassResult(answers, clean, still)

    def _parts(self, wants: Wants) -> list[tuple[PolicyWriter, Wants]]:
        """What is wanted by who writes it: nobody's binding is written as somebody else."""
        writers: dict[int, PolicyWriter] = {}
        parts: dict[int, dict[Key, PolicyWant]] = {}
        for key, want in wants.items():
            policies = want.policies or self._policies
            known = self._writers.get(id(policies))
            writers[id(policies)] = known or writers.get(id(policies)) or self._writer(policies)
            parts.setdefault(id(policies), {})[key] = want
        self._writers = writers
        return [(writers[identity], part) for identity, part in parts.items()]

    def _writer(self, policies: Policies) -> PolicyWriter:
        return PolicyWriter(policies, self._project, self._threads, lambda: self._lane.pressed)

    async def _until_unopposed(
        self, writer: PolicyWriter, part: Wants, wants: Wants
    ) -> PassResult[Key, BindingsAnswer]:
        pauses = self._retry.pauses()
        while True:
            try:
                return await self._bring(writer, part, wants)
            except PolicyConflict as conflict:
                pause = next(pauses, None)
                if pause is None:
                    text = f"the IAM policy of project {self._project} is being written by somebody else all the time"
                    raise NotYet(Reason.IAM_CONFLICT, text) from conflict
                log.debug("policy of project %s changed meanwhile, again in %.1f s", self._project, pause)
                await asyncio.sleep(pause)

    async def _bring(self, writer: PolicyWriter, part: Wants, wants: Wants) -> PassResult[Key, BindingsAnswer]:
        before = await self._threads.call(writer.policies.get_policy, self._project, timeout=CALL_SECONDS)
        writer.note(before)
        asked = self._asked(part, wants)
        change, withheld = self._permitted(before, asked, part)
        turn = Turn(before, _tenants(part))
        blocked = await self._put(writer, turn, change)
        after, self.principals = turn.policy, turn.policy.principals
        self.orphans = orphaned(after, self._asked(wants, wants)) if self._neighbours.listed() else None
        outcome = Outcome(
            present=frozenset(binding.identity for binding in after.bindings()),
            leftovers=frozenset(binding.ref for binding in plan(after, asked).removed),
            recorded=asked.removable,
            added=writer.added,
            failures=self._failures(writer, after, change),
            blocked=blocked,
            withheld=withheld,
        )
        answers = {key: answer(want, outcome) for key, want in part.items()}
        return PassResult(answers, clean=after is before and blocked is None)

    async def _put(self, writer: PolicyWriter, turn: Turn, change: PolicyChange) -> Failure | None:
        """Why not all was written, if so: objects that need no write are not held up by it."""
        try:
            await writer.put(turn, change)
        except Failure as failure:
            if isinstance(failure, NotYet):
                self._circuit.heed(asyncio.get_running_loop().time(), failure)
            return failure
        return None

    def _asked(self, part: Wants, wants: Wants) -> PolicyChange:
        recorded = {ref for key, refs in self._neighbours.claims().items() if key not in part for ref in refs}
        others = {binding.ref for key, want in wants.items() if key not in part for binding in want.bindings}
        return PolicyChange(
            wanted=frozenset(binding for want in part.values() for binding in want.bindings),
            removable=frozenset(ref for want in part.values() for ref in want.owned),
            held=frozenset(recorded | others),
        )

    def _permitted(
        self, policy: Policy, asked: PolicyChange, wants: Wants
    ) -> tuple[PolicyChange, dict[BindingRef, Failure]]:
        """What of a change may be done now, and why each of the others, which are removals only, may not."""
        if not self._neighbours.listed():
            unseen = NotYet(Reason.PROGRESSING, "no IAM binding is removed before all objects were seen once")
            return replace(asked, removable=frozenset()), dict.fromkeys(asked.removable, unseen)
        if self._neighbours.acknowledged():
            return asked, {}
        ours = {ref.member for ref in asked.removable | asked.held} | {folded(b.member) for b in asked.wanted}
        allowed = removals_allowed(len(ours))
        removals = self._removals(policy, asked, wants)
        held = stopped(removals, allowed)
        text = (
            f"{len({r.ref.member for r in removals if not r.asked})} members would lose a role in project "
            f"{self._project} at once though none of their objects is deleted, of {len(ours)} that are ours; {allowed} "
            "are removed without a person's consent: if that is meant, annotate a CloudSQLInstance of the project with "
            f'{ALLOW_REMOVALS}: "true"'
        )
        refused = Refused(Reason.REMOVAL_THRESHOLD_EXCEEDED, text)
        return replace(asked, removable=asked.removable - held), dict.fromkeys(held, refused)

    def _removals(self, policy: Policy, asked: PolicyChange, wants: Wants) -> list[Removal]:
        planned = plan(policy, asked)
        losing = {binding.ref for binding in planned.removed if folded(binding.member) in planned.losers}
        return [
            Removal(ref, key.namespace, self._neighbours.consented(key))
            for key, want in wants.items()
            for ref in want.owned & losing
        ]

    def _failures(self, writer: PolicyWriter, policy: Policy, change: PolicyChange) -> dict[Binding, Failure]:
        failures = writer.failures()
        remaining = plan(policy, replace(change, withheld=change.withheld | failures.keys()))
        for binding, limit in remaining.full.items():
            text = f"no room for {binding} in the IAM policy of project {self._project}: it holds {limit} already"
            failures[binding] = Refused(Reason.IAM_POLICY_FULL, text)
        return failures


@dataclass(frozen=True, slots=True)
class PolicyShare:
    """A project's policy as one instance's identity reads and writes it: the lane for that identity's objects."""

    lane: PolicyLane
    policies: Policies

    @property
    def principals(self) -> int | None:
        """Principals in the policy by occurrence, as last seen."""
        return self.lane.principals

    @property
    def orphans(self) -> frozenset[BindingRef] | None:
        """Bindings under a title of ours that no object wants, as last seen."""
        return self.lane.orphans

    async def bind(self, key: Key, want: PolicyWant, *, max_age: float = 0.0) -> BindingsAnswer:
        """As the lane's."""
        return await self.lane.bind(key, replace(want, policies=self.policies), max_age=max_age)

    async def release(self, key: Key, owned: frozenset[BindingRef]) -> None:
        """As the lane's."""
        await self.lane.release(key, owned, self.policies)


def _tenants(wants: Wants) -> dict[Binding, str]:
    """Of which namespace each wanted binding is; of the first in the alphabet when several want it."""
    pairs = ((binding, key.namespace) for key, want in wants.items() for binding in want.bindings)
    return dict(sorted(pairs, key=lambda pair: pair[1], reverse=True))
