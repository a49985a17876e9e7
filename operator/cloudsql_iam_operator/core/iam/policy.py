"""The plan for a project's IAM policy: our members in or out, everything else byte for byte as it was.

A pass plans several times over thousands of bindings, nearly all of which are as they are wanted: those that are equal
are set aside first, and only what is left is compared as IAM does it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from cloudsql_iam_operator.core.iam.bindings import Binding, BindingRef, Condition, folded

PRINCIPALS = 1500
GROUPS = 250
CONDITIONS = 20
"""Limits of one policy: principals by occurrence, groups and domains among them, and bindings of one role and
principal with different conditions. Source: IAM, "Quotas and limits"."""


@dataclass(frozen=True)
class Policy:
    """A policy as the server sent it. The document is never changed, and what is not understood in it is kept."""

    document: Mapping[str, Any]

    @property
    def etag(self) -> str:
        """What tells this version from others; "" when it has none and so must not be written."""
        return str(self.document.get("etag") or "")

    @property
    def entries(self) -> list[Mapping[str, Any]]:
        """Its bindings, each with a role and many members."""
        return list(self.document.get("bindings") or ())

    @property
    def principals(self) -> int:
        """Principals by occurrence, as IAM counts them."""
        return sum(len(_members(entry)) for entry in self.entries)

    @cached_property
    def bindings(self) -> frozenset[Binding]:
        """Every member of every binding."""
        return frozenset(_those_of(self.entries))

    def of(self, role: str, member: str) -> frozenset[Binding]:
        """The bindings of a role and member, whatever their conditions."""
        return self._by_grant.get((role, folded(member)), frozenset())

    def holds(self, binding: Binding) -> bool:
        """Whether the member is in a binding of that role and condition."""
        if binding in self.bindings:
            return True
        return any(one.condition == binding.condition for one in self.of(binding.role, binding.member))

    @cached_property
    def _by_grant(self) -> Mapping[tuple[str, str], frozenset[Binding]]:
        found: defaultdict[tuple[str, str], set[Binding]] = defaultdict(set)
        for binding in self.bindings:
            found[binding.grant].add(binding)
        return {grant: frozenset(bindings) for grant, bindings in found.items()}


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """What is asked of a policy: bindings that shall be there, and which of ours may go.

    A binding that matches `removable`, and is as we write them, goes unless it is wanted or matches `held`. `withheld`
    are wanted bindings that are not to be added now; what they replace stays.
    """

    wanted: frozenset[Binding] = frozenset()
    withheld: frozenset[Binding] = frozenset()
    removable: frozenset[BindingRef] = frozenset()
    held: frozenset[BindingRef] = frozenset()

    @property
    def members(self) -> frozenset[str]:
        """All that it is about, as they compare."""
        refs = frozenset(ref.member for ref in self.removable | self.held)
        return refs.union(member for _, member, _ in _identities(self.wanted))


@dataclass(frozen=True, slots=True)
class PolicyPlan:
    """The policy to write, and how it differs. `full` says of each binding that found no room which limit it met."""

    policy: Policy
    added: frozenset[Binding]
    removed: frozenset[Binding]
    full: Mapping[Binding, str]

    @property
    def changes(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.added or self.removed)

    @property
    def losers(self) -> frozenset[str]:
        """Members, folded, that lose a role without getting it back under another condition."""
        kept = {binding.grant for binding in self.added}
        return frozenset(member for role, member in (b.grant for b in self.removed) if (role, member) not in kept)


def orphaned(policy: Policy, asked: PolicyChange) -> frozenset[BindingRef]:
    """Bindings under a title of ours that nobody asks for, relies on or is having removed, or that are not as ours."""
    signed = [binding for binding in policy.bindings - asked.wanted if binding.signed]
    if not signed:
        return frozenset()
    known = {binding.ref for binding in asked.wanted} | asked.removable | asked.held
    return frozenset(binding.ref for binding in signed if not (binding.made_by_us and binding.ref in known))


def plan(policy: Policy, change: PolicyChange) -> PolicyPlan:
    """The smallest change that brings a policy to what is asked; planned again, it changes nothing."""
    removed = _going(policy, change)
    entries = _without(policy.entries, removed) if removed else policy.entries
    missing = _missing(policy, change.wanted - change.withheld)
    full, added, room = dict[Binding, str](), list[Binding](), _Room(entries if missing else ())
    for binding in missing:
        if limit := room.take(binding):
            full[binding] = limit
        else:
            added.append(binding)
    if not added and not removed:
        return PolicyPlan(policy, frozenset(), removed, full)
    document = {**policy.document, "bindings": _with(entries, added)}
    return PolicyPlan(Policy(document), frozenset(added), removed, full)


class _Room:
    """How much of each limit is used."""

    def __init__(self, entries: Iterable[Mapping[str, Any]]) -> None:
        bindings = _those_of(entries)
        self._principals = len(bindings)
        self._groups = sum(_is_group(binding.member) for binding in bindings)
        self._conditions = Counter(binding.grant for binding in bindings)

    def take(self, binding: Binding) -> str:
        """Use room for a binding: "" when there was, else the limit that is in the way."""
        if self._principals >= PRINCIPALS:
            return f"{PRINCIPALS} principals, counted by occurrence"
        if _is_group(binding.member) and self._groups >= GROUPS:
            return f"{GROUPS} groups and domains"
        if self._conditions[binding.grant] >= CONDITIONS:
            return f"{CONDITIONS} bindings of one role and principal with different conditions"
        self._principals += 1
        self._groups += _is_group(binding.member)
        self._conditions[binding.grant] += 1
        return ""


def _going(policy: Policy, change: PolicyChange) -> frozenset[Binding]:
    refs = change.removable - change.held
    going = [b for b in policy.bindings - change.wanted if b.ref in refs and b.made_by_us] if refs else []
    if not going:
        return frozenset()
    wanted = _identities(change.wanted)
    # what is to be replaced stays until what replaces it may be added
    waiting = {binding.grant for binding in change.wanted & change.withheld if not policy.holds(binding)}
    return frozenset(b for b in going if b.identity not in wanted and b.grant not in waiting)


def _missing(policy: Policy, wanted: frozenset[Binding]) -> list[Binding]:
    absent = {b.identity: b for b in wanted - policy.bindings if not policy.holds(b)}
    return sorted(absent.values(), key=lambda binding: binding.order)


@lru_cache(4)
def _identities(wanted: frozenset[Binding]) -> frozenset[tuple[str, str, Condition | None]]:
    """What IAM tells them apart by; kept, for a pass plans for the same ones several times."""
    return frozenset(binding.identity for binding in wanted)


def _without(entries: list[Mapping[str, Any]], removed: frozenset[Binding]) -> list[Mapping[str, Any]]:
    kept: list[Mapping[str, Any]] = []
    for entry in entries:
        role, condition = entry.get("role", ""), _condition(entry)
        members = [m for m in _members(entry) if Binding(role, m, condition) not in removed]
        if len(members) == len(_members(entry)):
            kept.append(entry)
        elif members:
            kept.append({**entry, "members": members})
    return kept


def _with(entries: list[Mapping[str, Any]], added: Iterable[Binding]) -> list[Mapping[str, Any]]:
    """The entries, where each binding is in the first of its role and condition, or in one of its own at the end."""
    members: dict[tuple[str, Condition | None], list[str]] = {}
    for binding in added:
        members.setdefault((binding.role, binding.condition), []).append(binding.member)
    joined = []
    for entry in entries:
        more = members.pop((entry.get("role", ""), _condition(entry)), None)
        joined.append({**entry, "members": [*_members(entry), *more]} if more else entry)
    return [*joined, *(_entry(role, condition, more) for (role, condition), more in members.items())]


def _entry(role: str, condition: Condition | None, members: list[str]) -> dict[str, Any]:
    entry: dict[str, Any] = {"role": role, "members": members}
    if condition is not None:
        described = {"description": condition.description} if condition.description else {}
        entry["condition"] = {"title": condition.title, **described, "expression": condition.expression}
    return entry


def _those_of(entries: Iterable[Mapping[str, Any]]) -> list[Binding]:
    """Every member of every entry, as often as it occurs."""
    placed = ((entry, entry.get("role", ""), _condition(entry)) for entry in entries)
    return [Binding(role, member, condition) for entry, role, condition in placed for member in _members(entry)]


def _members(entry: Mapping[str, Any]) -> list[str]:
    return list(entry.get("members") or ())


def _condition(entry: Mapping[str, Any]) -> Condition | None:
    texts = entry.get("condition")
    if not texts:
        return None
    return Condition(texts.get("title", ""), texts.get("description", ""), texts.get("expression", ""))


def _is_group(member: str) -> bool:
    return member.lower().startswith(("group:", "domain:"))
