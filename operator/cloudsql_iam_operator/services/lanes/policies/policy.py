"""The one writer of a project's IAM policy: many objects' bindings, few calls. What bindings mean is in core."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace

from cloudsql_iam_operator.adapters.google.resource_manager import PolicyConflict
from cloudsql_iam_operator.api.names import ALLOW_REMOVALS, INSTANCE, Key
from cloudsql_iam_operator.core.errors import Failure, NotYet, Refused
from cloudsql_iam_operator.core.iam.bindings import Binding, BindingRef
from cloudsql_iam_operator.core.iam.policy import Policy, PolicyChange, orphaned, plan
from cloudsql_iam_operator.core.iam.removals import Brake, Removal, Waiting, removals_allowed
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.lanes.lane import Lane, PassResult
from cloudsql_iam_operator.services.lanes.policies.wants import (
    BindingsAnswer,
    Outcome,
    Policies,
    PolicyNeighbours,
    PolicyWant,
    answer,
)
from cloudsql_iam_operator.services.lanes.policies.writes import CALL_SECONDS, PolicyWriter, Turn
from cloudsql_iam_operator.services.lanes.retry import OVERLOAD, Circuit, Retry
from cloudsql_iam_operator.services.runtime.threads import Threads
from cloudsql_iam_operator.services.waiting.pace import Pace

log = logging.getLogger(__name__)

Wants = Mapping[Key, PolicyWant]


PACE = Pace(quiet=2.0, longest=10.0, wave=2.0)
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
        self._circuit = Circuit(OVERLOAD)
        self._writers: dict[int, PolicyWriter] = {}
        self._brake = Brake()
        self._lane: Lane[Key, PolicyWant, BindingsAnswer] = Lane(
            self._pass, pace or PACE, neighbours.tell, neighbours.coming
        )
        self._told: Mapping[Key, BindingsAnswer | Exception] = {}
        self._due: frozenset[Binding] = frozenset()
        self._theirs: frozenset[BindingRef] = frozenset()
        """Bindings that are on record for ours and are not: somebody else made them before we could."""
        self.principals: int | None = None
        """Principals in the policy by occurrence, as last seen; the limit is core.policy.PRINCIPALS."""
        self.orphans: frozenset[BindingRef] | None = None
        """Bindings under a title of ours that no object wants, as last seen; None before all objects were."""
        self.signed: frozenset[Binding] = frozenset()
        """Bindings under a title of ours or of another cluster's operator, as last seen."""

    def waiting(self, instance: str) -> Waiting:
        """The removals of a CloudSQLInstance, by name, that wait for a person's consent."""
        return self._brake.waiting.get(instance, Waiting(frozenset()))

    def consent_used(self, instance: str) -> str:
        """The consent that was used up on a CloudSQLInstance, "" when none was."""
        return self._brake.used(instance)

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

    @property
    def in_line(self) -> int:
        """How many objects wait for it."""
        return self._lane.in_line

    def press(self, key: Key) -> None:
        """Let who waits for the object go ahead as an edit does."""
        self._lane.press(key)

    def forget(self, key: Key) -> None:
        """Leave the object's bindings as they are and want nothing for it."""
        self._lane.forget(key)

    async def _pass(self, wants: Wants) -> PassResult[Key, BindingsAnswer]:
        now = asyncio.get_running_loop().time()
        if self._circuit.left(now):
            raise self._circuit.why(now)
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
        pauses, opposed = self._retry.pauses(), False
        while True:
            try:
                return await self._bring(writer, part, wants, opposed=opposed)
            except PolicyConflict as conflict:
                opposed = True
                pause = next(pauses, None)
                if pause is None:
                    text = f"the IAM policy of project {self._project} is being written by somebody else all the time"
                    raise NotYet(Reason.IAM_CONFLICT, text) from conflict
                log.debug("policy of project %s changed meanwhile, again in %.1f s", self._project, pause)
                await asyncio.sleep(pause)

    async def _bring(
        self, writer: PolicyWriter, part: Wants, wants: Wants, *, opposed: bool
    ) -> PassResult[Key, BindingsAnswer]:
        before = await self._threads.call(writer.policies.get_policy, self._project, timeout=CALL_SECONDS)
        writer.note(before)
        self._note_theirs(writer, before, opposed=opposed)
        asked = self._asked(part, wants)
        removals = self._removals(before, asked, part)
        change, withheld = self._permitted(asked, removals)
        unrecorded = await self._put_on_record(writer, before, change, part)
        change = replace(change, withheld=change.withheld | unrecorded.keys())
        turn = Turn(before, part)
        blocked = await self._put(writer, turn, change)
        after, self.principals = turn.policy, turn.policy.principals
        kept_once = [binding for binding in asked.wanted if binding in after.bindings]
        self.signed = frozenset(b for b in (*kept_once, *(after.bindings - asked.wanted)) if b.signed)
        everything = asked if len(part) == len(wants) else self._asked(wants, wants)
        self.orphans = orphaned(after, everything) if self._neighbours.listed() else None
        left = frozenset(binding.ref for binding in plan(after, asked).removed)
        self._brake.made([removal for removal in removals if removal.ref not in left], _now())
        outcome = Outcome(
            policy=after,
            leftovers=left,
            recorded=asked.removable,
            added=writer.added,
            failures={**self._failures(writer, after, change), **unrecorded},
            blocked=blocked,
            withheld=withheld,
        )
        answers = {key: answer(want, outcome) for key, want in part.items()}
        return PassResult(answers, clean=after is before and blocked is None)

    def _note_theirs(self, writer: PolicyWriter, policy: Policy, *, opposed: bool) -> None:
        """Know for somebody else's what we were about to add without a title, could not, and find all the same."""
        unwritten = {b.ref for b in self._due - writer.added.keys() if not b.signed} if opposed else set()
        theirs = self._theirs | unwritten
        self._theirs = theirs & {binding.ref for binding in policy.bindings} if theirs else theirs

    async def _put_on_record(
        self, writer: PolicyWriter, policy: Policy, change: PolicyChange, part: Wants
    ) -> dict[Binding, Failure]:
        """Have statuses say which bindings are about to be added, where they do not yet; why some could not."""
        self._due = due = plan(policy, replace(change, withheld=change.withheld | writer.failures().keys())).added
        if not due:
            return {}
        concerned = {key: want.bindings & due for key, want in part.items() if not want.bindings.isdisjoint(due)}
        wanted = {key: frozenset(binding.ref for binding in bindings) for key, bindings in concerned.items()}
        new = {key: refs - part[key].owned for key, refs in wanted.items() if refs - part[key].owned}
        failed = await self._neighbours.announce(new) if new else {}
        told = frozenset(ref for key, refs in wanted.items() if key not in failed for ref in refs)
        return {b: next(iter(failed.values())) for b in due if b.ref not in told}

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
        recorded = (refs for key, refs in self._neighbours.claims().items() if key not in part)
        watched = (binding.ref for want in wants.values() for binding in want.watched)
        others = (binding.ref for key, want in wants.items() if key not in part for binding in want.bindings)
        return PolicyChange(
            wanted=frozenset[Binding]().union(*(want.bindings for want in part.values())),
            removable=frozenset[BindingRef]().union(*(want.owned for want in part.values())) - self._theirs,
            held=frozenset[BindingRef]().union(watched, others, *recorded),
        )

    def _permitted(
        self, asked: PolicyChange, removals: list[Removal]
    ) -> tuple[PolicyChange, dict[BindingRef, Failure]]:
        """What of a change may be done now, and why each of the others, which are removals only, may not."""
        if not self._neighbours.listed():
            unseen = NotYet(Reason.PROGRESSING, "no IAM binding is removed before all objects were seen once")
            return replace(asked, removable=frozenset()), dict.fromkeys(asked.removable, unseen)
        ours = len(asked.members) if removals else 0
        before = dict(self._brake.waiting)
        held = self._brake.hold(removals, removals_allowed(ours), self._neighbours.consents(), _now())
        for name in before.keys() | self._brake.waiting.keys():
            if before.get(name) != self._brake.waiting.get(name):
                self._neighbours.tell(Key(INSTANCE.name, "", name))
        return replace(asked, removable=asked.removable - held), self._held_up(ours)

    def _held_up(self, ours: int) -> dict[BindingRef, Failure]:
        refused: dict[BindingRef, Failure] = {}
        for name, waiting in self._brake.waiting.items():
            text = (
                f"{waiting.members} members would lose a role in project {self._project} at once, of {ours} that are "
                f"ours, which is more than is done without a person's consent: see status.removals of "
                f"CloudSQLInstance {name}; if that is meant, kubectl annotate csqli {name} --overwrite "
                f"{ALLOW_REMOVALS}=$(kubectl get csqli {name} -o jsonpath='{{.status.removals.hash}}')"
            )
            refused |= dict.fromkeys(waiting.refs, Refused(Reason.REMOVAL_THRESHOLD_EXCEEDED, text))
        return refused

    def _removals(self, policy: Policy, asked: PolicyChange, wants: Wants) -> list[Removal]:
        planned = plan(policy, asked)
        if not planned.removed:
            return []
        members = planned.losers
        losing = {ref for ref in (binding.ref for binding in planned.removed) if ref.member in members}
        losers = {key: self._neighbours.loser(key) for key, want in wants.items() if not want.owned.isdisjoint(losing)}
        return [
            Removal(ref, key.namespace, loser) for key, loser in losers.items() for ref in wants[key].owned & losing
        ]

    def _failures(self, writer: PolicyWriter, policy: Policy, change: PolicyChange) -> dict[Binding, Failure]:
        failures = writer.failures()
        remaining = plan(policy, replace(change, withheld=change.withheld | failures.keys()))
        for binding, limit in remaining.full.items():
            text = f"no room for {binding} in the IAM policy of project {self._project}: it holds {limit} already"
            failures[binding] = Refused(Reason.IAM_POLICY_FULL, text)
        return failures


def _now() -> float:
    return asyncio.get_running_loop().time()
