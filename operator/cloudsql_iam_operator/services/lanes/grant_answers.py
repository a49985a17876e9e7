"""Records of one pass over a database: how every key stands after it, and what of it serves the next."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cloudsql_iam_operator.adapters.postgres.encoding import legible
from cloudsql_iam_operator.adapters.postgres.refusals import Outcome
from cloudsql_iam_operator.api.grant import Enforcement
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.grants.changes.dependants import passed_on
from cloudsql_iam_operator.core.grants.decided.counts import Observed
from cloudsql_iam_operator.core.grants.decided.drift import Drift, Held
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant, held_back, stale
from cloudsql_iam_operator.core.grants.decided.residual import Residual
from cloudsql_iam_operator.core.grants.decided.resolution import Problem
from cloudsql_iam_operator.core.grants.desired.ledger import Ledger, ledger_of, united
from cloudsql_iam_operator.core.grants.observed.identities import identities, with_identities
from cloudsql_iam_operator.core.grants.observed.snapshot import Lookups, Snapshot
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.lanes.barrier import Claims, Wants


@dataclass(frozen=True, slots=True)
class Earlier:
    """What is known from before a pass: what the last one saw held, and what of the claims was found."""

    held: Held | None = None
    exceptions: Claims = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GranteeRole:
    """A grantee's role, and whether it exists."""

    role: str
    exists: bool


@dataclass(frozen=True, slots=True)
class GrantAnswer:
    """How one key stands after a pass. No problems means that all it declares is so.

    `ledger` is to be recorded in its status; () with no entries means that nothing is left to take back. `executed`
    are the statements of this pass that it had a share in, with the privileges they gave and took, and `notices` what
    stood in their way in vain; `drift` is what of that had been held and was taken by somebody. `planned` and
    `plan_hash` are filled for dry wants: what is left to do, `joins` the roles that are left to give.
    `notes` say what holds beyond what is declared.
    `approved`: its plan was approved, and was executed. `found` is what was there before, to be recorded too, and
    `found_privileges` how much.
    """

    grantees: tuple[GranteeRole, ...] = ()
    observed: Observed = field(default_factory=Observed)
    problems: tuple[Problem, ...] = ()
    ledger: Ledger = frozenset()
    executed: tuple[str, ...] = ()
    granted: int = 0
    revoked: int = 0
    drift: Drift = field(default_factory=Drift)
    residual: tuple[Residual, ...] = ()
    planned: tuple[str, ...] = ()
    plan_hash: str = ""
    joins: frozenset[str] = frozenset()
    advice: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    approved: bool = False
    notices: tuple[str, ...] = ()
    found: Ledger = frozenset()
    found_privileges: int = 0


@dataclass(frozen=True, slots=True)
class Memory:
    """What the last pass saw and answered, good as long as nothing of it changes."""

    fingerprint: str
    wants: Wants
    claims: Claims
    asked: Lookups
    answers: Mapping[Key, GrantAnswer]

    def serves(self, wants: Wants, claims: Claims) -> bool:
        """Whether the same is asked as then."""
        return (self.wants, self.claims) == (wants, claims)


@dataclass(frozen=True, slots=True)
class Passed:
    """The answers of a pass; `memory` None when the next pass must observe whatever the fingerprint is.

    `held` is what it saw held, by which the next knows drift. `recorded` are wants as they are since their objects
    recorded them. `whole`: it was over all wants, not only over some that have nothing to do with the others.
    """

    answers: Mapping[Key, GrantAnswer | Exception]
    clean: bool
    memory: Memory | None
    held: Held | None = None
    recorded: Wants = field(default_factory=dict)
    whole: bool = True


def ledger_after(want: GrantWant, answer: GrantAnswer, snapshot: Snapshot) -> Ledger:
    """What a want has on record after a pass: what was caused and not taken back stays."""
    blocked = any(problem.reason is Reason.REVOKE_BLOCKED for problem in answer.problems)
    kept = want.enforcement is Enforcement.ADDITIVE or answer.observed.excess > 0 or blocked
    left = united(ledger_of(want.entries), held_back(want), stale(want) if kept else ())
    ledger = with_identities(left, identities(want.ledger, snapshot), snapshot)
    return want.ledger if ledger == want.ledger else ledger  # kept once, for each of thousands


def obstacles(key: Key, outcome: Outcome, snapshot: Snapshot) -> tuple[Problem, ...]:
    """Why something is left to do for a key after it was tried."""
    if snapshot.server.read_only:
        text = f"database {snapshot.server.database!r} is read-only: nothing can be granted or revoked in it"
        return (Problem(Reason.READ_ONLY, text),)
    refused = [r for r in outcome.refused if key in r.statement.keys]
    if refused:
        said = (Problem(r.reason, legible(r.message + passed_on(r.statement, snapshot))) for r in refused)
        return tuple(dict.fromkeys(said))
    text = (
        "the statements ran, but the database does not show their effect: something else takes it back at once, "
        "such as an event trigger or another tool"
    )
    return (Problem(Reason.NOT_CONVERGING, text),)


def quiet(answers: Mapping[Key, GrantAnswer]) -> Mapping[Key, GrantAnswer]:
    """The answers as a pass gives them that did nothing."""
    return {
        key: replace(answer, executed=(), granted=0, revoked=0, drift=Drift(), approved=False, notices=())
        for key, answer in answers.items()
    }
