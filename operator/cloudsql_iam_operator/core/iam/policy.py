"""The plan for a project's IAM policy: our members in or out, everything else byte for byte as it was."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cloudsql_iam_operator.core.iam.bindings import Binding, BindingRef, Condition, folded

PRINCIPALS = 1500
GROUPS = 250
CONDITIONS = 20
"""Limits of one policy: principals by occurrence, groups and domains among them, and bindings of one role and
principal with different conditions. Source: IAM, "Quotas and limits"."""


@dataclass(frozen=True, slots=True)
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

    def bindings(self) -> Iterator[Binding]:
        """Every member of every binding."""
        for entry in self.entries:
            for member in _members(entry):
                yield Binding(entry.get("role", ""), member, _condition(entry))

    def holds(self, binding: Binding) -> bool:
        """Whether the member is in a binding of that role and condition."""
        return any(_takes(entry, binding) and _has(entry, binding.member) for entry in self.entries)


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
        kept = {(binding.role, folded(binding.member)) for binding in self.added}
        return frozenset(folded(b.member) for b in self.removed if (b.role, folded(b.member)) not in kept)


def orphaned(policy: Policy, asked: PolicyChange) -> frozenset[BindingRef]:
    """Bindings under a title of ours that nobody asks for, relies on or is having removed, or that are not as ours."""
    known = {binding.ref for binding in asked.wanted} | asked.removable | asked.held
    return frozenset(b.ref for b in policy.bindings() if b.signed and not (b.made_by_us and b.ref in known))


def plan(policy: Policy, change: PolicyChange) -> PolicyPlan:
    """The smallest change that brings a policy to what is asked; planned again, it changes nothing."""
    removed = _going(policy, change)
    entries = _without(policy.entries, removed)
    room = _Room(entries)
    added, full = set(), {}
    for binding in _missing(Policy({"bindings": entries}), change.wanted - change.withheld):
        limit = room.take(binding)
        if limit:
            full[binding] = limit
            continue
        entries = _with(entries, binding)
        added.add(binding)
    document = {**policy.document, "bindings": entries} if added or removed else policy.document
    return PolicyPlan(Policy(document), frozenset(added), removed, full)


class _Room:
    """How much of each limit is used."""

    def __init__(self, entries: Iterable[Mapping[str, Any]]) -> None:
        members = [(entry.get("role", ""), member) for entry in entries for member in _members(entry)]
        self._principals = len(members)
        self._groups = sum(_is_group(member) for _, member in members)
        self._conditions = Counter((role, folded(member)) for role, member in members)

    def take(self, binding: Binding) -> str:
        """Use room for a binding: "" when there was, else the limit that is in the way."""
        grant = (binding.role, folded(binding.member))
        if self._principals >= PRINCIPALS:
            return f"{PRINCIPALS} principals, counted by occurrence"
        if _is_group(binding.member) and self._groups >= GROUPS:
            return f"{GROUPS} groups and domains"
        if self._conditions[grant] >= CONDITIONS:
            return f"{CONDITIONS} bindings of one role and principal with different conditions"
        self._principals += 1
        self._groups += _is_group(binding.member)
        self._conditions[grant] += 1
        return ""


def _going(policy: Policy, change: PolicyChange) -> frozenset[Binding]:
    wanted = {binding.identity for binding in change.wanted}
    going = change.removable - change.held
    present = {binding.identity for binding in policy.bindings()}
    # what is to be replaced stays until what replaces it may be added
    waiting = {(b.role, folded(b.member)) for b in change.wanted & change.withheld if b.identity not in present}
    return frozenset(
        b
        for b in policy.bindings()
        if b.ref in going and b.made_by_us and b.identity not in wanted and (b.role, folded(b.member)) not in waiting
    )


def _missing(policy: Policy, wanted: Iterable[Binding]) -> list[Binding]:
    present = {binding.identity for binding in policy.bindings()}
    absent = {binding.identity: binding for binding in wanted if binding.identity not in present}
    return sorted(absent.values(), key=lambda binding: binding.order)


def _without(entries: list[Mapping[str, Any]], removed: frozenset[Binding]) -> list[Mapping[str, Any]]:
    gone = {binding.identity for binding in removed}
    kept: list[Mapping[str, Any]] = []
    for entry in entries:
        role, condition = entry.get("role", ""), _condition(entry)
        members = [m for m in _members(entry) if (role, folded(m), condition) not in gone]
        if len(members) == len(_members(entry)):
            kept.append(entry)
        elif members:
            kept.append({**entry, "members": members})
    return kept


def _with(entries: list[Mapping[str, Any]], binding: Binding) -> list[Mapping[str, Any]]:
    for index, entry in enumerate(entries):
        if _takes(entry, binding):
            joined = {**entry, "members": [*_members(entry), binding.member]}
            return [*entries[:index], joined, *entries[index + 1 :]]
    return [*entries, _entry(binding)]


def _entry(binding: Binding) -> dict[str, Any]:
    entry: dict[str, Any] = {"role": binding.role, "members": [binding.member]}
    if binding.condition is not None:
        texts = binding.condition
        described = {"description": texts.description} if texts.description else {}
        entry["condition"] = {"title": texts.title, **described, "expression": texts.expression}
    return entry


def _takes(entry: Mapping[str, Any], binding: Binding) -> bool:
    return entry.get("role") == binding.role and _condition(entry) == binding.condition


def _has(entry: Mapping[str, Any], member: str) -> bool:
    return folded(member) in map(folded, _members(entry))


def _members(entry: Mapping[str, Any]) -> list[str]:
    return list(entry.get("members") or ())


def _condition(entry: Mapping[str, Any]) -> Condition | None:
    texts = entry.get("condition")
    if not texts:
        return None
    return Condition(texts.get("title", ""), texts.get("description", ""), texts.get("expression", ""))


def _is_group(member: str) -> bool:
    return member.lower().startswith(("group:", "domain:"))
