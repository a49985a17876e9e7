"""What one pass over a database does: observe, decide, write what is missing, and say how every key stands then."""

from collections.abc import Mapping
from dataclasses import replace

from cloudsql_iam_operator.adapters.postgres.database import Access, Database
from cloudsql_iam_operator.adapters.postgres.encoding import legible
from cloudsql_iam_operator.adapters.postgres.refusals import Outcome
from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.errors import Failure
from cloudsql_iam_operator.core.grants.caused.neighbourhood import Neighbourhood
from cloudsql_iam_operator.core.grants.caused.passed_on import cascading
from cloudsql_iam_operator.core.grants.changes.operations import unnamed
from cloudsql_iam_operator.core.grants.changes.shares import Share, shares, statements_of
from cloudsql_iam_operator.core.grants.changes.statements import (
    ObjectName,
    Statement,
    chunked,
    coalesced,
    membership_statements,
    named,
)
from cloudsql_iam_operator.core.grants.decided.drift import Observation, corrected, held
from cloudsql_iam_operator.core.grants.decided.lookups import lookups
from cloudsql_iam_operator.core.grants.decided.plan import Plan, digest, plan
from cloudsql_iam_operator.core.grants.observed.actors import Reach
from cloudsql_iam_operator.core.grants.observed.snapshot import Lookups, Snapshot
from cloudsql_iam_operator.services.lanes.barrier import Claims, Wants
from cloudsql_iam_operator.services.lanes.finding import findings
from cloudsql_iam_operator.services.lanes.grant_answers import (
    Earlier,
    GrantAnswer,
    GranteeRole,
    Memory,
    Passed,
    ledger_after,
    obstacles,
    quiet,
)
from cloudsql_iam_operator.services.lanes.recording import HaveRecorded, recorded

ROUNDS = 2
"""How often a pass writes: once more when something vanished between observing and writing."""


class ReachesOut(Exception):
    """What is to be done concerns more than the neighbourhood; nothing of it was, though these wants are recorded."""

    def __init__(self, recorded: Wants) -> None:
        super().__init__()
        self.recorded = recorded


