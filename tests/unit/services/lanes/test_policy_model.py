"""Stories about a project's policy: objects come, change and go, somebody else writes, answers are lost, we are killed.

Whatever happens, what others bound is as they left it, and what is ours is what live objects want, no more and no less.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.errors import Failure, NotYet
from cloudsql_iam_operator.core.iam.bindings import Binding, BindingRef, Condition
from cloudsql_iam_operator.core.iam.policy import Policy, PolicyChange, plan
from cloudsql_iam_operator.core.iam.removals import Loser
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.lanes.policies.policy import PolicyLane
from cloudsql_iam_operator.services.lanes.policies.wants import PolicyNeighbours, PolicyWant
from cloudsql_iam_operator.services.runtime.threads import Threads
from cloudsql_iam_operator.services.waiting.pace import Pace
from unit.services.lanes.project import LATER, LOGIN, SIGNED, Project, key

CLIENT = "roles/cloudsql.client"
ROUNDS = 60
"""More than there can be of lost answers in one story."""

NUMBERS = st.integers(0, 1)
MEMBERS = st.sampled_from(["user:ann@acme.com", "group:g@acme.com"])
ROLES = st.sampled_from([frozenset({LOGIN}), frozenset({LOGIN, CLIENT})])
OURS = st.sampled_from([None, SIGNED, LATER])
THEIRS = st.builds(
    Binding,
    st.sampled_from([LOGIN, LOGIN, CLIENT]),
    st.one_of(MEMBERS, MEMBERS, st.sampled_from(["User:Ann@acme.com", "deleted:user:ann@acme.com?uid=1"])),
    st.sampled_from(
        [None, Condition(SIGNED.title, "", "true"), Condition("cloudsql-iam-operator/c2/orders", "", SIGNED.expression)]
    ),
)


class Stories(RuleBasedStateMachine):
    """One project, its objects with what their statuses record, and what others bound."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.project = Project({"etag": "0", "bindings": [], "auditConfigs": [{"service": "allServices"}]})
        self.theirs: set[Binding] = set()
        self.wants: dict[Key, frozenset[Binding]] = {}
        self.records: dict[Key, frozenset[BindingRef]] = {}
        self.going: set[Key] = set()
        self.threads: Threads | None = None
        self.begin()

    def begin(self) -> None:
        """Start a process that knows nothing but what is recorded."""

        async def made() -> PolicyLane:
            neighbours = PolicyNeighbours(
                lambda: {key: refs for key, refs in self.records.items() if key not in self.going},
                lambda: True,
                lambda key: Loser(asked=True),
                announce=self.announce,
            )
            self.threads = Threads(2)
            return PolicyLane("acme-prod", self.project, self.threads, neighbours, Pace(quiet=0.0, longest=0.0))

        if self.threads is not None:
            self.threads.close()
        self.lane = self.loop.run_until_complete(made())

    async def announce(self, announced: Mapping[Key, frozenset[BindingRef]]) -> Mapping[Key, Failure]:
        for each, refs in announced.items():
            self.records[each] = self.records.get(each, frozenset()) | refs
        return {}

    # --- what happens

    @rule(number=NUMBERS, member=MEMBERS, roles=ROLES, condition=OURS)
    def declare(self, number: int, member: str, roles: frozenset[str], condition: Condition | None) -> None:
        each = key(number)
        if each not in self.going:
            self.wants[each] = frozenset(Binding(role, member, condition) for role in roles)

    @rule(number=NUMBERS)
    def delete(self, number: int) -> None:
        if self.wants.pop(key(number), None) is not None:
            self.going.add(key(number))

    @rule(binding=THEIRS)
    def somebody_binds(self, binding: Binding) -> None:
        present = {one.identity for one in Policy(self.project.document).bindings}
        if binding.identity not in present and not self._is_recorded(binding):
            self._bind(binding)

    @rule(number=st.integers(0, 5))
    def somebody_takes_their_own_away(self, number: int) -> None:
        if self.theirs:
            gone = sorted(self.theirs, key=lambda one: one.order)[number % len(self.theirs)]
            self.theirs.discard(gone)
            self._without(gone)

    @rule(number=st.integers(0, 9))
    def somebody_takes_ours_away(self, number: int) -> None:
        ours = sorted(self._ours(), key=lambda one: one.order)
        if ours:
            self._without(ours[number % len(ours)])

    @rule(binding=THEIRS)
    def somebody_writes_between_read_and_write(self, binding: Binding) -> None:
        def meanwhile(project: Project) -> None:
            present = {one.identity for one in Policy(project.document).bindings}
            if binding.identity not in present and not binding.signed:
                self._bind(binding)

        self.project.before_write.append(meanwhile)

    @rule()
    def the_next_write_is_not_made(self) -> None:
        def lost(project: Project) -> None:
            raise NotYet(Reason.UNEXPECTED_ANSWER, "no answer")

        self.project.before_write.append(lost)

    @rule()
    def the_next_write_is_made_and_its_answer_lost(self) -> None:
        self.project.lose_answer = True

    @rule()
    def the_process_is_killed(self) -> None:
        self.begin()

    # --- what holds

    @invariant()
    def all_is_as_declared_once_everybody_was_answered(self) -> None:
        self.loop.run_until_complete(self._settled())
        bindings = list(Policy(self.project.document).bindings)
        wanted = {one.identity for want in self.wants.values() for one in want}
        theirs = Counter(one.identity for one in self.theirs)

        assert Counter(one.identity for one in bindings) == theirs | Counter(wanted)
        assert {one.member for one in self.theirs} <= {one.member for one in bindings}
        assert self.project.document["auditConfigs"] == [{"service": "allServices"}]
        change = PolicyChange(frozenset(one for want in self.wants.values() for one in want))
        assert not plan(Policy(self.project.document), change).changes

    async def _settled(self) -> None:
        for _ in range(ROUNDS):
            answers = await asyncio.gather(*map(self._bound, list(self.wants)), *map(self._released, list(self.going)))
            if all(answers):
                return
        raise AssertionError("it does not come to rest")

    async def _bound(self, each: Key) -> bool:
        want = PolicyWant(self.wants[each], self.records.get(each, frozenset()))
        try:
            answer = await self.lane.bind(each, want)
        except Failure:
            return False
        self.records[each] = frozenset(one.ref for one in answer.owned)
        return answer.present == self.wants[each]

    async def _released(self, each: Key) -> bool:
        try:
            await self.lane.release(each, self.records.get(each, frozenset()))
        except Failure:
            return False
        self.records.pop(each, None)
        self.going.discard(each)
        return True

    # --- the other writer

    def _bind(self, binding: Binding) -> None:
        planned = plan(Policy(self.project.document), PolicyChange(frozenset({binding})))
        self.project.document = {**planned.policy.document, "etag": f"theirs-{id(binding)}-{self.project.reads}"}
        self.theirs.add(binding)

    def _without(self, binding: Binding) -> None:
        kept = []
        for entry in self.project.document["bindings"]:
            single = Policy({"bindings": [entry]})
            members = [one.member for one in single.bindings if one.identity != binding.identity]
            kept += [{**entry, "members": members}] if members else []
        self.project.document = {**self.project.document, "bindings": kept, "etag": f"less-{id(kept)}"}

    def _ours(self) -> set[Binding]:
        theirs = {one.identity for one in self.theirs}
        return {one for one in Policy(self.project.document).bindings if one.identity not in theirs}

    def _is_recorded(self, binding: Binding) -> bool:
        return any(binding.ref in refs and binding.made_by_us for refs in self.records.values())

    def teardown(self) -> None:
        if self.threads is not None:
            self.threads.close()
        self.loop.close()


TestStories = Stories.TestCase
TestStories.settings = settings(max_examples=60, stateful_step_count=20)
