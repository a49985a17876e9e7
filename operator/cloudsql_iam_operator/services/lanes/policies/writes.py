"""Writing a project's IAM policy: removals wait for nobody, and whoever Google refuses stands alone in the end."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from cloudsql_iam_operator.adapters.google.resource_manager import PolicyConflict, PolicyRejected
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.errors import Failure, NotYet, Refused
from cloudsql_iam_operator.core.iam.bindings import Binding
from cloudsql_iam_operator.core.iam.policy import Policy, PolicyChange, PolicyPlan, plan
from cloudsql_iam_operator.core.iam.sieve import Sieve
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.lanes.policies.wants import Policies, PolicyWant, tenants_in
from cloudsql_iam_operator.services.runtime.threads import Threads

log = logging.getLogger(__name__)

CALL_SECONDS = 90.0
TRIES = 64
TRIES_A_SECOND = 1.6
"""How many groups of suspects are tried at most at once, and in the long run: each try is a write that Google mostly
refuses. Google's quota is ten in a second."""

TRIED_AGAIN = 10.0
"""Seconds until a suspect asks again whether it was tried."""

LEAST_TRIES = 4
"""Tries that a pass makes even when somebody waits for it to end."""

REJECTED_SECONDS = 60.0
REJECTED_LONGEST = 3600.0
"""How long a binding that Google refused is not offered again; doubled each time, up to the longest."""

RENEWED = 4
"""How many bindings that were refused long ago are offered again in one pass, each alone."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a binding was refused, until when it is not offered again (loop time), and for how long that was."""

    failure: Failure
    until: float
    pause: float


@dataclass(slots=True)
class Turn:
    """One pass of one identity: the policy as last known, and what is wanted of it."""

    policy: Policy
    wants: Mapping[Key, PolicyWant]

    @property
    def tenants(self) -> Mapping[Binding, str]:
        """Of which tenant each binding is."""
        return tenants_in(self.wants)


