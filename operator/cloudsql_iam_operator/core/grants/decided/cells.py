"""Cells: objects with equal rights that the same wishes are about, seen for roles that hold the same on them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.grants.changes.operations import Operation, Verb
from cloudsql_iam_operator.core.grants.decided.wishes import Standing, Wish
from cloudsql_iam_operator.core.grants.observed.snapshot import AclGroup, Holding

_WANTING = frozenset({Standing.WANTED})
_TAKING = frozenset({Standing.RECORDED, Standing.SURPLUS, Standing.OWNED})
_SWEEPING = frozenset({Standing.OWNED})
"""Who has a say about what somebody else than the owner gave."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One decision: what is wished and what is held are the same for all its members and roles."""

    group: AclGroup
    members: tuple[int, ...]
    roles: tuple[int, ...]
    holdings: tuple[Holding, ...]
    wishes: tuple[Wish, ...]

    @property
    def size(self) -> int:
        """How many pairs of object and role it is about."""
        return len(self.members) * len(self.roles)

    def causes(self, mask: int) -> Mapping[frozenset[Key], int]:
        """The mask in parts that the same keys want."""
        return self._shares(mask, _WANTING)

    def takers(self, mask: int, grantor: int) -> Mapping[frozenset[Key], int]:
        """The mask in parts that the same keys want gone, of what a grantor gave."""
        return self._shares(mask, _TAKING if grantor == self.group.owner else _SWEEPING)

    def _shares(self, mask: int, standings: frozenset[Standing]) -> Mapping[frozenset[Key], int]:
        speaking = [wish for wish in self.wishes if wish.standing in standings and wish.mask & mask]
        shares: dict[frozenset[Key], int] = {}
        while mask:
            bit = mask & -mask
            mask ^= bit
            keys = frozenset(wish.key for wish in speaking if wish.mask & bit)
            shares[keys] = shares.get(keys, 0) | bit
        return shares

    def operation(self, verb: Verb, mask: int, grantor: int, keys: frozenset[Key]) -> Operation:
        """An operation on all of it."""
        group = self.group
        return Operation(
            verb,
            group.kind,
            self.members,
            self.roles,
            mask,
            grantor,
            keys,
            columns=(group.column,) if group.column else (),
            future=group.future,
            lockable=group.lockable,
            owner=group.owner,
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the wishes of a cell come to. `held` counts what the roles have by another way, too."""

    wanted: int
    kept: int
    recorded: int
    owned: int
    held: int

    def to_take(self, grantor: int, owner: int) -> int:
        """What is to be taken of what this grantor gave; others' gifts are only taken when all is owned."""
        return (self.owned | (self.recorded if grantor == owner else 0)) & ~self.kept


def verdict(cell: Cell, elsewhere: int = 0) -> Verdict:
    """The verdict on a cell; `elsewhere` is what its roles hold on the column's whole table."""
    by_standing: dict[Standing, int] = {}
    for wish in cell.wishes:
        by_standing[wish.standing] = by_standing.get(wish.standing, 0) | wish.mask
    held = elsewhere
    for holding in cell.holdings:
        held |= holding.mask
    wanted, recorded, surplus, claimed, owned = (by_standing.get(standing, 0) for standing in Standing)
    return Verdict(wanted, wanted | claimed, recorded | surplus, owned, held)


def cells(group: AclGroup, wishes: Sequence[Wish], *, besides: frozenset[int] = frozenset()) -> Iterator[Cell]:
    """The group, cut into cells; its owner, who needs no rights, has none. `besides` are more roles to consider."""
    for members, present in parts(group, wishes):
        alike: dict[tuple[tuple[Holding, ...], tuple[int, ...]], list[int]] = {}
        roles_of = [wish.roles for wish in present]
        everybody = tuple(range(len(present)))
        uniform = not besides and all(roles is roles_of[0] or roles == roles_of[0] for roles in roles_of)
        about = {} if uniform else _about(present)
        for role in sorted(frozenset(besides).union(*roles_of) - {group.owner}):
            which = everybody if uniform else tuple(about.get(role, ()))
            alike.setdefault((group.acl.get(role, ()), which), []).append(role)
        for (holdings, which), roles in alike.items():
            yield Cell(group, members, tuple(roles), holdings, tuple(present[i] for i in which))


def _about(wishes: Sequence[Wish]) -> dict[int, list[int]]:
    """For each role the wishes that are about it, by number: a database has hundreds of each."""
    found: dict[int, list[int]] = {}
    for number, wish in enumerate(wishes):
        for role in wish.roles:
            found.setdefault(role, []).append(number)
    return found


def parts(group: AclGroup, wishes: Sequence[Wish]) -> Iterator[tuple[tuple[int, ...], Sequence[Wish]]]:
    """The group's members, split into parts that the same wishes are about."""
    named: set[int] = set()
    for wish in wishes:
        named |= wish.objects if wish.objects is not None else wish.excluded
    special = named.intersection(group.members)
    rest = tuple(oid for oid in group.members if oid not in special) if special else group.members
    if rest:
        yield rest, [wish for wish in wishes if wish.objects is None]
    alike: dict[tuple[int, ...], list[int]] = {}
    for oid in sorted(special):
        alike.setdefault(tuple(i for i, wish in enumerate(wishes) if wish.covers(oid)), []).append(oid)
    for which, members in alike.items():
        yield tuple(members), [wishes[i] for i in which]
