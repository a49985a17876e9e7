"""From wishes and what is held to operations: what to grant and what to revoke, each with the keys that cause it.

Works on groups of objects with equal rights, never on single ones unless an entry names them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.grants.changes.operations import Operation, Verb
from cloudsql_iam_operator.core.grants.decided.acl_size import Crowd, crowds, with_room
from cloudsql_iam_operator.core.grants.decided.cells import Cell, cells, verdict
from cloudsql_iam_operator.core.grants.decided.columns import Tables, about, column_groups, lost
from cloudsql_iam_operator.core.grants.decided.counts import Tallies
from cloudsql_iam_operator.core.grants.decided.wishes import Wish
from cloudsql_iam_operator.core.grants.desired.privileges import BITS, PLAIN, options
from cloudsql_iam_operator.core.grants.observed.actors import Reach, unattainable
from cloudsql_iam_operator.core.grants.observed.effective import Effective
from cloudsql_iam_operator.core.grants.observed.relkinds import RELATIONS
from cloudsql_iam_operator.core.grants.observed.snapshot import PUBLIC, AclGroup, Holding, Snapshot

_TO_EVERYBODY = {ObjectKind.ROUTINE: BITS["EXECUTE"], ObjectKind.TYPE: BITS["USAGE"]}
"""What everybody has on new objects of a kind as long as no default privileges for all schemas say otherwise."""

Place = tuple[int, ObjectKind, bool]
"""Schema, kind, and whether it is about future objects."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Operations that bring what is held to what is wished, and the numbers of each key before them.

    `crowds` have more grantees than is advised; those that are too big have no operations.
    """

    operations: tuple[Operation, ...]
    tallies: Tallies
    crowds: tuple[Crowd, ...] = ()


def difference(wishes: Iterable[Wish], snapshot: Snapshot, reach: Reach) -> Difference:
    """What to do about the wishes."""
    by_place: dict[Place, list[Wish]] = {}
    for wish in wishes:
        for kind in wish.kinds:
            by_place.setdefault((wish.schema, kind, wish.future), []).append(wish)
    differ = _Differ(snapshot, reach)
    for group in (*snapshot.groups, *_absent(snapshot.groups, by_place)):
        at_hand = by_place.get((group.schema, group.kind, group.future))
        if at_hand and group.kind is not ObjectKind.COLUMN:
            differ.compare(group, at_hand)
    differ.compare_columns([w for place, those in by_place.items() if place[1] is ObjectKind.COLUMN for w in those])
    return Difference(tuple(differ.found), differ.tallies, tuple(differ.crowds))


class _Differ:
    def __init__(self, snapshot: Snapshot, reach: Reach) -> None:
        self._snapshot = snapshot
        self._reach = reach
        self.found: list[Operation] = []
        self._effective = Effective(snapshot)
        self._owning = {
            (group.schema, group.owner)
            for group in snapshot.groups
            if not group.future and not group.extended and group.kind in RELATIONS
        }
        self._unattainable = unattainable(snapshot)
        self.tallies = Tallies()
        self.crowds: list[Crowd] = []

    def compare(self, group: AclGroup, at_hand: list[Wish]) -> None:
        if group.extended:
            self.tallies.extensions(group, at_hand)
        wishes = [wish for wish in at_hand if wish.concerns(group) and not self._is_idle(group, wish)]
        crowded = crowds(group, wishes)
        self.crowds += crowded
        for part, admitted, left_out in with_room(group, wishes, crowded):
            for cell in cells(part, admitted):
                self._decide(cell)
            self.tallies.owning(part, admitted)
            self.tallies.without_room(left_out)

    def compare_columns(self, wished: list[Wish]) -> None:
        columns = column_groups(self._snapshot, wished)
        if not columns:
            return
        tables = Tables(self._snapshot, (relation for relation, _ in columns), self.found)
        for (relation, _), group in sorted(columns.items(), key=lambda item: item[0]):
            present = [wish for wish in wished if about(wish, group)]
            losers = tables.losers(relation)
            for cell in cells(group, present, besides=losers):
                for mask, roles in self._alike(tables, relation, cell.roles).items():
                    self._decide(replace(cell, roles=roles), mask)
                for role in losers.intersection(cell.roles) - {PUBLIC}:  # nothing is ever given to everybody
                    self._restore(replace(cell, roles=(role,)), tables.taken(relation, role))

    def _alike(self, tables: Tables, relation: int, roles: Iterable[int]) -> Mapping[int, tuple[int, ...]]:
        """The roles by what they have on the whole table of a column."""
        found: dict[int, tuple[int, ...]] = {}
        for role in roles:
            mask = tables.left(relation, role) | self._beyond(tables.group(relation), role)
            found[mask] = (*found.get(mask, ()), role)
        return found

    def _beyond(self, table: AclGroup, role: int) -> int:
        """What the role has on the whole table by another way, where nothing can be granted on it."""
        return self._effective.mask(table, role) if self._reach.actor(table.owner) is None else 0

    def _decide(self, cell: Cell, elsewhere: int = 0) -> None:
        owner = cell.group.owner
        reachable = self._reach.actor(owner) is not None
        if reachable or cell.group.future:
            self._decided(cell, elsewhere, reachable=reachable)
            return
        # Nothing can be granted: what the roles have by another way will have to do.
        for mask, roles in self._effective.alike(cell.group, cell.roles).items():
            self._decided(replace(cell, roles=roles), elsewhere | mask, reachable=False)

    def _is_idle(self, group: AclGroup, wish: Wish) -> bool:
        """Whether it is about default privileges of an owner that nobody named, that owns nothing, and nobody can be.

        What it makes one day is granted on, or told, as it is then.
        """
        if not (group.future and wish.auto) or self._reach.actor(group.owner) is not None:
            return False
        return group.owner in self._unattainable and (group.schema, group.owner) not in self._owning

    def _decided(self, cell: Cell, elsewhere: int, *, reachable: bool) -> None:
        said = verdict(cell, elsewhere)
        owner = cell.group.owner
        self.tallies.counted(cell, said, reachable=reachable)
        missing = said.wanted & ~said.held
        for keys, mask in cell.causes(missing).items():
            if reachable:
                self._grant(cell, mask, keys, owner)
            else:
                self.tallies.out_of_reach(cell, keys)
        for holding in cell.holdings:
            gone = holding.mask & said.to_take(holding.grantor, owner)
            for keys, mask in cell.takers(gone, holding.grantor).items():
                self._take(cell, mask, keys, holding.grantor)

    def _restore(self, cell: Cell, taken: Iterable[Operation]) -> None:
        """Give back to a column what the table's REVOKE takes from it and what is to stay."""
        for operation in taken:
            stays = ~verdict(cell).to_take(operation.grantor, cell.group.owner)
            back = lost(cell.holdings, operation) & stays
            if back:
                self._grant(cell, back, operation.keys, operation.grantor)

    def _grant(self, cell: Cell, missing: int, keys: frozenset[Key], grantor: int) -> None:
        optional = options(missing)
        plain = missing & PLAIN & ~optional
        if plain:
            self.found.append(cell.operation(Verb.GRANT, plain, grantor, keys))
        if optional:
            self.found.append(replace(cell.operation(Verb.GRANT, optional, grantor, keys), option=True))

    def _take(self, cell: Cell, mask: int, keys: frozenset[Key], grantor: int) -> None:
        if self._reach.grantor(grantor, cell.group.owner) is None:
            if not cell.group.extended:  # an extension's are its owner's to grant
                self.tallies.blocked(cell, grantor, keys)
            return
        whole, only_option = mask & PLAIN, options(mask) & ~mask
        if whole:
            self.found.append(cell.operation(Verb.REVOKE, whole, grantor, keys))
        if only_option:
            self.found.append(cell.operation(Verb.TAKE_OPTION, only_option, grantor, keys))


def _absent(groups: Iterable[AclGroup], by_place: Mapping[Place, list[Wish]]) -> Iterator[AclGroup]:
    """Default privileges that are wished for and of which the database has no row yet: those that PostgreSQL has."""
    there = {(group.owner, group.schema, group.kind) for group in groups if group.future}
    for (schema, kind, future), wishes in by_place.items():
        owners = {owner for wish in wishes for owner in wish.owners or ()} if future else set()
        for owner in sorted(owners):
            if (owner, schema, kind) not in there:
                everybody = {PUBLIC: (Holding(owner, mask),)} if (mask := _TO_EVERYBODY.get(kind, 0)) else {}
                yield AclGroup(kind, schema, owner, (schema,), {} if schema else everybody, future=True)
