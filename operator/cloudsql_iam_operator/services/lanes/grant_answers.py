"""Records of one pass over a database: how every key stands after it, and what of it serves the next."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.grants.decided.counts import Observed
from cloudsql_iam_operator.core.grants.decided.drift import Drift, Held
from cloudsql_iam_operator.core.grants.decided.residual import Residual
from cloudsql_iam_operator.core.grants.decided.resolution import Problem
from cloudsql_iam_operator.core.grants.desired.ledger import Ledger
from cloudsql_iam_operator.core.grants.observed.snapshot import Lookups
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

    `held` is what it saw held, by which the next knows drift.
    """

    answers: Mapping[Key, GrantAnswer | Exception]
    clean: bool
    memory: Memory | None
    held: Held | None = None