@dataclass(slots=True)
class PolicyWriter:
    """The writes of one identity to one project, and what they taught. Belongs to one event loop.

    `pressed` is whether somebody waits for the pass that runs to end.
    """

    policies: Policies
    project: str
    threads: Threads
    pressed: Callable[[], bool]
    added: dict[Binding, datetime] = field(default_factory=dict)
    _rejected: dict[Binding, Rejection] = field(default_factory=dict)
    _sieve: Sieve = field(default_factory=Sieve)
    _tries: float = TRIES
    _counted: float = 0.0
    _unwritable: tuple[str, float, Failure] | None = None

    def note(self, policy: Policy) -> None:
        """Forget additions that a policy as read does not show: they failed, or somebody took them away."""
        self.added = {binding: when for binding, when in self.added.items() if policy.holds(binding)}

    def offer_again(self, bindings: Iterable[Binding]) -> None:
        """Let bindings that were refused be offered in the next pass, because a person asks for it."""
        for binding in self._rejected.keys() & set(bindings):
            self._rejected[binding] = replace(self._rejected[binding], until=0.0)

    def failures(self) -> dict[Binding, Failure]:
        """Why single bindings are not there: refused, or still under suspicion."""
        text = (
            f"Google refuses new bindings in project {self.project} and does not say which; they are tried in ever "
            "smaller groups, a few at a time"
        )
        waiting = NotYet(Reason.PROGRESSING, text, TRIED_AGAIN)
        refused = {binding: rejection.failure for binding, rejection in self._rejected.items()}
        return {**dict.fromkeys(self._sieve.suspects, waiting), **refused}

    async def put(self, turn: Turn, change: PolicyChange) -> None:
        """Write what a change asks for, as far as Google takes it; `turn.policy` is what stands then.

        Raises:
            PolicyConflict: somebody else wrote in between.
            Failure: why nothing more could be written.
        """
        missing = plan(turn.policy, change).added
        self._rejected = {binding: rejection for binding, rejection in self._rejected.items() if binding in missing}
        self._sieve.keep(missing)
        fresh = plan(turn.policy, replace(change, withheld=change.withheld | self.failures().keys()))
        denied = await self._put_fresh(turn, change, fresh) if fresh.changes else None
        await self._sift(turn, change)
        if denied is not None:
            raise denied

    async def _put_fresh(self, turn: Turn, change: PolicyChange, planned: PolicyPlan) -> Failure | None:
        """Write a plan; why what is left of it was not permitted or found no room, if so."""
        try:
            await self._write(turn, planned)
        except NotYet as failure:
            if failure.reason is not Reason.IAM_PERMISSION_DENIED:
                raise
            return await self._put_by_role(turn, change, planned, failure)
        except Refused as full:
            if planned.removed and planned.added:
                await self._put_removals(turn, change)
            return full
        except PolicyRejected as rejection:
            named = _named(planned.added, rejection)
            if planned.removed or not named:
                await self._put_removals(turn, change)
            self._reject(self._sieve.suspect(planned.added, turn.tenants, named), rejection)
        return None

    async def _put_by_role(
        self, turn: Turn, change: PolicyChange, planned: PolicyPlan, denied: NotYet
    ) -> Failure | None:
        """Write role by role: the operator's right to write may be limited to some, and those wait for no other."""
        roles = {binding.role for binding in planned.added | planned.removed}
        if len(roles) == 1:
            return denied
        last: Failure | None = None
        for role in sorted(roles):
            others = frozenset(binding for binding in change.wanted if binding.role != role)
            refs = frozenset(ref for ref in change.removable if ref.role == role)
            part = replace(change, withheld=change.withheld | others, removable=refs)
            fresh = plan(turn.policy, replace(part, withheld=part.withheld | self.failures().keys()))
            if fresh.changes:
                last = await self._put_fresh(turn, part, fresh) or last
        return last

    async def _put_removals(self, turn: Turn, change: PolicyChange) -> None:
        """Write the removals alone; without any, the policy as it was read, which shows whether it can be written."""
        try:
            await self._write(turn, plan(turn.policy, replace(change, withheld=change.wanted)))
        except PolicyRejected as rejection:
            text = (
                f"Google refuses the IAM policy of project {self.project} as it is stored, so nothing is added "
                f"to it or removed: {rejection.text}"
            )
            failure = NotYet(Reason.IAM_POLICY_REFUSED, text)
            self._unwritable = turn.policy.etag, _now() + REJECTED_SECONDS, failure
            raise failure from rejection

    async def _sift(self, turn: Turn, change: PolicyChange) -> None:
        for binding in self._due():
            self._sieve.offer({binding}, turn.tenants)
        tried = 0
        while self._may_try() and not (tried >= LEAST_TRIES and self.pressed()):
            group = self._sieve.next()
            if group is None:
                return
            self._tries -= 1
            tried += 1
            await self._try(turn, change, group)

    def _may_try(self) -> bool:
        now = _now()
        self._tries = min(TRIES, self._tries + (now - self._counted) * TRIES_A_SECOND)
        self._counted = now
        return self._tries >= 1

    async def _try(self, turn: Turn, change: PolicyChange, group: frozenset[Binding]) -> None:
        planned = plan(turn.policy, replace(change, withheld=change.wanted - group))
        if not planned.changes:
            return
        try:
            await self._write(turn, planned)
        except PolicyRejected as rejection:
            self._reject(self._sieve.refused(group, _named(group, rejection)), rejection)
        except BaseException:
            self._sieve.offer(group, turn.tenants)
            raise
        else:
            self._rejected = {b: rejection for b, rejection in self._rejected.items() if b not in group}

    def _due(self) -> list[Binding]:
        now, suspects = _now(), self._sieve.suspects
        due = [b for b, rejection in self._rejected.items() if rejection.until <= now and b not in suspects]
        return sorted(due, key=lambda binding: self._rejected[binding].until)[:RENEWED]

    def _reject(self, guilty: Iterable[Binding], rejection: PolicyRejected) -> None:
        for binding in guilty:
            before = self._rejected.get(binding)
            pause = min(before.pause * 2, REJECTED_LONGEST) if before else REJECTED_SECONDS
            text = f"could not add {binding} in project {self.project}: {rejection.text}"
            self._rejected[binding] = Rejection(_verdict(binding, rejection, text), _now() + pause, pause)

    async def _write(self, turn: Turn, planned: PolicyPlan) -> None:
        if self._unwritable is not None:
            etag, until, failure = self._unwritable
            if etag == turn.policy.etag and _now() < until:
                raise failure
        # noted before the call: a write whose answer is lost may have been made, and then these are ours
        now, known = datetime.now(UTC), dict(self.added)
        self.added.update(dict.fromkeys(planned.added, now))
        try:
            turn.policy = await self.threads.call(
                self.policies.set_policy, self.project, planned.policy, timeout=CALL_SECONDS
            )
        except (PolicyRejected, PolicyConflict):
            # it was not written: what the policy shows of it from now on is somebody else's
            self.added = known
            raise
        self.note(turn.policy)  # what was removed is not ours when somebody else makes it again
        for verb, bindings in (("added", planned.added), ("removed", planned.removed)):
            for binding in sorted(bindings, key=lambda b: b.order):
                log.info("project %s: %s %s", self.project, verb, binding)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _verdict(binding: Binding, rejection: PolicyRejected, text: str) -> Failure:
    if binding.role.lower() == rejection.culprit:
        return Refused(Reason.INVALID_SPEC, text)
    # words that nobody knows are no refusal, even of whoever stands alone in the end
    return NotYet(Reason.UNEXPECTED_ANSWER, text) if rejection.reason is None else Refused(rejection.reason, text)


def _named(bindings: frozenset[Binding], rejection: PolicyRejected) -> frozenset[Binding]:
    culprit = rejection.culprit
    if not culprit:
        return frozenset()
    return frozenset(b for b in bindings if culprit in {b.role.lower(), *_names(b.member)})


def _names(member: str) -> tuple[str, str]:
    plain = member.lower()
    return plain, plain.partition(":")[2]
