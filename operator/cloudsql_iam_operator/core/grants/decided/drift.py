"""What somebody took of that which an earlier observation saw held: not what is new, wished for since, or made again.

Only of a column it is not known whether it was made again: columns are known by name.
"""

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.grants.decided.difference import difference
from cloudsql_iam_operator.core.grants.decided.memberships import Membership
from cloudsql_iam_operator.core.grants.decided.memberships import difference as membership_difference
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant, Plan
from cloudsql_iam_operator.core.grants.decided.wishes import Standing, Wish
from cloudsql_iam_operator.core.grants.desired.entries import Entries
from cloudsql_iam_operator.core.grants.observed.actors import Reach
from cloudsql_iam_operator.core.grants.observed.relkinds import RELATIONS
from cloudsql_iam_operator.core.grants.observed.snapshot import AclGroup, Snapshot
from cloudsql_iam_operator.core.reasons import Reason

Place = tuple[int, ObjectKind]
"""Schema and kind."""

_SETS = ("kinds", "roles", "objects", "excluded", "columns", "owners")
"""Fields of a wish; a kind and a column may be equal as words, so each is compared with its like."""

Observation = tuple[Snapshot, Plan, Reach]
"""What one observation showed, what there was to do then, and whom the operator may act as."""


@dataclass(frozen=True, slots=True)
class Drift:
    """What was given back after somebody had taken it: how many privileges, and the statements that say so.

    `beside` is how many privileges were granted that nobody had taken.
    """

    privileges: int = 0
    beside: int = 0
    statements: tuple[str, ...] = ()

    def followed_by(self, later: "Drift") -> "Drift":
        """Both, to be announced as one."""
        return Drift(self.privileges + later.privileges, later.beside, (*self.statements, *later.statements))


@dataclass(frozen=True, slots=True)
class Held:
    """What was held: what each key declared then, what that came to, and which objects there were.

    All by oid, so that a role or an object that is made again is not the one that is meant. `objects` are those of
    owners within reach, packed: there may be very many.
    """

    entries: Mapping[Key, Entries]
    wishes: tuple[Wish, ...]
    memberships: tuple[Membership, ...]
    objects: "Mapping[Place, array[int]]"

    def renewed(self, later: "Held", seen: frozenset[Key]) -> "Held":
        """It, with what a later pass over these keys saw held of them.

        Objects made since are not added where others wish something: nobody granted these to them yet.
        """
        others = tuple(wish for wish in self.wishes if wish.key not in seen)
        places = frozenset(place for wish in others for place in _places(wish))
        return Held(
            {**{key: entries for key, entries in self.entries.items() if key not in seen}, **later.entries},
            (*others, *later.wishes),
            (*(member for member in self.memberships if member.key not in seen), *later.memberships),
            {**self.objects, **{place: oids for place, oids in later.objects.items() if place not in places}},
        )

    def alike(self, wants: Mapping[Key, GrantWant], given: Plan) -> frozenset[Key]:
        """Keys that are given something and declare the same as then."""
        keys = {key for op in given.operations for key in op.keys} | {
            key for op in given.memberships for key in op.keys
        }
        live = {key: wants[key].entries for key in keys if not wants[key].dry}
        return frozenset(key for key, entries in live.items() if self.entries.get(key) == entries)


def held(wants: Mapping[Key, GrantWant], found: Plan, snapshot: Snapshot, reach: Reach) -> Held:
    """What is held: of keys with all that they declare in place, as far as owners are within reach."""
    whole = {key: want.entries for key, want in wants.items() if not want.dry and _whole(key, found)}
    objects: dict[Place, array[int]] = {}
    for group in snapshot.groups:
        if not group.future and group.kind is not ObjectKind.COLUMN and reach.actor(group.owner) is not None:
            objects.setdefault((group.schema, group.kind), array("q")).extend(group.members)
    once: dict[tuple[str, Any], Any] = {}
    return Held(
        whole,
        tuple(_packed(_reachable(wish, reach), once) for wish in found.wishes if _wanted(wish, whole)),
        tuple(member for member in found.members if _wanted(member, whole)),
        objects,
    )


