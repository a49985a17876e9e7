"""IAM policies of projects and service accounts: the documents as written, and what of them acts already."""

import base64
import copy
import datetime as dt
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from cloudsql_emulator.clock import Clock
from cloudsql_emulator.iam.members import canonical
from cloudsql_emulator.iam.spans import Propagation, Spans

Document = dict[str, Any]
"""A policy as JSON; order and text are kept as they were written."""

CONDITIONAL_VERSION = 3


class Grant(NamedTuple):
    """One member in one binding; `condition` is the expression, "" without one."""

    role: str
    member: str
    condition: str


@dataclass(slots=True)
class _Stored:
    document: Document
    etag: str
    acting: Spans[Grant]


class PolicyStore:
    """Policies by full resource name, such as `projects/acme-prod`. Who may write what is not asked here."""

    def __init__(self, clock: Clock, propagation: Propagation) -> None:
        self._clock = clock
        self._propagation = propagation
        self._stored: dict[str, _Stored] = {}

    def read(self, resource: str) -> Document:
        """A copy of a policy, with its etag; an empty one where none was written."""
        stored = self._get(resource)
        return {**copy.deepcopy(stored.document), "etag": stored.etag}

    def write(self, resource: str, document: Document, *, at_once: bool = False) -> Document:
        """Replace a policy under a new etag, and give it back; its changes act after propagation."""
        stored = self._get(resource)
        before, after = set(grants(stored.document)), set(grants(document))
        for grant in after - before:
            stored.acting.add(grant, self._in(0 if at_once else self._propagation.grants))
        for grant in before - after:
            stored.acting.remove(grant, self._in(0 if at_once else self._propagation.revocations))
        stored.document = copy.deepcopy({key: value for key, value in document.items() if key != "etag"})
        stored.etag = _new_etag()
        return self.read(resource)

    def acting_grants(self, resource: str) -> set[Grant]:
        """What acts at this moment."""
        return self._get(resource).acting.holding(self._clock.now())

    def rename_member(self, member: str, name: str) -> None:
        """Call a member by another name in every policy, as Google does with the deleted; acts at once."""
        for resource, stored in self._stored.items():
            document = copy.deepcopy(stored.document)
            for binding in document.get("bindings", []):
                members = [name if canonical(each) == member else each for each in binding.get("members", [])]
                binding["members"] = members
            if document != stored.document:
                self.write(resource, document, at_once=True)

    def _get(self, resource: str) -> _Stored:
        if resource not in self._stored:
            self._stored[resource] = _Stored({"version": 1}, _new_etag(), Spans())
        return self._stored[resource]

    def _in(self, seconds: float) -> dt.datetime:
        return self._clock.now() + dt.timedelta(seconds=seconds)


def grants(document: Document) -> list[Grant]:
    """Every member of every binding, in order, members in canonical form."""
    return [
        Grant(binding["role"], canonical(member), condition_of(binding))
        for binding in document.get("bindings", [])
        for member in binding.get("members", [])
    ]


def condition_of(binding: Document) -> str:
    """The expression of a binding's condition; "" without one."""
    return str((binding.get("condition") or {}).get("expression", ""))


def modified_roles(before: Document, after: Document) -> tuple[str, ...]:
    """Roles whose bindings differ between two policies, sorted; the order of bindings and members does not count."""
    old, new = set(grants(before)), set(grants(after))
    return tuple(sorted({grant.role for grant in old ^ new}))


def has_conditions(document: Document) -> bool:
    """Whether any binding is conditional."""
    return any(binding.get("condition") for binding in document.get("bindings", []))


def as_version_1(document: Document) -> Document:
    """A conditional policy as it is shown to those who ask for less than version 3.

    Source: "Understanding allow policies": a role's name then ends in _withcond_ and a hash
    """
    shown = copy.deepcopy(document)
    for binding in shown.get("bindings", []):
        if binding.pop("condition", None):
            binding["role"] = f"{binding['role']}_withcond_{secrets.token_hex(10)}"
    return {**shown, "version": 1}


def normalised(document: Document) -> Document:
    """A policy with bindings of one role and condition merged, members sorted, empty bindings left out.

    GUESS: that Google does this is known, the order is not.
    """
    merged: dict[tuple[str, str], Document] = {}
    for binding in document.get("bindings", []):
        condition = binding.get("condition") or {}
        key = (binding["role"], repr(sorted(condition.items())))
        kept = merged.setdefault(key, {**binding, "members": []})
        kept["members"] = _sorted_members([*kept["members"], *binding.get("members", [])])
    return {**document, "bindings": [binding for binding in merged.values() if binding["members"]]}


def _sorted_members(members: Iterable[str]) -> list[str]:
    return sorted({canonical(member) for member in members})


def same_etag(one: str, other: str) -> bool:
    """Whether two etags are the same bytes; clients write them anew in either alphabet of base64.

    Raises:
        ValueError: the first is no base64.
    """
    return _etag_bytes(one) == _etag_bytes(other)


def _etag_bytes(text: str) -> bytes:
    plain = text.rstrip("=").translate(str.maketrans("-_", "+/"))
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)


def _new_etag() -> str:
    return base64.b64encode(b"\x07\x06" + secrets.token_bytes(6)).decode()