class GrantPass:
    """One pass over an open database, or over a neighbourhood in it; only `run` writes."""

    def __init__(
        self,
        database: Database,
        access: Access,
        earlier: Earlier,
        wants: Wants,
        claims: Claims,
        *,
        record: HaveRecorded | None = None,
        near: Neighbourhood | None = None,
    ) -> None:
        self._database = database
        self._near = near
        self._access = access
        self._given = self._wants = wants
        self._exceptions = earlier.exceptions
        self._found: Mapping[Key, int] = {}
        self._record = record
        self._amended: Wants = {}
        self._unrecorded: Mapping[Key, Failure] = {}
        self._claims = claims
        self._before = earlier.held
        self._dry = frozenset(key for key, want in wants.items() if want.dry)
        self._approved: frozenset[Key] = frozenset()
        self._done: list[Statement] = []
        self._began: tuple[Snapshot, Reach] | None = None
        self._shares: Mapping[Key, Share] = {}
        self._names: dict[tuple[ObjectKind, int], ObjectName] = {}
        self._outcome = Outcome()
        self._seen: str | None = None

    def run(self, memory: Memory | None) -> Passed:
        """Bring about what is wanted, as far as it goes.

        Raises:
            ReachesOut: it is over a neighbourhood, and others have to do with what there is to do.
        """
        if memory is not None and not memory.serves(self._wants, self._claims):
            memory = None
        asked = memory.asked if memory is not None else lookups(self._wants, self._claims)
        # Taken before each observation: what changes in between changes it, and is then seen by the next pass.
        self._seen = self._fingerprint(asked)
        if memory is not None and memory.fingerprint == self._seen:
            return Passed(memory.answers, clean=True, memory=memory, held=self._before)
        snapshot, found, reach = first = self._first(asked)
        if found.takes_from_tables and ObjectKind.COLUMN not in asked.kinds:
            asked = asked.with_columns()
            self._seen = self._fingerprint(asked)
            snapshot, found, reach = first = self._first(asked)
        self._stay(found, snapshot)
        self._approved = self._approvals(snapshot, found, reach)
        shown = self._dry - self._approved
        for _ in range(ROUNDS):
            todo = self._todo(shown, snapshot, found, reach)
            if todo.empty or snapshot.server.read_only or not self._stay(todo, snapshot):
                break
            self._write(todo, snapshot, reach)
            snapshot, found, reach = self._observe_again(asked, snapshot, todo)
            if not any(refusal.vanished for refusal in self._outcome.refused):
                break
            shown = self._dry  # what was approved is what the first observation saw, and no more
        answers = {key: self._answer(key, snapshot, found, reach) for key in self._wants}
        if self._done:
            answers |= self._drifted(first, (snapshot, found, reach), answers)
        clean = not self._done and not self._outcome.refused and not self._unrecorded
        memory, kept = self._memory(asked, answers), held(self._wants, found, snapshot, reach)
        if self._near is not None and self._before is not None:
            kept = self._before.renewed(kept, frozenset(self._wants))
        return Passed({**answers, **self._unrecorded}, clean, memory, kept, self._amended, whole=self._near is None)

    def _fingerprint(self, asked: Lookups) -> str | None:
        """What tells that nothing has changed since; of a neighbourhood nothing is remembered by it."""
        return self._database.fingerprint(asked.kinds) if self._near is None else None

    def _stay(self, todo: Plan, snapshot: Snapshot) -> bool:
        """Whether what there is to do concerns nobody that the pass is not over."""
        if self._near is None or not self._near.is_left_by(todo, snapshot):
            return True
        if not self._done:
            raise ReachesOut(self._amended)
        return False

    def decide(self) -> None:
        """Do all of a pass but recording and writing."""
        self._record = None
        snapshot, found, reach = self._first(lookups(self._wants, self._claims))
        self._statements(found, snapshot, reach)
        for key in self._wants:
            self._answer(key, snapshot, found, reach)

    def _drifted(
        self, first: Observation, last: Observation, answers: Mapping[Key, GrantAnswer]
    ) -> dict[Key, GrantAnswer]:
        """The answers of those who had something taken that the last observation shows given back."""
        taken, drifts = corrected(self._before, self._wants, first, last)
        if drifts:
            self._statements(taken, first[0], first[2])  # for the names
        mine = shares(taken.operations, taken.memberships)
        own = {key: statements_of(mine.get(key, Share()), self._names, first[0], first[2]) for key in drifts}
        texts = {key: tuple(map(self._database.shown, statements)) for key, statements in own.items()}
        return {key: replace(answers[key], drift=replace(drifts[key], statements=texts[key])) for key in drifts}

    def _first(self, asked: Lookups) -> Observation:
        """The observation by which it is known what the wants found, before anything is written."""
        snapshot = self._database.inspect(asked)
        others = [(one, self._exceptions.get(key, frozenset())) for key, one in self._claims.items()]
        reach = Reach(snapshot, self._access.owner_roles)
        seen = findings(self._database, self._wants, others, snapshot, reach)
        self._wants, self._found = seen.wants, seen.privileges
        kept = recorded(self._wants, self._record)
        self._wants = kept.wants
        self._amended = {**self._amended, **kept.amended}
        self._unrecorded = {**self._unrecorded, **kept.failures}
        self._dry |= kept.failures.keys()
        return self._judged(snapshot)

    def _observe_again(self, asked: Lookups, before: Snapshot, done: Plan) -> Observation:
        """Read where something was done; when it is not as it should be, everything, so as to remember how it is."""
        touched = before.schemas_of(frozenset(oid for operation in done.operations for oid in operation.objects))
        later = self._database.inspect(asked.within(touched))
        snapshot, found, reach = self._judged(before.renewed(later, touched))
        if self._todo(self._dry - self._approved, snapshot, found, reach).empty:
            # What others changed elsewhere since the first observation was not seen: the next pass reads everything.
            self._seen = None
            return snapshot, found, reach
        self._seen = self._fingerprint(asked)
        return self._judged(self._database.inspect(asked))

    def _judged(self, snapshot: Snapshot) -> Observation:
        reach = Reach(snapshot, self._access.owner_roles)
        found = plan(self._wants, self._claims, snapshot, reach)
        return snapshot, cascading(found, self._wants, snapshot), reach

    def _todo(self, held: frozenset[Key], snapshot: Snapshot, found: Plan, reach: Reach) -> Plan:
        """What is to be executed: what is only shown for some keys is not, nor does it keep what others gave up.

        With an approval that waits until the next pass, because what was approved is a part of the plan as found.
        """
        if not held or self._approved:
            return found.without(held)
        live = {key: want for key, want in self._wants.items() if key not in held}
        kept = {key: want.ledger for key, want in self._wants.items() if key in held}
        return cascading(plan(live, {**self._claims, **kept}, snapshot, reach), live, snapshot)

    def _write(self, todo: Plan, snapshot: Snapshot, reach: Reach) -> None:
        self._outcome = self._database.apply(chunked(self._statements(todo, snapshot, reach)))
        self._done += self._outcome.done
        if self._began is None:
            self._began, self._shares = (snapshot, reach), shares(todo.operations, todo.memberships)

    def _statements(self, todo: Plan, snapshot: Snapshot, reach: Reach) -> tuple[Statement, ...]:
        self._names |= {
            **self._database.names(unnamed(todo.operations)),
            (ObjectKind.DATABASE, snapshot.server.database_oid): ObjectName("", snapshot.server.database),
            **{(ObjectKind.SCHEMA, oid): ObjectName("", name) for name, oid in snapshot.schemas.items()},
            **{(kind, oid): ObjectName("", name) for kind, oid, name in snapshot.outside_schemas()},
        }
        privileges = named(coalesced(todo.operations), self._names, snapshot, reach)
        return (*membership_statements(todo.memberships, snapshot), *privileges)

    def _own(self, key: Key, left: Plan) -> tuple[Statement, ...]:
        """What was executed for a key, whose part of the plan is `left` still."""
        if self._began is None or not any(key in one.keys for one in self._done):
            return ()
        done = self._shares.get(key, Share()).without(Share(list(left.operations), list(left.memberships)))
        return statements_of(done, self._names, *self._began)

    def _answer(self, key: Key, snapshot: Snapshot, found: Plan, reach: Reach) -> GrantAnswer:
        want = self._wants[key]
        left = found.caused_by(key)
        problems = tuple(replace(problem, message=legible(problem.message)) for problem in found.problems.get(key, ()))
        done = self._own(key, left)
        answer = GrantAnswer(
            tuple(GranteeRole(role, role in snapshot.roles) for role in sorted(want.entries.roles)),
            found.observed[key],
            problems,
            executed=tuple(self._database.shown(statement) for statement in done),
            granted=sum(statement.size for statement in done if statement.give),
            revoked=sum(statement.size for statement in done if not statement.give),
            residual=tuple(replace(one, through=legible(one.through)) for one in found.residual.get(key, ())),
            advice=found.advice.get(key, ()),
            notices=self._outcome.notices if done else (),
            found=want.found,
            found_privileges=self._found.get(key, 0),
            notes=found.notes.get(key, ()),
        )
        if not left.empty and self._was_tried(key, snapshot):
            answer = replace(answer, problems=(*problems, *obstacles(key, self._outcome, snapshot)))
        if want.dry:
            answer = self._with_plan(answer, left, snapshot, reach)
            if key not in self._approved:
                return replace(answer, ledger=want.ledger)
        return replace(answer, ledger=ledger_after(want, answer, snapshot), approved=want.dry)

    def _was_tried(self, key: Key, snapshot: Snapshot) -> bool:
        """Whether what is left was to be done in this pass; what is found after an approved plan was not."""
        want = self._wants[key]
        if key in self._approved:
            return any(key in refusal.statement.keys for refusal in self._outcome.refused)
        return not want.dry or (bool(want.approved) and snapshot.server.read_only)

    def _with_plan(self, answer: GrantAnswer, left: Plan, snapshot: Snapshot, reach: Reach) -> GrantAnswer:
        statements = self._statements(left, snapshot, reach)
        texts, joins = tuple(map(self._database.shown, statements)), left.joins(snapshot)
        return replace(answer, planned=texts, plan_hash=digest(statements, snapshot.server.identity), joins=joins)

    def _approvals(self, snapshot: Snapshot, found: Plan, reach: Reach) -> frozenset[Key]:
        """Dry wants whose plan is, as this observation shows it, the very one that was approved."""
        if snapshot.server.read_only:
            return frozenset()
        plans = {key: found.caused_by(key) for key in self._dry if self._wants[key].approved}
        hashes = {
            key: digest(self._statements(plan, snapshot, reach), snapshot.server.identity)
            for key, plan in plans.items()
            if not plan.empty
        }
        return frozenset(key for key, hash_ in hashes.items() if hash_ == self._wants[key].approved)

    def _memory(self, asked: Lookups, answers: Mapping[Key, GrantAnswer]) -> Memory | None:
        if self._seen is None or self._outcome.passing or self._unrecorded:
            return None
        return Memory(self._seen, {**self._given, **self._amended}, dict(self._claims), asked, quiet(answers))
