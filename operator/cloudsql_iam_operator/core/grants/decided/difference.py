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
from cloudsql_iam_operator.core.grants.decided.resolution import Wish
from cloudsql_iam_operator.core.grants.desired.privileges import PLAIN, options
from cloudsql_iam_operator.core.grants.observed.actors import Reach
from cloudsql_iam_operator.core.grants.observed.snapshot import PUBLIC, AclGroup, Snapshot

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
            differ.compare(group, [wish for wish in at_hand if not group.future or group.owner in wish.owners])
    differ.compare_columns([w for place, those in by_place.items() if place[1] is ObjectKind.COLUMN for w in those])
    return Difference(tuple(differ.found), differ.tallies, tuple(differ.crowds))


class _Differ:
    def __init__(self, snapshot: Snapshot, reach: Reach) -> None:
        self._snapshot = snapshot
        self._reach = reach
        self.found: list[Operation] = []
        self.tallies = Tallies()
        self.crowds: list[Crowd] = []

    def compare(self, group: AclGroup, wishes: list[Wish]) -> None:
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
            for cell in cells(group, present, besides=tables.losers(relation)):
                for role in cell.roles:
                    one = Cell(group, cell.members, (role,), cell.holdings, cell.wishes)
                    self._decide(one, tables.left(relation, role))
                    if role != PUBLIC:  # nothing is ever given to everybody
                        self._restore(one, tables.taken(relation, role))

    def _decide(self, cell: Cell, elsewhere: int = 0) -> None:
        said = verdict(cell, elsewhere)
        owner = cell.group.owner
        reachable = self._reach.actor(owner) is not None
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
        if self._reach.actor(grantor) is None:
            self.tallies.blocked(cell, grantor, keys)
            return
        whole, only_option = mask & PLAIN, options(mask) & ~mask
        if whole:
            self.found.append(cell.operation(Verb.REVOKE, whole, grantor, keys))
        if only_option:
            self.found.append(cell.operation(Verb.TAKE_OPTION, only_option, grantor, keys))


def _absent(groups: Iterable[AclGroup], by_place: Mapping[Place, list[Wish]]) -> Iterator[AclGroup]:
    """Default privileges that are wished for and of which the database has no row yet."""
    there = {(group.owner, group.schema, group.kind) for group in groups if group.future}
    for (schema, kind, future), wishes in by_place.items():
        owners = {owner for wish in wishes for owner in wish.owners} if future else set()
        for owner in sorted(owners):
            if (owner, schema, kind) not in there:
                yield AclGroup(kind, schema, owner, (schema,), future=True)
