"""Which removals wait for a person's consent: those that nobody asked for by name, when they are unusually many."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from cloudsql_iam_operator.core.iam.bindings import BindingRef

REMOVALS = 10
REMOVAL_SHARE = 0.2
"""One pass removes at most this many members that nobody asked to, or this share of ours when that is more."""


@dataclass(frozen=True, slots=True)
class Removal:
    """A binding that is to go: which tenant's it is, and whether an object that is deleted or has ended asks for it."""

    ref: BindingRef
    tenant: str
    asked: bool


def removals_allowed(ours: int) -> int:
    """How many members one pass may remove unasked when we answer for that many."""
    return max(REMOVALS, int(ours * REMOVAL_SHARE))


def stopped(removals: Collection[Removal], allowed: int) -> frozenset[BindingRef]:
    """What must not be removed without consent.

    A deletion is its own consent and is never counted. A tenant that alone would lose too many is stopped and does not
    count for the others; they are stopped only when together they still lose too many.
    """
    asked = {removal.ref for removal in removals if removal.asked}
    unasked = [removal for removal in removals if removal.ref not in asked]
    losses: defaultdict[str, set[str]] = defaultdict(set)
    for removal in unasked:
        losses[removal.tenant].add(removal.ref.member)
    many = {tenant for tenant, members in losses.items() if len(members) > allowed}
    rest = set[str]().union(*(members for tenant, members in losses.items() if tenant not in many))
    held = set(losses) if len(rest) > allowed else many
    return frozenset(removal.ref for removal in unasked if removal.tenant in held)
