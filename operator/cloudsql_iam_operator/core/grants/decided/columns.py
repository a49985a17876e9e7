"""Columns, whose rights hang on those of their table: it may cover them already, and its REVOKE takes theirs too."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.core.grants.changes.operations import Operation, Verb
from cloudsql_iam_operator.core.grants.decided.wishes import Standing, Wish
from cloudsql_iam_operator.core.grants.desired.privileges import with_option
from cloudsql_iam_operator.core.grants.observed.relkinds import RELATIONS
from cloudsql_iam_operator.core.grants.observed.snapshot import AclGroup, Holding, Snapshot


class Tables:
    """Relations that have something to do with columns, and what operations give and take on the whole of them."""

    def __init__(self, snapshot: Snapshot, relations: Iterable[int], operations: Iterable[Operation]) -> None:
        wanted = frozenset(relations)
        self._groups = {oid: group for group in _relations(snapshot) for oid in wanted.intersection(group.members)}
        self._taken: dict[tuple[int, int], list[Operation]] = {}
        self._given: dict[tuple[int, int], int] = {}
        for operation in operations:
            if operation.future or operation.kind not in RELATIONS:
                continue
            for oid in wanted.intersection(operation.objects):
                for role in operation.roles:
                    self._note((oid, role), operation)

    def group(self, relation: int) -> AclGroup:
        """The group that a relation is in."""
        return self._groups[relation]

    def losers(self, relation: int) -> frozenset[int]:
        """Roles that lose something on a relation."""
        return frozenset(role for oid, role in self._taken if oid == relation)

    def taken(self, relation: int, role: int) -> list[Operation]:
        """What takes something from a role on a relation."""
        return self._taken.get((relation, role), [])

    def left(self, relation: int, role: int) -> int:
        """What a role holds on the whole relation afterwards."""
        mask = self._given.get((relation, role), 0)
        for holding in self._groups[relation].acl.get(role, ()):
            mask |= holding.mask & ~self.swept(relation, role, holding.grantor)
        return mask

    def swept(self, relation: int, role: int, grantor: int) -> int:
        """What is taken of that which this grantor gave a role on a relation."""
        gone = 0
        for operation in self.taken(relation, role):
            if operation.grantor == grantor:
                gone |= with_option(operation.mask)
        return gone

    def _note(self, place: tuple[int, int], operation: Operation) -> None:
        if operation.verb is Verb.GRANT:
            self._given[place] = self._given.get(place, 0) | operation.mask
        elif operation.verb is Verb.REVOKE:
            self._taken.setdefault(place, []).append(operation)


def column_groups(snapshot: Snapshot, wished: Iterable[Wish]) -> Mapping[tuple[int, str], AclGroup]:
    """Columns by relation and name: those that have rights of their own, and those that somebody wants some on."""
    seen = [group for group in snapshot.groups if group.kind is ObjectKind.COLUMN]
    wanted = {oid for wish in wished for oid in wish.objects or ()}.union(group.members[0] for group in seen)
    if not wanted:
        return {}
    tables = {oid: group for group in _relations(snapshot) for oid in wanted.intersection(group.members)}
    groups = {(g.members[0], g.column): _locked_with(tables.get(g.members[0]), g) for g in seen}
    for wish in wished:
        for relation in wish.objects or ():
            for column in wish.columns & snapshot.columns.get(relation, frozenset()):
                table = tables.get(relation)
                if table is None:
                    continue  # dropped, or made something else, between two of the queries
                bare = AclGroup(ObjectKind.COLUMN, wish.schema, table.owner, (relation,), column=column)
                groups.setdefault((relation, column), _locked_with(table, bare))
    return groups


def about(wish: Wish, group: AclGroup) -> bool:
    """Whether a wish about columns is about this one."""
    if wish.schema != group.schema:
        return False
    return wish.standing is Standing.OWNED or (group.column in wish.columns and wish.covers(group.members[0]))


def lost(holdings: Iterable[Holding], operation: Operation) -> int:
    """What the table's REVOKE takes from a column whose rights are these."""
    mask = 0
    for holding in holdings:
        if holding.grantor == operation.grantor:
            mask |= holding.mask & with_option(operation.mask)
    return mask


def _locked_with(table: AclGroup | None, column: AclGroup) -> AclGroup:
    """The column's group, whose table is locked where tables can be: ALTER TABLE rewrites the rows of columns too."""
    return replace(column, lockable=table is not None and table.lockable)


def _relations(snapshot: Snapshot) -> Iterable[AclGroup]:
    return (group for group in snapshot.groups if group.kind in RELATIONS and not group.future)
