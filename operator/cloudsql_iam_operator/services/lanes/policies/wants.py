"""What objects ask of a project's IAM policy, and what they are answered. How it comes about is the lane's."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.errors import Failure
from cloudsql_iam_operator.core.iam.bindings import Binding, BindingRef
from cloudsql_iam_operator.core.iam.policy import Policy
from cloudsql_iam_operator.core.iam.removals import Consent, Loser
from cloudsql_iam_operator.services.lanes.lane import nobody, none

_NOTHING: frozenset[Binding] = frozenset()

Announced = Mapping[Key, frozenset[BindingRef]]
"""By object, bindings that are about to be added for it, so that its status has to record them."""


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
    looked for, under whatever condition. `policies` is who reads and writes for the object; None leaves it to the
    lane's own.
    """

    bindings: frozenset[Binding] = frozenset()
    owned: frozenset[BindingRef] = frozenset()
    watched: frozenset[Binding] = frozenset()
    policies: Policies | None = None


@dataclass(frozen=True, slots=True)
class BindingsAnswer:
    """How an object's bindings stand: which are there, and which of them the operator added.

    `changed_at` is when this process last added one of them, None when it never did: IAM takes minutes to act.
    `found` are all bindings of the roles and members that are watched.
    """

    present: frozenset[Binding]
    owned: frozenset[Binding]
    changed_at: datetime | None
    found: frozenset[Binding] = frozenset()


async def nothing_unrecorded(announced: Announced) -> Mapping[Key, Failure]:
    """Take everything for recorded."""
    return {}


def _deleted(key: Key) -> Loser:
    return Loser(asked=True)


@dataclass(frozen=True, slots=True)
class PolicyNeighbours:
    """What a pass asks and says about objects.

    `claims` are the recorded bindings of live objects; `listed` is whether all objects were seen once. `loser` is why
    an object loses bindings, and `consents` what people allow, by CloudSQLInstance. `announce` is called before a write
    and answers which objects could not record what is about to be added for them. `tell` is called for objects of which
    a pass that they did not ask for found something else, and `coming` is how many may come.
    """

    claims: Callable[[], Mapping[Key, frozenset[BindingRef]]]
    listed: Callable[[], bool]
    loser: Callable[[Key], Loser] = _deleted
    consents: Callable[[], Mapping[str, Consent]] = dict
    announce: Callable[[Announced], Awaitable[Mapping[Key, Failure]]] = nothing_unrecorded
    tell: Callable[[Key], None] = nobody
    coming: Callable[[], int] = none


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a policy stands after a pass.

    `leftovers` are removals that are still to be made, `recorded` all that statuses say was added, `added` what this
    process added and when. `failures` are those of single bindings,
    `withheld` those of single removals; `blocked` is why other changes were not made.
    """

    policy: Policy
    leftovers: frozenset[BindingRef]
    recorded: frozenset[BindingRef]
    added: Mapping[Binding, datetime]
    failures: Mapping[Binding, Failure]
    blocked: Failure | None
    withheld: Mapping[BindingRef, Failure]


def answer(want: PolicyWant, outcome: Outcome) -> BindingsAnswer | Exception:
    """What an object is answered: how its bindings stand, or why they do not."""
    missing = [binding for binding in want.bindings if not outcome.policy.holds(binding)]
    for binding in sorted(missing, key=lambda b: b.order):
        failure = outcome.failures.get(binding, outcome.blocked)
        if failure is not None:
            return failure
    for ref in sorted(want.owned & outcome.leftovers):
        stands = outcome.withheld.get(ref, outcome.blocked)
        if stands is not None:
            return stands
    present = want.bindings.difference(missing) if missing else want.bindings
    ours = _those(present, lambda binding: _ours(binding, outcome))
    changes = [outcome.added[binding] for binding in ours if binding in outcome.added]
    found = [outcome.policy.of(binding.role, binding.member) for binding in want.watched]
    return BindingsAnswer(present, ours, max(changes, default=None), _NOTHING.union(*found))


def _those(bindings: frozenset[Binding], hold: Callable[[Binding], bool]) -> frozenset[Binding]:
    """Those of which it holds, and no new set where that is all: it is kept for each object."""
    held = frozenset(filter(hold, bindings))
    return bindings if len(held) == len(bindings) else held


def _ours(binding: Binding, outcome: Outcome) -> bool:
    # a title of ours speaks for itself, even when the status that should record it was lost
    return binding.signed or binding in outcome.added or binding.ref in outcome.recorded


def tenants_in(wants: Mapping[Key, PolicyWant]) -> dict[Binding, str]:
    """Of which namespace each wanted binding is; of the first in the alphabet when several want it."""
    pairs = ((binding, key.namespace) for key, want in wants.items() for binding in want.bindings)
    return dict(sorted(pairs, key=lambda pair: pair[1], reverse=True))