def corrected(
    before: Held | None, wants: Mapping[Key, GrantWant], first: Observation, last: Observation
) -> tuple[Plan, Mapping[Key, Drift]]:
    """The part of the plan of a first observation that gives back what was held before, and what each key got of it.

    Only keys that declare the same as then; `last` is the observation after it was carried out.
    """
    given = first[1].giving()
    keys = before.alike(wants, given) if before is not None else frozenset()
    if before is None or not keys:
        return replace(given, operations=(), memberships=()), {}
    touched = frozenset(oid for operation in given.operations for oid in operation.objects)
    taken, still = (_lost(before, keys, touched, observation) for observation in (first, last))
    back = {key: taken.size_of(key) - still.size_of(key) for key in keys}
    return taken, {key: Drift(size, given.size_of(key) - taken.size_of(key)) for key, size in back.items() if size > 0}


def _lost(before: Held, keys: frozenset[Key], touched: frozenset[int], observation: Observation) -> Plan:
    """What it takes to give back to the keys what was held before, of these objects."""
    snapshot, found, reach = observation
    there = _Remains(before, touched, snapshot)
    wishes = [there.part(wish) for wish in before.wishes if wish.key in keys and there.has_place(wish)]
    members = [member for member in before.memberships if member.key in keys and there.has_roles(member)]
    return replace(
        found,
        operations=difference(wishes, there.snapshot, reach).operations,
        memberships=membership_difference(members, snapshot, reach).operations,
    ).giving()


def _whole(key: Key, found: Plan) -> bool:
    observed = found.observed[key]
    misread = any(problem.reason is Reason.INVALID_SPEC for problem in found.problems.get(key, ()))
    return observed.missing == observed.unreachable and not misread


def _wanted(said: Wish | Membership, keys: Mapping[Key, Entries]) -> bool:
    return said.standing is Standing.WANTED and said.key in keys


def _reachable(wish: Wish, reach: Reach) -> Wish:
    """A wish for future objects without the owners that nothing could be done for."""
    if not wish.future:
        return wish
    return replace(wish, owners=frozenset(owner for owner in wish.owners or () if reach.actor(owner) is not None))


def _packed(wish: Wish, once: dict[tuple[str, Any], Any]) -> Wish:
    """The same wish, of which each set is kept once for all: thousands are about the same objects."""
    sets = ((name, getattr(wish, name)) for name in _SETS)
    return replace(wish, **{name: once.setdefault((name, found), found) for name, found in sets})


def _places(wish: Wish) -> Iterator[Place]:
    """Places whose objects a wish may be about; columns are their relations'."""
    kinds = wish.kinds if ObjectKind.COLUMN not in wish.kinds else wish.kinds.union(RELATIONS)
    return ((wish.schema, kind) for kind in kinds if not wish.future)


class _Remains:
    """What there was before and is still: roles, schemas and objects may be gone, or be others of the same name."""

    def __init__(self, before: Held, touched: frozenset[int], snapshot: Snapshot) -> None:
        self._before = before
        self._touched = touched
        self._roles = frozenset(role.oid for role in snapshot.roles.values())
        self._schemas = frozenset({0, *snapshot.schemas.values()})
        whole = [self._group(group) for group in snapshot.groups if group.kind is not ObjectKind.COLUMN]
        self._objects = frozenset(oid for group in whole for oid in group.members)
        columns = [group for group in snapshot.groups if group.kind is ObjectKind.COLUMN]
        columns = [group for group in columns if self._objects.issuperset(group.members)]
        self.snapshot = replace(snapshot, groups=(*(group for group in whole if group.members), *columns))

    def part(self, wish: Wish) -> Wish:
        """The wish for roles and single objects that are still there."""
        objects = None if wish.objects is None else wish.objects & self._objects
        return replace(wish, roles=wish.roles & self._roles, objects=objects)

    def has_place(self, wish: Wish) -> bool:
        """Whether the wish's schema is still there."""
        return wish.schema in self._schemas

    def has_roles(self, member: Membership) -> bool:
        """Whether both roles are still there."""
        return {member.role, member.member} <= self._roles

    def _group(self, group: AclGroup) -> AclGroup:
        if group.future:
            return group
        members = self._touched.intersection(group.members)
        there = self._before.objects.get((group.schema, group.kind), ()) if members else ()
        return replace(group, members=tuple(sorted(members.intersection(there))))
