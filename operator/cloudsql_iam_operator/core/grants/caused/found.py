"""What was held before an object declared it, and is in nobody's record: found and not caused, and so never taken."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.api.object_kinds import ROUTINES
from cloudsql_iam_operator.core.grants.changes.operations import Operation, Verb
from cloudsql_iam_operator.core.grants.changes.statements import ObjectName
from cloudsql_iam_operator.core.grants.decided.cells import Cell, cells
from cloudsql_iam_operator.core.grants.decided.columns import about, column_groups
from cloudsql_iam_operator.core.grants.decided.memberships import Edges
from cloudsql_iam_operator.core.grants.decided.resolution import Resolver
from cloudsql_iam_operator.core.grants.decided.wishes import Standing, Wish
from cloudsql_iam_operator.core.grants.desired.entries import EVERY, Entries
from cloudsql_iam_operator.core.grants.desired.ledger import AppliedEntry, Ledger, applied_kind, membership, united
from cloudsql_iam_operator.core.grants.desired.privileges import PLAIN, count, names_of, options
from cloudsql_iam_operator.core.grants.observed.actors import Reach
from cloudsql_iam_operator.core.grants.observed.snapshot import Snapshot

NAMED = 200
"""Objects with the same rights that a record names. Of more it says `*`: then nothing of that kind is ever taken."""

Record = tuple[Entries, Entries]
"""What one object records as applied, and what of that it found."""

_NEW = Key("", "", "")


@dataclass(frozen=True, slots=True)
class Found:
    """Rights that were there: in cells, each with the mask that was found, and memberships by (role, member)."""

    cells: tuple[tuple[Cell, int], ...] = ()
    memberships: tuple[tuple[int, int], ...] = ()

    @property
    def privileges(self) -> int:
        """How many privileges and memberships that is."""
        return sum(count(mask) * cell.size for cell, mask in self.cells) + len(self.memberships)

    @property
    def operations(self) -> tuple[Operation, ...]:
        """The cells in the form in which names are looked up; nothing is ever executed of them."""
        found = ((cell, mask) for cell, mask in self.cells if len(cell.members) <= NAMED)
        return tuple(cell.operation(Verb.GRANT, mask, cell.group.owner, frozenset()) for cell, mask in found)


def found(entries: Entries, records: Iterable[Record], snapshot: Snapshot, reach: Reach) -> Found:
    """What of these entries is held already, by the owner's or the operator's own grant, and recorded by nobody."""
    resolver = Resolver(snapshot)
    wishes = list(resolver.resolve(_NEW, Standing.WANTED, entries.privileges).wishes)
    known = list(records)
    if any(_held(cell) & _wanted(cell) for cell in _cells(wishes, snapshot)):
        wishes += _recorded(known, resolver)
    seen = ((cell, _held(cell) & _wanted(cell) & ~_caused(cell)) for cell in _cells(wishes, snapshot))
    there = tuple((cell, mask) for cell, mask in seen if mask)
    return Found(there, tuple(sorted(_memberships(entries, known, snapshot, reach))))


def record_of(seen: Found, names: Mapping[tuple[ObjectKind, int], ObjectName], snapshot: Snapshot) -> Ledger:
    """What was found as a ledger; `names` are those of the objects of its operations."""
    roles = snapshot.role_names()
    schemas = {oid: name for name, oid in snapshot.schemas.items()}
    entries = [
        AppliedEntry(
            applied_kind(cell.group.kind, future=cell.group.future),
            tuple(sorted(roles[role] for role in cell.roles)),
            names_of(part),
            schemas.get(cell.group.schema, ""),
            _names(cell, names, roles),
            columns=(cell.group.column,) if cell.group.column else (),
            option=option,
        )
        for cell, mask in seen.cells
        for part, option in ((mask & PLAIN, False), (options(mask), True))
        if part
    ]
    return united(entries, (membership(roles[member], roles[role]) for role, member in seen.memberships))


def _recorded(records: Iterable[Record], resolver: Resolver) -> Iterator[Wish]:
    for number, (applied, exceptions) in enumerate(records):
        key = Key("", "", str(number))
        yield from resolver.resolve(key, Standing.CLAIMED, applied.privileges).wishes
        yield from resolver.resolve(key, Standing.RECORDED, exceptions.privileges).wishes


def _cells(wishes: list[Wish], snapshot: Snapshot) -> Iterator[Cell]:
    by_place: dict[tuple[int, ObjectKind, bool], list[Wish]] = {}
    for wish in wishes:
        for kind in wish.kinds:
            by_place.setdefault((wish.schema, kind, wish.future), []).append(wish)
    for group in snapshot.groups:
        at_hand = by_place.get((group.schema, group.kind, group.future), [])
        if at_hand and group.kind is not ObjectKind.COLUMN:
            yield from cells(group, [wish for wish in at_hand if wish.concerns(group)])
    on_columns = [wish for (_, kind, _), those in by_place.items() if kind is ObjectKind.COLUMN for wish in those]
    for group in column_groups(snapshot, on_columns).values() if on_columns else ():
        yield from cells(group, [wish for wish in on_columns if about(wish, group)])


def _held(cell: Cell) -> int:
    """What its roles hold by the owner's grant: what others gave is never taken for one object's sake anyway."""
    mask = 0
    for holding in cell.holdings:
        mask |= holding.mask if holding.grantor == cell.group.owner else 0
    return mask


def _wanted(cell: Cell) -> int:
    return _mask(cell, _NEW, Standing.WANTED)


def _caused(cell: Cell) -> int:
    keys = {wish.key for wish in cell.wishes} - {_NEW}
    mask = 0
    for key in keys:
        mask |= _mask(cell, key, Standing.CLAIMED) & ~_mask(cell, key, Standing.RECORDED)
    return mask


def _mask(cell: Cell, key: Key, standing: Standing) -> int:
    mask = 0
    for wish in cell.wishes:
        mask |= wish.mask if (wish.key, wish.standing) == (key, standing) else 0
    return mask


def _memberships(
    entries: Entries, records: Iterable[Record], snapshot: Snapshot, reach: Reach
) -> frozenset[tuple[int, int]]:
    wanted = _pairs(entries, snapshot)
    if not wanted:
        return wanted
    edges = Edges(snapshot, reach)
    there = frozenset((grant.role, grant.member) for grant in snapshot.role_grants if edges.own(grant))
    caused: frozenset[tuple[int, int]] = frozenset()
    for applied, exceptions in records:
        caused |= _pairs(applied, snapshot) - _pairs(exceptions, snapshot)
    return (wanted & there) - caused


def _pairs(entries: Entries, snapshot: Snapshot) -> frozenset[tuple[int, int]]:
    roles = snapshot.roles
    return frozenset(
        (roles[entry.role].oid, roles[member].oid)
        for entry in entries.memberships
        for member in entry.members
        if entry.role in roles and member in roles
    )


def _names(cell: Cell, names: Mapping[tuple[ObjectKind, int], ObjectName], roles: Mapping[int, str]) -> tuple[str, ...]:
    if cell.group.future:
        return (roles[cell.group.owner],)
    if cell.group.kind in {ObjectKind.DATABASE, ObjectKind.SCHEMA}:
        return ("",)
    if len(cell.members) > NAMED:
        return (EVERY,)
    return tuple(sorted(_name(cell.group.kind, names[cell.group.kind, oid]) for oid in cell.members))


def _name(kind: ObjectKind, name: ObjectName) -> str:
    if kind not in ROUTINES:
        return name.name
    arguments = ", ".join(f"{_quoted(schema)}.{_quoted(type_)}" for schema, type_ in name.arguments)
    return f"{_quoted(name.name)}({arguments})"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
