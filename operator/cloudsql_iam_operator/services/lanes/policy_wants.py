"""What objects ask of a project's IAM policy, and what they are answered. How it comes about is the lane's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.errors import Failure
from cloudsql_iam_operator.core.iam.bindings import Binding, BindingRef
from cloudsql_iam_operator.core.iam.policy import Policy
from cloudsql_iam_operator.services.lanes.lane import nobody


class Policies(Protocol):
    """What reads and writes policies as one identity; both block."""

    def get_policy(self, project: str) -> Policy:
        """The policy as it stands."""
        ...

    def set_policy(self, project: str, policy: Policy) -> Policy:
        """Write a policy that was read before; the policy as stored then."""
        ...


@dataclass(frozen=True, slots=True)
class PolicyWant:
    """What one object wants of the policy.

    `owned` are bindings that its status records as added; those among them that nobody wants go. `watched` are only
    looked for. `policies` is who reads and writes for the object; None leaves it to the lane's own.
    """

    bindings: frozenset[Binding] = frozenset()
    owned: frozenset[BindingRef] = frozenset()
    watched: frozenset[Binding] = frozenset()
    policies: Policies | None = None


@dataclass(frozen=True, slots=True)
class BindingsAnswer:
    """How an object's bindings stand: which are there, and which of them the operator added.

    `changed_at` is when this process last added one of them, None when it never did: IAM takes minutes to act.
    """

    present: frozenset[Binding]
    owned: frozenset[Binding]
    changed_at: datetime | None


@dataclass(frozen=True, slots=True)
class PolicyNeighbours:
    """What a pass asks about objects that it has not heard of.

    `claims` are the recorded bindings of live objects; `listed` is whether all objects were seen once;
    `acknowledged` is whether a person agreed to an unusually large removal; `consented` is whether an object
    itself asks for what it had to be taken away: it is being deleted, or its end has come. `tell` is called
    for objects of which a pass that they did not ask for found something else.
    """

    claims: Callable[[], Mapping[Key, frozenset[BindingRef]]]
    listed: Callable[[], bool]
    acknowledged: Callable[[], bool] = lambda: False
    consented: Callable[[Key], bool] = lambda key: True
    tell: Callable[[Key], None] = nobody


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a policy stands after a pass.

    `present` are identities of bindings, `leftovers` removals that are still to be made, `recorded` all that statuses
    say was added, `added` what this process added and when. `failures` are those of single bindings, `withheld`
    those of single removals; `blocked` is why other changes were not made.
    """

    present: frozenset[object]
    leftovers: frozenset[BindingRef]
    recorded: frozenset[BindingRef]
    added: Mapping[Binding, datetime]
    failures: Mapping[Binding, Failure]
    blocked: Failure | None
    withheld: Mapping[BindingRef, Failure]


def answer(want: PolicyWant, outcome: Outcome) -> BindingsAnswer | Exception:
    """What an object is answered: how its bindings stand, or why they do not."""
    for binding in sorted(want.bindings, key=lambda b: b.order):
        failure = outcome.failures.get(binding, outcome.blocked)
        if binding.identity not in outcome.present and failure is not None:
            return failure
    for ref in sorted(want.owned & outcome.leftovers):
        stands = outcome.withheld.get(ref, outcome.blocked)
        if stands is not None:
            return stands
    present = frozenset(b for b in want.bindings | want.watched if b.identity in outcome.present)
    ours = frozenset(b for b in want.bindings & present if _ours(b, outcome))
    changes = [outcome.added[binding] for binding in ours if binding in outcome.added]
    return BindingsAnswer(present, ours, max(changes, default=None))


def _ours(binding: Binding, outcome: Outcome) -> bool:
    # a title of ours speaks for itself, even when the status that should record it was lost
    return binding.signed or binding in outcome.added or binding.ref in outcome.recorded
