"""Which removals wait for a person's consent: those that nobody asked for by name, when they are unusually many."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from cloudsql_iam_operator.core.iam.bindings import BindingRef

REMOVALS = 10
REMOVAL_SHARE = 0.2
"""So many members that nobody asked to lose may be lost within the window, or this share of ours when that is more."""

WINDOW = 600.0
"""Seconds within which losses count together: what takes many passes is counted as what takes one."""

_HASH = 16


@dataclass(frozen=True, slots=True)
class Loser:
    """An object that loses bindings: whether it asks for that by itself, being deleted or having ended.

    `instance` is the name of its CloudSQLInstance and `limit` that instance's `spec.iam.maxRemovals`, which counts
    deletions too; "" and None for an object that has ended, which nobody counts. `waited`: its status says that it
    waits for consent, whatever this process knows of that.
    """

    asked: bool
    instance: str = ""
    limit: int | None = None
    waited: bool = False


@dataclass(frozen=True, slots=True)
class Removal:
    """A binding that is to go: which tenant's it is, and who loses it."""

    ref: BindingRef
    tenant: str
    loser: Loser


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person allows on an instance: the hash of a set of removals; `used` is the last that was used up."""

    given: str
    used: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Removals of one instance that wait, and the hash by which they are allowed, which is theirs alone."""

    refs: frozenset[BindingRef]

    @property
    def members(self) -> int:
        """How many members they are of."""
        return len({ref.member for ref in self.refs})

    @property
    def hash(self) -> str:
        """What names exactly these removals."""
        lines = sorted(f"{ref.member}\0{ref.role}\0{ref.title}" for ref in self.refs)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:_HASH]


def removals_allowed(ours: int) -> int:
    """How many members may be lost unasked within the window when we answer for that many."""
    return max(REMOVALS, int(ours * REMOVAL_SHARE))


def stopped(removals: Collection[Removal], allowed: int, lately: Iterable[Removal] = ()) -> frozenset[BindingRef]:
    """What must not be removed without consent, when that many members may be lost unasked; `lately` others were.

    A deletion and an end are consent and are not counted. A tenant that alone would lose too many is stopped and does
    not count for the others; they are stopped only when together they still lose too many.
    """
    asked = {removal.ref for removal in removals if removal.loser.asked}
    unasked = [removal for removal in removals if removal.ref not in asked]
    losses = _members([*unasked, *(one for one in lately if not one.loser.asked)])
    many = {tenant for tenant, members in losses.items() if len(members) > allowed}
    rest = set[str]().union(*(members for tenant, members in losses.items() if tenant not in many))
    held = set(losses) if len(rest) > allowed else many
    return frozenset(one.ref for one in unasked if one.tenant in held)


def over_limits(removals: Collection[Removal], lately: Iterable[Removal] = ()) -> frozenset[BindingRef]:
    """What must not be removed because its instance would lose more than its limit, deletions included."""
    losses: defaultdict[str, set[str]] = defaultdict(set)
    for one in (*removals, *lately):
        losses[one.loser.instance].add(one.ref.member)
    limits = ((one.ref, one.loser.limit, len(losses[one.loser.instance])) for one in removals)
    return frozenset(ref for ref, limit, lost in limits if limit is not None and lost > limit)


class Brake:
    """What was lost lately, what waits, and what was allowed. Times are seconds of one clock."""

    def __init__(self) -> None:
        self._lost: list[tuple[float, Removal]] = []
        self._agreed: frozenset[BindingRef] = frozenset()
        self._used: dict[str, str] = {}
        self._waiting: dict[str, Waiting] = {}
        self._limited: dict[BindingRef, int | None] = {}
        """What waits because of a limit, and which."""

    @property
    def waiting(self) -> Mapping[str, Waiting]:
        """By the name of their instance, the removals that wait for consent."""
        return self._waiting

    def used(self, instance: str) -> str:
        """The consent that was used up on an instance, "" when none was."""
        return self._used.get(instance, "")

    def hold(
        self, removals: Collection[Removal], allowed: int, consents: Mapping[str, Consent], now: float
    ) -> frozenset[BindingRef]:
        """Which removals are not to be made now. What waited once waits until it is allowed, deleted or gone."""
        self._lost = [(at, one) for at, one in self._lost if now - at < WINDOW]
        self._used = {
            name: used for name, used in self._used.items() if name in consents and consents[name].given == used
        }
        self._agreed &= {removal.ref for removal in removals}
        pending = [removal for removal in removals if removal.ref not in self._agreed]
        lately = [one for _, one in self._lost]
        over = over_limits(pending, lately)
        self._limited = {one.ref: one.loser.limit for one in pending if one.ref in over or self._is_limited(one)}
        held = stopped(pending, allowed, lately) | self._still(pending) | self._limited.keys()
        self._waiting = _by_instance(removal for removal in pending if removal.ref in held)
        for name, waiting in list(self._waiting.items()):
            if self._allows(consents.get(name), name, waiting):
                self._used[name] = waiting.hash
                self._agreed |= waiting.refs
                del self._waiting[name]
        return held - self._agreed

    def made(self, removals: Iterable[Removal], now: float) -> None:
        """Count removals that were made, but for those that were allowed: these use their consent up."""
        made = list(removals)
        self._lost += [(now, removal) for removal in made if removal.ref not in self._agreed]
        self._agreed -= {removal.ref for removal in made}

    def _still(self, pending: Iterable[Removal]) -> frozenset[BindingRef]:
        before = {ref for waiting in self._waiting.values() for ref in waiting.refs}
        unasked = (one for one in pending if not one.loser.asked)
        return frozenset(one.ref for one in unasked if one.ref in before or one.loser.waited)

    def _is_limited(self, removal: Removal) -> bool:
        """Whether it waits because of this limit, or a higher one: one that a person raised or took away lets it go."""
        limit, before = removal.loser.limit, self._limited.get(removal.ref)
        return limit is not None and before is not None and limit <= before

    def _allows(self, consent: Consent | None, name: str, waiting: Waiting) -> bool:
        if consent is None or consent.given != waiting.hash:
            return False
        return waiting.hash not in {consent.used, self._used.get(name)}


def _members(removals: Iterable[Removal]) -> dict[str, set[str]]:
    losses: defaultdict[str, set[str]] = defaultdict(set)
    for removal in removals:
        losses[removal.tenant].add(removal.ref.member)
    return losses


def _by_instance(removals: Iterable[Removal]) -> dict[str, Waiting]:
    refs: defaultdict[str, set[BindingRef]] = defaultdict(set)
    for removal in removals:
        refs[removal.loser.instance].add(removal.ref)
    return {name: Waiting(frozenset(found)) for name, found in refs.items()}
